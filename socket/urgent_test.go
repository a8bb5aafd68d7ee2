package socket_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"syscall"
	"testing"
	"time"

	"zocalo/socket"
	"zocalo/socket/option"
)

func write(t testing.TB, s *socket.Socket, text string) {
	t.Helper()
	_, err := s.Write([]byte(text))
	check(t, err)
}

func wantRead(t testing.TB, s io.Reader, text string) {
	t.Helper()
	got := make([]byte, len(text))
	if n, err := io.ReadFull(s, got); err != nil || string(got) != text {
		t.Fatalf("read %q, %v; want %q", got[:n], err, text)
	}
}

func wantUrgent(t testing.TB, s *socket.Socket, text string) {
	t.Helper()
	got := make([]byte, 10)
	if n, err := s.ReceiveUrgent(t.Context(), got); err != nil || string(got[:n]) != text {
		t.Fatalf("urgent data %q, %v; want %q", got[:n], err, text)
	}
}

func sendUrgent(t testing.TB, s *socket.Socket, text string) {
	t.Helper()
	n, err := s.SendUrgent([]byte(text))
	check(t, err)
	if n != len(text) {
		t.Fatalf("sent %d bytes of %q", n, text)
	}
}

func TestUrgentAheadOfData(t *testing.T) {
	each(t, urgentStreams, func(t *testing.T, k testKind) {
		a, b := k.pair(t)
		write(t, a, "before")
		sendUrgent(t, a, "!")
		write(t, a, "after")
		wantUrgent(t, b, "!")
		if at, err := b.AtMark(); at || err != nil {
			t.Errorf("AtMark before the data: %v, %v", at, err)
		}
		wantRead(t, b, "before")
		if at, err := b.AtMark(); !at || err != nil {
			t.Errorf("AtMark after the data: %v, %v", at, err)
		}
		wantRead(t, b, "after")
		if at, err := b.AtMark(); at || err != nil {
			t.Errorf("AtMark beyond: %v, %v", at, err)
		}
	})
}

// Of several bytes the last is urgent, and the rest goes before it.
func TestUrgentBytes(t *testing.T) {
	each(t, urgentStreams, func(t *testing.T, k testKind) {
		a, b := k.pair(t)
		sendUrgent(t, a, "abc")
		wantUrgent(t, b, "c")
		wantRead(t, b, "ab")
		if n, err := a.SendUrgent(nil); n != 0 || err != nil {
			t.Errorf("nothing as urgent data: %d, %v", n, err)
		}
		if n, err := b.ReceiveUrgent(t.Context(), nil); n != 0 || err != nil {
			t.Errorf("urgent data into nothing: %d, %v", n, err)
		}
	})
}

func TestUrgentInLine(t *testing.T) {
	each(t, urgentStreams, func(t *testing.T, k testKind) {
		a, b := k.pair(t)
		check(t, option.OOBInline.Set(b, true))
		_, err := b.ReceiveUrgent(t.Context(), make([]byte, 1))
		wantError(t, "ReceiveUrgent", err, syscall.EINVAL)
		write(t, a, "x")
		sendUrgent(t, a, "!")
		write(t, a, "y")
		got := make([]byte, 0, 3)
		for len(got) < 3 {
			one := make([]byte, 3)
			n, err := b.Read(one)
			check(t, err)
			got = append(got, one[:n]...)
		}
		if string(got) != "x!y" {
			t.Errorf("read %q", got)
		}
	})
}

// The wait for urgent data ends with the stream, and each byte is told once.
func TestUrgentEnd(t *testing.T) {
	ends := map[string]func(*socket.Socket) error{
		"Shutdown": func(s *socket.Socket) error { return s.Shutdown(socket.ShutdownWrite) },
		"Close":    (*socket.Socket).Close,
		"Abort":    (*socket.Socket).Abort,
	}
	each(t, urgentStreams, func(t *testing.T, k testKind) {
		for name, end := range ends {
			t.Run(name, func(t *testing.T) {
				a, b := k.pair(t)
				urgent := func() error { _, err := b.ReceiveUrgent(t.Context(), make([]byte, 1)); return err }
				c := start(t, "ReceiveUrgent", urgent)
				sendUrgent(t, a, "!")
				c.end(nil)
				c = start(t, "ReceiveUrgent", urgent)
				check(t, end(a))
				c.end(io.EOF)
				wantError(t, "ReceiveUrgent at the end", urgent(), io.EOF)
			})
		}
		t.Run("last of all", func(t *testing.T) {
			a, b := k.pair(t)
			write(t, a, "x")
			sendUrgent(t, a, "!")
			check(t, a.Shutdown(socket.ShutdownWrite))
			wantUrgent(t, b, "!")
			_, err := b.ReceiveUrgent(t.Context(), make([]byte, 1))
			wantError(t, "ReceiveUrgent at the end", err, io.EOF)
			wantRead(t, b, "x")
			if _, err := b.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("Read at the end: %v", err)
			}
		})
		t.Run("after Shutdown of this side", func(t *testing.T) {
			_, b := k.pair(t)
			c := start(t, "ReceiveUrgent", func() error { _, err := b.ReceiveUrgent(t.Context(), make([]byte, 1)); return err })
			check(t, b.Shutdown(socket.ShutdownRead))
			c.end(io.EOF)
		})
	})
}

