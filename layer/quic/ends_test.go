package quic_test

import (
	"errors"
	"io"
	"syscall"
	"testing"

	"zocalo/socket"
)

// Each direction has its own end, and a reset is one of both.
func TestEnds(t *testing.T) {
	read := func(t *testing.T, s *socket.Socket) error {
		t.Helper()
		_, err := s.Read(make([]byte, 1))
		return err
	}
	t.Run("half-close", func(t *testing.T) {
		a, b := pair(t, "")
		try(t, a.CloseWrite())
		if err := read(t, b); err != io.EOF {
			t.Fatalf("the end of the other direction is read as %v", err)
		}
		_, err := b.Write([]byte("x"))
		try(t, err)
		try(t, read(t, a))
		if _, err := a.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("writing after the end: %v", err)
		}
	})
	t.Run("reset", func(t *testing.T) {
		a, b := pair(t, "")
		try(t, a.Abort())
		if err := read(t, b); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("a reset is read as %v", err)
		}
	})
	t.Run("reset with a code", func(t *testing.T) {
		a, b := pair(t, "")
		other, far := pair(t, "")
		try(t, a.Shutdown(socket.ShutdownRead)) // which is no reset
		_, err := a.Write([]byte("x"))
		try(t, err)
		try(t, read(t, b))
		if _, err := b.Write([]byte("x")); err != nil && !errors.Is(err, syscall.EPIPE) {
			t.Errorf("writing to who reads no more: %v", err)
		}
		a.Unwrap().(socket.CodeAborter).AbortCode(77)
		err = read(t, b)
		var coded socket.CodedError
		if !errors.As(err, &coded) || !errors.Is(err, syscall.ECONNRESET) {
			t.Fatalf("a reset with a code is read as %v", err)
		}
		if code, ok := coded.ResetCode(); code != 77 || !ok {
			t.Errorf("the code is %d, %v", code, ok)
		}
		try(t, other.AbortLike(err))
		if err := read(t, far); !errors.As(err, &coded) {
			t.Errorf("the reset that was passed on is read as %v", err)
		} else if code, _ := coded.ResetCode(); code != 77 {
			t.Errorf("the code that was passed on is %d", code)
		}
	})
	t.Run("closed with unread input", func(t *testing.T) {
		a, b := pair(t, "")
		_, err := b.Write([]byte("nobody reads this"))
		try(t, err)
		_, err = a.Write([]byte("but this counts"))
		try(t, err)
		try(t, a.Close())
		got, err := io.ReadAll(b)
		if err != nil || string(got) != "but this counts" {
			t.Errorf("read %q, %v", got, err)
		}
		for err == nil { // until the peer's word has come
			_, err = b.Write([]byte("x"))
		}
		if !errors.Is(err, syscall.EPIPE) {
			t.Errorf("writing to who has closed: %v", err)
		}
	})
}
