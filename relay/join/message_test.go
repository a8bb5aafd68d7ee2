package join_test

import (
	"context"
	"errors"
	"io"
	"math"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"zocalo/frame"
	"zocalo/relay/join"
	"zocalo/relay/outcome"
	"zocalo/socket"
	"zocalo/socket/sockettest"
)

// The twin for messages, through a join of two ends that promise the same. It
// expects the peers to have each other's names, so that it is not for udp.
func TestMessages(t *testing.T) {
	through := func(t *testing.T, a, b maker) {
		sockettest.TestMessages(t, func() (x, y *socket.Socket, stop func(), err error) {
			j := plain(t, a, b)
			return j.a, j.b, func() {
				j.a.Close()
				j.b.Close()
				j.end()
				j.over()
			}, nil
		})
	}
	eachPair(t, connectedMessages, through)
	eachPair(t, []maker{unixDatagram, memoryDatagram}, through)
}

func TestMessagesStayWhole(t *testing.T) {
	eachPair(t, everyMessages, func(t *testing.T, a, b maker) {
		j := plain(t, a, b)
		for _, text := range []string{"one", "", "two\nlines", strings.Repeat("large", 8000), ""} {
			writes(t, j.a, text)
			wantsMessage(t, j.b, text)
			writes(t, j.b, text)
			wantsMessage(t, j.a, text)
		}
		j.end()
		r, err := j.over()
		wantsErr(t, err, context.Canceled)
		if r.How != outcome.Cancelled || r.From[outcome.A].Messages != 5 || r.From[outcome.B].Messages != 5 || r.From[outcome.A].Bytes != 40012 {
			t.Errorf("Join = %+v", r)
		}
	})
}

// An empty message is one, and the end is the end.
func TestEmptyMessageIsNoEnd(t *testing.T) {
	eachPair(t, connectedMessages, func(t *testing.T, a, b maker) {
		j := plain(t, a, b)
		writes(t, j.a, "", "last", "")
		try(t, j.a.Shutdown(socket.ShutdownWrite))
		for _, text := range []string{"", "last", ""} {
			wantsMessage(t, j.b, text)
		}
		wantsEOF(t, j.b)
		writes(t, j.b, "", "answer")
		wantsMessage(t, j.a, "")
		wantsMessage(t, j.a, "answer")
		try(t, j.b.Close())
		wantsEOF(t, j.a)
		if r, err := j.over(); err != nil || r.How != outcome.Finished || r.From[outcome.A].Messages != 3 || r.From[outcome.B].Messages != 2 {
			t.Errorf("Join = %+v, %v", r, err)
		}
	})
}

func TestRefused(t *testing.T) {
	tests := []struct {
		name   string
		a, b   maker
		ea, eb join.End
		opts   join.Options
		large  string
		small  string
		want   error
	}{
		{"by the far kind", unixSeqPacket, udp, join.End{}, join.End{}, join.Options{},
			strings.Repeat("x", 70000), "small", syscall.EMSGSIZE},
		{"by the limit", unixSeqPacket, unixSeqPacket, join.End{}, join.End{}, join.Options{MaxMessage: 10},
			"eleven octe", "ten bytes", socket.ErrTruncated},
		{"by a format", unixSeqPacket, unix, join.End{}, format("lines"), join.Options{},
			"two\nlines", "one line", frame.ErrRefused},
		{"of a format", unix, unixSeqPacket, format("lines"), join.End{}, join.Options{MaxMessage: 10},
			"eleven octe\n", "ten bytes\n", frame.ErrRefused},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var refused error
			test.opts.OnRefused = func(from outcome.Side, err error) {
				if from == outcome.A {
					refused = errors.Join(refused, err)
				}
			}
			j := start(t, test.a, test.b, test.ea, test.eb, test.opts)
			writes(t, j.a, test.large, test.small, test.large)
			small := test.small
			if !test.b.bounded() {
				wants(t, j.b, strings.TrimSuffix(small, "\n")+"\n")
			} else {
				wantsMessage(t, j.b, strings.TrimSuffix(small, "\n"))
			}
			try(t, j.a.Shutdown(socket.ShutdownWrite))
			if test.b.name == "udp" {
				j.end()
			} else {
				wantsEOF(t, j.b)
				j.b.Close()
			}
			r, _ := j.over()
			if got := r.From[outcome.A]; got.Messages != 1 || got.Refused == 0 {
				t.Errorf("Join = %+v", r)
			}
			wantsErr(t, refused, test.want)
		})
	}
}

// bounded reports whether the maker's sockets keep boundaries.
func (m maker) bounded() bool { return m.name != "unix" && m.name != "tcp" && m.name != "memory" }

