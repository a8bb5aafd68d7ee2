package echo_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"zocalo/echo"
	"zocalo/socket"
	"zocalo/socket/option"
)

// echoing runs e.Echo on the far end of a connection of kind k, and returns
// the near end and what waits for Echo to return nil.
func echoing(t testing.TB, e *echo.Echoer, k socket.Kind) (near *socket.Socket, wait func()) {
	t.Helper()
	near, far := pair(t, k)
	result := make(chan error, 1)
	go func() { result <- e.Connection(context.Background(), far) }()
	t.Cleanup(func() { far.Close() })
	return near, func() {
		t.Helper()
		if err := <-result; err != nil {
			t.Errorf("Echo: %v", err)
		}
	}
}

// exchange sends text and expects it back.
func exchange(t testing.TB, c *socket.Socket, text string) {
	t.Helper()
	if _, err := c.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, len(text))
	if _, err := io.ReadFull(c, b); err != nil || string(b) != text {
		t.Fatalf("got %q back, and error %v; want %q", b, err, text)
	}
}

func TestEchoStream(t *testing.T) {
	for _, k := range []socket.Kind{tcp, unix, memory} {
		t.Run(k.String(), func(t *testing.T) {
			var e echo.Echoer
			near, wait := echoing(t, &e, k)
			sent := make([]byte, 1<<20)
			for i := range sent {
				sent[i] = byte(i>>8) ^ byte(i)
			}
			go func() {
				near.Write(sent)
				near.Shutdown(socket.ShutdownWrite)
			}()
			got, err := io.ReadAll(near) // ends, since Echo ends the other direction
			if err != nil || !bytes.Equal(got, sent) {
				t.Errorf("%d bytes came back, equal: %v, error: %v", len(got), bytes.Equal(got, sent), err)
			}
			wait()
			if n := e.Counts().Bytes; n != int64(len(sent)) {
				t.Errorf("%d bytes were counted; want %d", n, len(sent))
			}
		})
	}
}

func TestEchoMessages(t *testing.T) {
	for _, k := range []socket.Kind{unixSeq, memorySeq} {
		t.Run(k.String(), func(t *testing.T) {
			var log bytes.Buffer
			e := echo.Echoer{MaxMessage: 10_000, Log: slog.New(slog.NewTextHandler(&log, nil))}
			near, wait := echoing(t, &e, k)
			b := make([]byte, 20_000)
			for i, size := range []int{0, 1, 0, 0, 9_999, 10_000, 10_001, 17, 12_000, 0} {
				message := bytes.Repeat([]byte{byte(i)}, size)
				if _, err := near.Write(message); err != nil {
					t.Fatal(err)
				}
				if size > e.MaxMessage {
					continue
				}
				if n, err := near.Read(b); err != nil || !bytes.Equal(b[:n], message) {
					t.Fatalf("message of %d bytes: %d came back, error %v", size, n, err)
				}
			}
			near.Shutdown(socket.ShutdownWrite)
			if _, err := near.Read(b); err != io.EOF {
				t.Errorf("after the end: %v; want EOF", err)
			}
			wait()
			if got, want := e.Counts(), (echo.Counts{Messages: 8, Bytes: 20_017, Refused: 2}); got != want {
				t.Errorf("counted %+v; want %+v", got, want)
			}
			if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), "too long") {
				t.Errorf("want one line on messages that are too long:\n%s", &log)
			}
		})
	}
}

