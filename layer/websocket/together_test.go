package websocket

import (
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/gobwas/ws"

	"zocalo/frame"
)

// brings gives the endpoint what one read brings.
func (e *endpoint) brings(frames ...ws.Frame) {
	in := &e.reader.in
	b := in.lend()
	for _, f := range frames {
		f = ws.MaskFrameInPlace(f)
		in.to += copy(b[in.to:], ws.MustCompileFrame(f))
	}
}

// Messages that one read brings are lent as far as they are alike, and nothing else is.
func TestLendMessages(t *testing.T) {
	texts := func(s ...string) (frames []ws.Frame) {
		for _, s := range s {
			frames = append(frames, ws.NewTextFrame([]byte(s)))
		}
		return frames
	}
	binary := ws.NewBinaryFrame([]byte("\xff"))
	for name, c := range map[string]struct {
		brought []ws.Frame
		want    []string
	}{
		"nothing":      {nil, nil},
		"all":          {texts("a", "", "ß"), []string{"a", "", "ß"}},
		"of a type":    {append(texts("a", "b"), binary), []string{"a", "b"}},
		"not a ping":   {append(texts("a"), ws.NewPingFrame(nil), binary), []string{"a"}},
		"no fragment":  {append(texts("a"), ws.NewFrame(ws.OpText, false, []byte("b"))), []string{"a"}},
		"no more room": {texts("a", "b", "c", "d", "e"), []string{"a", "b", "c", "d"}},
		"UTF-8 only":   {texts("a", "\xff"), []string{"a"}},
	} {
		t.Run(name, func(t *testing.T) {
			e, s := over(t, &beneath{}, prepared{})
			e.brings(c.brought...)
			list := make([][]byte, 4)
			var got []string
			for _, m := range list[:s.LendMessages(list)] {
				got = append(got, string(m))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("lent %q; want %q", got, c.want)
			}
			if more, read := e.more.Load(), e.messages.Load(); int(read) != len(c.want) || more != (name == "of a type" || name == "no more room" || name == "UTF-8 only") {
				t.Errorf("%d messages were read, and there are more: %v", read, more)
			}
		})
	}
}

// A text that is not UTF-8 ends the connection behind those before it.
func TestLendMessagesNoText(t *testing.T) {
	c := &beneath{}
	e, s := over(t, c, prepared{})
	e.brings(ws.NewTextFrame([]byte("a")), ws.NewTextFrame([]byte("\xff")))
	list := make([][]byte, 4)
	if n := s.LendMessages(list); n != 1 {
		t.Errorf("lent %d", n)
	}
	if n := s.LendMessages(list); n != 0 {
		t.Errorf("lent %d", n)
	}
	if _, err := s.Read(make([]byte, 10)); !errors.Is(err, errNoText) {
		t.Errorf("Read: %v", err)
	}
}

// What is lent is nobody else's after Close.
func TestLendMessagesClose(t *testing.T) {
	e, s := over(t, &beneath{}, prepared{})
	e.brings(ws.NewBinaryFrame([]byte("mine")))
	list := make([][]byte, 1)
	if n := s.LendMessages(list); n != 1 {
		t.Fatalf("lent %d", n)
	}
	s.Abort()
	for range 100 {
		b := memory.Get().(*[bufferSize]byte)
		for i := range b {
			b[i] = 'x'
		}
		defer memory.Put(b)
	}
	if string(list[0]) != "mine" {
		t.Errorf("it became %q", list[0])
	}
}

// Messages that are written together leave by one write, up to one that is refused.
func TestWriteMessages(t *testing.T) {
	writes := 0
	c := &beneath{write: func(b []byte) (int, error) { writes++; return len(b), nil }}
	_, s := over(t, c, prepared{kind: textKind})
	n, err := s.WriteMessages([][]byte{[]byte("a"), []byte("b"), {}})
	if n != 3 || err != nil || writes != 1 {
		t.Errorf("WriteMessages = %d, %v, by %d writes", n, err, writes)
	}
	n, err = s.WriteMessages([][]byte{[]byte("c"), []byte("d"), []byte("\xff"), []byte("e")})
	if n != 2 || !errors.Is(err, frame.ErrRefused) || writes != 2 {
		t.Errorf("WriteMessages of what is no text = %d, %v, by %d writes", n, err, writes)
	}
	var want []ws.Frame
	for _, m := range []string{"a", "b", "", "c", "d"} {
		want = append(want, ws.NewTextFrame([]byte(m)))
	}
	c.takes(t, want...)

	c.write = func([]byte) (int, error) { return 0, io.ErrClosedPipe }
	if _, err = s.WriteMessages([][]byte{[]byte("a"), []byte("b")}); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("WriteMessages to nobody: %v", err)
	}
}
