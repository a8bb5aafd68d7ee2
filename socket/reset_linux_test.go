package socket_test

import (
	"errors"
	"io"
	"syscall"
	"testing"

	"zocalo/socket"
)

// The system tells one call of a reset. Who reads is told as well where another
// call was told first, and reads an end in order only after a FIN.
func TestResetThatOthersWereTold(t *testing.T) {
	for _, kind := range []testKind{tcp, tcp6} {
		for what, read := range map[string]func(*testing.T, *socket.Socket) (int64, error){
			"Read": func(_ *testing.T, s *socket.Socket) (int64, error) {
				return io.Copy(io.Discard, struct{ io.Reader }{s})
			},
			"Receive": func(_ *testing.T, s *socket.Socket) (n int64, err error) {
				var m socket.Message
				for m.SetData(make([]byte, 100)); err == nil; n += int64(m.N) {
					err = s.Receive(&m)
				}
				if err == io.EOF {
					err = nil
				}
				return n, err
			},
			"splice": func(t *testing.T, s *socket.Socket) (int64, error) {
				to, from := tcp.pair(t)
				go io.Copy(io.Discard, from)
				return io.Copy(to, s)
			},
		} {
			t.Run(kind.String()+" "+what, func(t *testing.T) {
				for fin, want := range map[bool]error{true: nil, false: syscall.ECONNRESET} {
					a, b := kind.pair(t)
					_, err := b.Write([]byte("hello"))
					check(t, err)
					if fin {
						check(t, b.Shutdown(socket.ShutdownWrite))
						eventually(t, "the FIN has come", func() bool { return info(t, a).State == 8 }) // CLOSE_WAIT
					}
					check(t, b.Abort())
					eventually(t, "the reset has come", func() bool { return info(t, a).State == 7 }) // CLOSE
					if _, err := a.Write([]byte("x")); err == nil {
						t.Fatal("it was not reset")
					}
					if n, err := read(t, a); n != 5 || !errors.Is(err, want) {
						t.Errorf("after a FIN (%v): %d of 5 bytes, then %v, want %v", fin, n, err, want)
					}
				}
			})
		}
	}
}