// The urgent byte must come back urgent and at its place, whether the server
// reads when it comes or waits, and whatever follows.
func TestEchoUrgentAtItsPlace(t *testing.T) {
	type part struct {
		text   string
		urgent bool
	}
	data, urgent := func(s string) part { return part{s, false} }, func(s string) part { return part{s, true} }
	for _, k := range []socket.Kind{tcp, unix} {
		if k.Properties().Urgent == 0 {
			t.Logf("%v has no urgent data on this system", k)
			continue
		}
		for _, parts := range [][]part{
			{urgent("!")},
			{urgent("!"), data("after")},
			{data("before"), urgent("!")},
			{data("before"), urgent("!"), data("after")},
		} {
			t.Run(fmt.Sprintf("%v %v", k, parts), func(t *testing.T) {
				for range 50 {
					near, wait := echoing(t, new(echo.Echoer), k)
					if err := option.OOBInline.Set(near, true); err != nil {
						t.Fatal(err)
					}
					before, all := "", ""
					for _, p := range parts {
						write := near.Write
						if p.urgent {
							write, before = near.SendUrgent, all
						}
						if _, err := write([]byte(p.text)); err != nil {
							t.Fatal(err)
						}
						all += p.text
					}
					near.Shutdown(socket.ShutdownWrite)
					wait() // now all of it is here, in the order of the stream
					got := ""
					b := make([]byte, 64)
					mark := -1
					for {
						at, err := near.AtMark()
						if err != nil {
							t.Fatal(err)
						}
						if at {
							mark = len(got)
						}
						n, err := near.Read(b)
						got += string(b[:n])
						if err == io.EOF {
							break
						}
						if err != nil {
							t.Fatal(err)
						}
					}
					if got != all || mark != len(before) {
						t.Fatalf("%q came back, urgent at %d; want %q, urgent at %d", got, mark, all, len(before))
					}
					near.Close()
				}
			})
		}
	}
}

// An urgent byte comes back while the server waits for data.
func TestEchoUrgentAlone(t *testing.T) {
	for _, k := range []socket.Kind{tcp, unix, memory} {
		t.Run(k.String(), func(t *testing.T) {
			if k.Properties().Urgent == 0 {
				t.Skipf("%v has no urgent data on this system", k)
			}
			near, wait := echoing(t, new(echo.Echoer), k)
			for _, char := range "abc" {
				exchange(t, near, "ordinary")
				if _, err := near.SendUrgent([]byte(string(char))); err != nil {
					t.Fatal(err)
				}
				var b [1]byte
				if n, err := near.ReceiveUrgent(t.Context(), b[:]); err != nil || string(b[:n]) != string(char) {
					t.Fatalf("%q came back urgent, error %v; want %q", b[:n], err, char)
				}
			}
			exchange(t, near, "ordinary")
			near.Shutdown(socket.ShutdownWrite)
			wait()
		})
	}
}

// What was urgent comes back even if the stream ends right after it.
func TestEchoUrgentBeforeEnd(t *testing.T) {
	near, wait := echoing(t, new(echo.Echoer), memory)
	near.SendUrgent([]byte("!"))
	near.Shutdown(socket.ShutdownWrite)
	var b [1]byte
	if n, err := near.ReceiveUrgent(t.Context(), b[:]); err != nil || string(b[:n]) != "!" {
		t.Errorf("%q came back urgent, error %v", b[:n], err)
	}
	wait()
}

// A besideMessages has messages, and beside them the urgent data of a stream,
// as ISO transport has.
type besideMessages struct {
	socket.Endpoint
	urgent *socket.Socket
}

func (b besideMessages) Unwrap() socket.Endpoint             { return b.Endpoint }
func (b besideMessages) SendUrgent(data []byte) (int, error) { return b.urgent.SendUrgent(data) }
func (b besideMessages) AtMark() (bool, error)               { return b.urgent.AtMark() }
func (b besideMessages) ReceiveUrgent(ctx context.Context, data []byte) (int, error) {
	return b.urgent.ReceiveUrgent(ctx, data)
}
func (b besideMessages) Properties() socket.Properties {
	p := b.urgent.Properties()
	p.Bounded = true
	return p
}

