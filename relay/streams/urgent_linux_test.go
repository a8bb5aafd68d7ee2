package streams_test

import (
	"testing"
	"time"

	"zocalo/internal/testenv"
	"zocalo/relay/outcome"
	"zocalo/socket"
	"zocalo/socket/option"
)

// readMarked reads at most len(b) bytes, and reports whether they are one that
// is urgent. The socket has OOBInline on.
func readMarked(s *socket.Socket, b []byte) (n int, urgent bool, err error) {
	var first [1]byte
	var m socket.Message
	m.SetData(first[:])
	m.Flags = socket.Peek
	if err := s.Receive(&m); err != nil {
		return 0, false, err
	}
	if urgent, _ = s.AtMark(); urgent {
		b = b[:1]
	}
	n, err = s.Read(b)
	return n, urgent, err
}

// wantsMarked reads until text came, with the urgent bytes in brackets.
func wantsMarked(t testing.TB, s *socket.Socket, text string) {
	t.Helper()
	got := ""
	b := make([]byte, 1<<16)
	for len(got) < len(text) {
		n, urgent, err := readMarked(s, b)
		if err != nil {
			t.Fatalf("%v after %q", err, got)
		}
		if urgent {
			got += "[" + string(b[:n]) + "]"
		} else {
			got += string(b[:n])
		}
	}
	if got != text {
		t.Fatalf("received %q, want %q", got, text)
	}
}

func sendsUrgent(t testing.TB, s *socket.Socket, text string) {
	t.Helper()
	if _, err := s.SendUrgent([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

// An urgent byte arrives urgent, at its place: between others, alone, and
// last before the end.
func TestUrgent(t *testing.T) {
	kinds(t, func(t *testing.T, from, to socket.Kind) {
		r := relaying(t, from, to, 1, nil)
		a, b := r.pair()
		for _, s := range []*socket.Socket{a, b} {
			try(t, option.OOBInline.Set(s, true))
		}
		for _, d := range [][2]*socket.Socket{{a, b}, {b, a}} {
			near, far := d[0], d[1]
			writes(t, near, "before")
			sendsUrgent(t, near, "!")
			writes(t, near, "after")
			wantsMarked(t, far, "before[!]after")
			sendsUrgent(t, near, "?")
			wantsMarked(t, far, "[?]")
			writes(t, near, "x")
			sendsUrgent(t, near, "$")
			try(t, near.Shutdown(socket.ShutdownWrite))
			wantsMarked(t, far, "x[$]")
			wantsEOF(t, far)
		}
		e := r.wantsEnding(outcome.Finished)
		for side, f := range e.From {
			if f.Urgent != 3 || f.Bytes != 6+1+5+1+1+1 || f.UrgentInLine != 0 {
				t.Errorf("side %d: %+v", side, f)
			}
		}
	})
}

// The same in the middle of bulk, where the flow is spliced.
func TestUrgentAmongBulk(t *testing.T) {
	r := relaying(t, tcp, tcp, 1, nil)
	a, b := r.pair()
	try(t, option.OOBInline.Set(b, true))
	const size, every = 8 << 20, 1 << 20
	acknowledged := make(chan bool)
	done := make(chan error, 1)
	go func() {
		data := make([]byte, every)
		for i := range size / every {
			for j := range data {
				data[j] = byte(i + j/256)
			}
			if _, err := a.Write(data); err != nil {
				done <- err
				return
			}
			if _, err := a.SendUrgent([]byte{'!'}); err != nil {
				done <- err
				return
			}
			<-acknowledged // or the next would make this one ordinary
		}
		done <- a.Shutdown(socket.ShutdownWrite)
	}()
	buf := make([]byte, 1<<18)
	for i := range size / every {
		got := 0
		for {
			n, urgent, err := readMarked(b, buf)
			try(t, err)
			if urgent {
				if got != every || buf[0] != '!' {
					t.Fatalf("the mark is after %d bytes", got)
				}
				break
			}
			for j, c := range buf[:n] {
				if c != byte(i+(got+j)/256) {
					t.Fatalf("byte %d of round %d is %d", got+j, i, c)
				}
			}
			got += n
		}
		acknowledged <- true
	}
	try(t, <-done)
	wantsEOF(t, b)
	try(t, b.Close())
	if e := r.wantsEnding(outcome.Finished); e.From[outcome.A].Urgent != size/every {
		t.Errorf("%+v", e.From[outcome.A])
	}
}

// An echo sends what is urgent back urgent.
func TestUrgentEcho(t *testing.T) {
	for _, k := range []socket.Kind{tcp, unixStream} {
		t.Run(k.String(), func(t *testing.T) {
			r := relaying(t, k, socket.Kind{}, 1, nil)
			a := r.client()
			try(t, option.OOBInline.Set(a, true))
			writes(t, a, "one")
			sendsUrgent(t, a, "!")
			writes(t, a, "two")
			wantsMarked(t, a, "one[!]two")
		})
	}
}

// A signal that is pending while the mark is next does not stop the flow.
func TestUrgentAmongSignals(t *testing.T) {
	testenv.Signals(t)
	kinds(t, func(t *testing.T, from, to socket.Kind) {
		a, b := relaying(t, from, to, 1, nil).pair()
		try(t, b.SetReadDeadline(time.Now().Add(patience)))
		for range 200 {
			sendsUrgent(t, a, "!")
			writes(t, a, "x")
			var got [1]byte
			if _, err := b.ReceiveUrgent(t.Context(), got[:]); err != nil || got[0] != '!' {
				t.Fatalf("%q, %v", got, err)
			}
			wants(t, b, "x")
		}
	})
}