// Urgent data behind a full buffer comes once there is room, and what is read
// meanwhile is whole.
func TestUrgentBehindFullBuffer(t *testing.T) {
	each(t, urgentStreams, func(t *testing.T, k testKind) {
		a, b := k.pair(t)
		size := 0
		c := start(t, "Write", func() error {
			return untilError(func() error {
				n, err := a.Write(bytes.Repeat([]byte("d"), 64<<10))
				size += n
				return err
			})
		})
		check(t, a.SetWriteDeadline(longAgo))
		c.end(os.ErrDeadlineExceeded)
		check(t, a.SetWriteDeadline(time.Time{}))
		sending := make(chan error, 1)
		go func() { _, err := a.SendUrgent([]byte("!")); sending <- err }()
		receiving := make(chan error, 1)
		go func() {
			buf := make([]byte, 1)
			n, err := b.ReceiveUrgent(t.Context(), buf)
			if err == nil && string(buf[:n]) != "!" {
				err = io.ErrUnexpectedEOF
			}
			receiving <- err
		}()
		if n, err := io.CopyN(io.Discard, struct{ io.Reader }{b}, int64(size)); err != nil {
			t.Fatalf("%d of %d bytes, %v", n, size, err)
		}
		check(t, <-sending)
		check(t, <-receiving)
		check(t, a.Close())
		if n, err := b.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("%d bytes beyond, %v", n, err)
		}
	})
}

// A copy inside the system does not stop at urgent data.
func TestCopyPassesUrgentData(t *testing.T) {
	for _, from := range urgentStreams {
		each(t, []testKind{tcp, unixStream}, func(t *testing.T, k testKind) {
			t.Run("from "+from.String(), func(t *testing.T) {
				for _, inline := range []bool{false, true} {
					a, in := from.pair(t)
					out, b := k.pair(t)
					check(t, option.OOBInline.Set(in, inline))
					done := make(chan error, 1)
					go func() {
						n, err := out.ReadFrom(in)
						if want := int64(10); err == nil && (!inline && n != want-2 || inline && n != want) {
							err = io.ErrShortWrite
						}
						out.Shutdown(socket.ShutdownWrite)
						done <- err
					}()
					write(t, a, "one ")
					wantRead(t, b, "one ")
					sendUrgent(t, a, "!")
					write(t, a, "two ")
					if inline {
						wantRead(t, b, "!")
					}
					wantRead(t, b, "two ")
					sendUrgent(t, a, "?")
					check(t, a.Shutdown(socket.ShutdownWrite))
					if inline {
						wantRead(t, b, "?")
					}
					if n, err := b.Read(make([]byte, 1)); n != 0 || err != io.EOF {
						t.Fatalf("%d bytes beyond, %v", n, err)
					}
					check(t, <-done)
				}
			})
		})
	}
}

func TestNoUrgentData(t *testing.T) {
	each(t, []testKind{mptcp, udp, unixSeqPacket, unixDatagram}, func(t *testing.T, k testKind) {
		s := k.open(t)
		_, err := s.SendUrgent([]byte("!"))
		wantError(t, "SendUrgent", err, errors.ErrUnsupported)
	})
}

// A send of many bytes that is cut into parts makes no byte urgent but the
// last.
func TestUrgentLastByteAlone(t *testing.T) {
	each(t, urgentStreams, func(t *testing.T, k testKind) {
		a, b := k.pair(t)
		data := append(bytes.Repeat([]byte("d"), 8<<20), '!')
		sent := make(chan error, 1)
		go func() {
			_, err := a.SendUrgent(data)
			a.Shutdown(socket.ShutdownWrite)
			sent <- err
		}()
		// A byte that was urgent on the way would be missing here.
		n, err := io.CopyN(io.Discard, struct{ io.Reader }{b}, 8<<20)
		if err != nil {
			t.Fatalf("%d bytes, %v", n, err)
		}
		wantUrgent(t, b, "!")
		check(t, <-sent)
		if n, err := b.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("%d bytes beyond, %v", n, err)
		}
	})
}