// Urgent data comes back urgent on a kind with messages too.
func TestEchoUrgentBesideMessages(t *testing.T) {
	near, far := pair(t, memorySeq)
	urgentNear, urgentFar := pair(t, memory)
	result := make(chan error, 1)
	go func() {
		result <- echo.Connection(t.Context(), socket.Wrap(besideMessages{far.Unwrap(), urgentFar}, memorySeq))
	}()
	exchange(t, near, "a message")
	urgentNear.SendUrgent([]byte("!"))
	urgentNear.SetReadDeadline(time.Now().Add(10 * time.Second))
	var b [1]byte
	if n, err := urgentNear.ReceiveUrgent(t.Context(), b[:]); err != nil || string(b[:n]) != "!" {
		t.Errorf("%q came back urgent, error %v", b[:n], err)
	}
	urgentNear.Shutdown(socket.ShutdownWrite)
	near.Shutdown(socket.ShutdownWrite)
	if err := <-result; err != nil {
		t.Errorf("Echo: %v", err)
	}
}

func TestEchoLimitBeyondMemory(t *testing.T) {
	for _, limit := range []int{1<<30 + 1, math.MaxInt} {
		e := echo.Echoer{MaxMessage: limit}
		_, far := pair(t, unixSeq)
		for name, err := range map[string]error{"Echo": e.Connection(t.Context(), far), "EchoDatagrams": e.Datagrams(t.Context(), bound(t, udp))} {
			if err == nil || !strings.Contains(err.Error(), "give at most") {
				t.Errorf("%s with a limit of %d: %v", name, limit, err)
			}
		}
	}
}

func TestEchoEnds(t *testing.T) {
	why := errors.New("enough")
	for _, k := range []socket.Kind{tcp, unix, unixSeq, memory, memorySeq} {
		t.Run(k.String(), func(t *testing.T) {
			t.Run("with its context", func(t *testing.T) {
				near, far := pair(t, k)
				ctx, cancel := context.WithCancelCause(t.Context())
				result := make(chan error, 1)
				go func() { result <- echo.Connection(ctx, far) }()
				exchange(t, near, "x")
				cancel(why)
				if err := <-result; err != why {
					t.Errorf("Echo: %v; want %v", err, why)
				}
			})
			t.Run("while the peer does not read", func(t *testing.T) {
				near, far := pair(t, k)
				ctx, cancel := context.WithCancelCause(t.Context())
				result := make(chan error, 1)
				go func() { result <- echo.Connection(ctx, far) }()
				near.SetWriteDeadline(soon())
				for b := make([]byte, 50_000); ; {
					if _, err := near.Write(b); err != nil {
						break
					}
				}
				cancel(why)
				if err := <-result; err != why {
					t.Errorf("Echo: %v; want %v", err, why)
				}
			})
			t.Run("with the connection", func(t *testing.T) {
				near, far := pair(t, k)
				result := make(chan error, 1)
				go func() { result <- echo.Connection(t.Context(), far) }()
				exchange(t, near, "x")
				near.Abort()
				err := <-result
				if k.Domain == socket.Unix { // which knows no reset
					if err != nil && !errors.Is(err, syscall.EPIPE) {
						t.Errorf("Echo: %v", err)
					}
				} else if !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("Echo: %v; want ECONNRESET", err)
				}
			})
		})
	}
}

// A peer that sends urgent data and takes none back must not hold the echo
// once the connection has ended.
func TestEchoUrgentThatNobodyTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := pair(t, memory)
		result := make(chan error, 1)
		go func() { result <- echo.Connection(t.Context(), far) }()
		for range 3 {
			near.SetWriteDeadline(soon())
			near.SendUrgent([]byte("!"))
		}
		synctest.Wait()
		near.Abort()
		if err := <-result; !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("Echo: %v; want ECONNRESET", err)
		}
	})
}

func TestEchoStreamAllocatesNothingPerRead(t *testing.T) {
	for _, k := range []socket.Kind{tcp, unix, unixSeq} {
		near, wait := echoing(t, new(echo.Echoer), k)
		out, in := []byte("some text"), make([]byte, 100)
		if n := testing.AllocsPerRun(200, func() {
			near.Write(out)
			near.Read(in)
		}); n >= 1 && !raceEnabled {
			t.Errorf("%v: %v allocations an exchange", k, n)
		}
		near.Shutdown(socket.ShutdownWrite)
		wait()
	}
}