// Each format carries a seqpacket's messages over a stream and back.
func TestFormats(t *testing.T) {
	for _, name := range []string{"lines", "len16", "len32", "varint", "netstring", "fixed:4"} {
		t.Run(name, func(t *testing.T) {
			// seqpacket A to stream, stream to seqpacket.
			near, far := tcp.make(t)
			first := &joined{done: make(chan struct{})}
			var middle *socket.Socket
			first.a, middle = unixSeqPacket.make(t)
			first.b = first.a
			end := format(name)
			end.Socket = near
			first.run(t, join.End{Socket: middle}, end, join.Options{})

			second := &joined{done: make(chan struct{})}
			second.b, middle = memorySeqPacket.make(t)
			second.a = second.b
			end.Socket = far
			second.run(t, end, join.End{Socket: middle}, join.Options{})

			for _, text := range []string{"four", "more", "last"} {
				writes(t, first.a, text)
				wantsMessage(t, second.b, text)
				writes(t, second.b, text)
				wantsMessage(t, first.a, text)
			}
			try(t, first.a.Close())
			wantsEOF(t, second.b)
			try(t, second.b.Close())
			for _, j := range []*joined{first, second} {
				if r, err := j.over(); err != nil || r.How != outcome.Finished || r.From[outcome.A].Messages != 3 || r.From[outcome.B].Bytes != 12 {
					t.Errorf("Join = %+v, %v", r, err)
				}
			}
		})
	}
}

func TestFormatToFormat(t *testing.T) {
	j := start(t, unix, tcp, format("lines"), format("netstring"), join.Options{})
	writes(t, j.a, "hello\n\nlast")
	try(t, j.a.Shutdown(socket.ShutdownWrite))
	wants(t, j.b, "5:hello,0:,4:last,")
	wantsEOF(t, j.b)
	writes(t, j.b, "3:yes,")
	wants(t, j.a, "yes\n")
	try(t, j.b.Close())
	if r, err := j.over(); err != nil || r.From[outcome.A].Messages != 3 {
		t.Errorf("Join = %+v, %v", r, err)
	}
}

func TestMalformed(t *testing.T) {
	j := start(t, tcp, unixSeqPacket, format("netstring"), join.End{}, join.Options{})
	writes(t, j.a, "nonsense")
	r, err := j.over()
	var malformed *frame.MalformedError
	if r.How != outcome.Failed || r.Side != outcome.A || !errors.As(err, &malformed) {
		t.Errorf("Join = %+v, %v", r, err)
	}
	// Who sent it is told that it did not arrive.
	_, err = io.ReadAll(j.a)
	wantsErr(t, err, syscall.ECONNRESET)
}

func TestWhole(t *testing.T) {
	tests := []struct {
		name, input string
		limit       int
		messages    int64
	}{
		{"some", "all of it\nis one", 0, 1},
		{"nothing", "", 0, 1},
		{"too much", "eleven octe", 10, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			j := start(t, unix, unixSeqPacket, join.End{Whole: true}, join.End{}, join.Options{MaxMessage: test.limit})
			writes(t, j.a, test.input)
			try(t, j.a.Shutdown(socket.ShutdownWrite))
			if test.messages > 0 {
				wantsMessage(t, j.b, test.input)
			}
			wantsEOF(t, j.b)
			writes(t, j.b, "as it", " is")
			wants(t, j.a, "as it is")
			try(t, j.b.Close())
			if r, err := j.over(); err != nil || r.From[outcome.A].Messages != test.messages || int64(r.From[outcome.A].Refused) != 1-test.messages {
				t.Errorf("Join = %+v, %v", r, err)
			}
		})
	}
}

func TestText(t *testing.T) {
	end := format("lines")
	end.Text = true
	j := start(t, unix, unixSeqPacket, end, join.End{}, join.Options{})
	writes(t, j.a, "question\n")
	wantsMessage(t, j.b, "question")
	writes(t, j.b, "one line", "two\nlines\n", "")
	wants(t, j.a, "one line\ntwo\nlines\n\n")
}

func TestRefusedPairs(t *testing.T) {
	var needs *join.NeedsFormatError
	tests := []struct {
		name   string
		a, b   maker
		ea, eb join.End
		side   outcome.Side
		text   string
	}{
		{"stream to messages", tcp, udp, join.End{}, join.End{}, outcome.A, "frame=lines"},
		{"messages to stream", unixSeqPacket, unix, join.End{}, join.End{}, outcome.B, "frame=lines"},
		{"format to stream", tcp, unix, format("lines"), join.End{}, outcome.B, "is cut into messages"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			j := start(t, test.a, test.b, test.ea, test.eb, join.Options{})
			_, err := j.over()
			if !errors.As(err, &needs) || needs.Side != test.side || !strings.Contains(err.Error(), test.text) {
				t.Errorf("Join's error is %v", err)
			}
		})
	}
	for _, test := range []struct {
		name string
		b    join.End
		text string
	}{
		{"format on messages", format("lines"), "give it no format"},
		{"size over the limit", format("fixed:9"), "give it no format"},
	} {
		t.Run(test.name, func(t *testing.T) {
			j := start(t, unixSeqPacket, unixSeqPacket, join.End{}, test.b, join.Options{})
			if _, err := j.over(); err == nil || !strings.Contains(err.Error(), test.text) {
				t.Errorf("Join's error is %v", err)
			}
		})
	}
	t.Run("only how to write", func(t *testing.T) {
		j := start(t, unix, unixSeqPacket, join.End{Text: true}, join.End{}, join.Options{})
		if _, err := j.over(); err == nil || !strings.Contains(err.Error(), "give it a format") {
			t.Errorf("Join's error is %v", err)
		}
	})
	t.Run("no socket", func(t *testing.T) {
		if _, err := join.Join(t.Context(), join.End{}, join.End{}, join.Options{}); err == nil {
			t.Error("Join joined nothing")
		}
	})
}

// Descriptors that come with data are closed and counted, and the data passes.
func TestFilesRefused(t *testing.T) {
	lines := format("lines")
	tests := []struct {
		name string
		make maker
		a, b join.End
	}{
		{"seqpacket", unixSeqPacket, join.End{}, join.End{}},
		{"stream", unix, join.End{}, join.End{}},
		{"stream in a format", unix, lines, lines},
		{"stream without urgent data", promising("not urgent", socket.Properties{Connected: true}), join.End{}, join.End{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var refused error
			j := &joined{done: make(chan struct{})}
			test.a.Socket, j.a = test.make.make(t)
			test.b.Socket, j.b = test.make.make(t)
			j.run(t, test.a, test.b, join.Options{OnRefused: func(_ outcome.Side, err error) { refused = err }})
			m := socket.Message{Ancillary: socket.Ancillary{Present: socket.HasFiles, Files: []int{0}}}
			m.SetData([]byte("with a descriptor\n"))
			must(j.a.Send(&m))(t)
			wantsMessage(t, j.b, "with a descriptor\n")
			try(t, j.a.Close())
			wantsEOF(t, j.b)
			try(t, j.b.Close())
			r, err := j.over()
			if from := r.From[outcome.A]; err != nil || from.FilesRefused != 1 || from.Bytes == 0 {
				t.Errorf("Join = %+v, %v", r, err)
			}
			wantsErr(t, refused, socket.ErrDescriptorsRefused)
		})
	}
}

// Without a limit given, a stream's messages may be longer than a datagram.
func TestUsualLimit(t *testing.T) {
	j := start(t, tcp, unixSeqPacket, format("len32"), join.End{}, join.Options{})
	text := strings.Repeat("x", 100<<10)
	writes(t, j.a, "\x00\x01\x90\x00", text)
	wantsMessage(t, j.b, text)
}

func TestLimitBeyondMemory(t *testing.T) {
	for _, limit := range []int{frame.MaxSize + 1, math.MaxInt} {
		j := start(t, unix, unixSeqPacket, join.End{Whole: true}, join.End{}, join.Options{MaxMessage: limit})
		if _, err := j.over(); err == nil || !strings.Contains(err.Error(), "give at most") {
			t.Errorf("Join's error with a limit of %d is %v", limit, err)
		}
		s := boundUDP(t)
		if _, err := join.FirstPeer(t.Context(), s, limit, nil); err == nil || !strings.Contains(err.Error(), "give at most") {
			t.Errorf("FirstPeer's error with a limit of %d is %v", limit, err)
		}
		try(t, s.Close())
	}
}

// What is left of a message that is too long is read, so that its sender ends.
func TestWholeReadsTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := start(t, memory, memorySeqPacket, join.End{Whole: true}, join.End{}, join.Options{MaxMessage: 10})
		writes(t, j.a, strings.Repeat("x", 4<<20))
		try(t, j.a.Shutdown(socket.ShutdownWrite))
		wantsEOF(t, j.b)
		try(t, j.b.Close())
		if r, err := j.over(); err != nil || r.From[outcome.A].Refused != 1 || !r.From[outcome.A].EndOfFile {
			t.Errorf("Join = %+v, %v", r, err)
		}
	})
}
