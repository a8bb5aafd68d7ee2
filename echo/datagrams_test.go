package echo_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"zocalo/echo"
	"zocalo/server"
	"zocalo/socket"
)

// soon is a deadline for a call that is expected to wait in vain.
func soon() time.Time { return time.Now().Add(50 * time.Millisecond) }

// datagrams runs e.EchoDatagrams on a new socket, and returns its name and
// what ends it.
func datagrams(t testing.TB, e *echo.Echoer, k socket.Kind) (socket.Name, func()) {
	t.Helper()
	s := bound(t, k)
	ctx, stop := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() { result <- e.Datagrams(ctx, s) }()
	t.Cleanup(stop)
	return s.Name(), func() {
		t.Helper()
		stop()
		if err := <-result; err != nil {
			t.Errorf("EchoDatagrams: %v", err)
		}
	}
}

func mustList(t testing.TB, words ...string) *server.List {
	t.Helper()
	l, err := server.ParseList(words)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func sendTo(t testing.TB, s *socket.Socket, peer socket.Name, b []byte) {
	t.Helper()
	if _, err := s.Send(&socket.Message{Buffers: [][]byte{b}, Peer: peer}); err != nil {
		t.Fatal(err)
	}
}

func TestEchoDatagrams(t *testing.T) {
	for _, k := range []socket.Kind{udp, unixDatagram, memoryDgram} {
		t.Run(k.String(), func(t *testing.T) {
			answered := make(chan socket.Name, 100)
			e := echo.Echoer{OnMessage: func(peer socket.Name, _ int) { answered <- peer }}
			name, end := datagrams(t, &e, k)
			b := make([]byte, 70_000)
			want := echo.Counts{}
			for range 3 {
				client := bound(t, k)
				for i, size := range []int{1, 0, 1472, 60_000, 0} {
					message := bytes.Repeat([]byte{byte(i)}, size)
					sendTo(t, client, name, message)
					m := socket.Message{Buffers: [][]byte{b}}
					if err := client.Receive(&m); err != nil || !bytes.Equal(b[:m.N], message) || m.Peer != name {
						t.Fatalf("message of %d bytes: %d came back from %v, error %v", size, m.N, m.Peer, err)
					}
					if peer := <-answered; peer != client.Name() {
						t.Errorf("OnMessage saw %v; want %v", peer, client.Name())
					}
					want.Messages++
					want.Bytes += int64(size)
				}
			}
			end()
			if got := e.Counts(); got != want {
				t.Errorf("counted %+v; want %+v", got, want)
			}
		})
	}
}

func TestEchoDatagramsGoesOn(t *testing.T) {
	for _, test := range []struct {
		name    string
		kind    socket.Kind
		trouble func(t *testing.T, server socket.Name)
		want    echo.Counts
		log     string
	}{
		{"a sender without a name", unixDatagram, func(t *testing.T, server socket.Name) {
			sendTo(t, open(t, unixDatagram), server, []byte("who?"))
		}, echo.Counts{Unanswered: 2}, "no name"},
		{"a sender that is gone", unixDatagram, func(t *testing.T, server socket.Name) {
			s := bound(t, unixDatagram)
			sendTo(t, s, server, []byte("bye"))
			s.Close()
			os.Remove(s.Name().Path())
		}, echo.Counts{}, ""},
		{"a message that is too long", udp, func(t *testing.T, server socket.Name) {
			sendTo(t, bound(t, udp), server, make([]byte, 20_000))
		}, echo.Counts{Refused: 2}, "too long"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var log bytes.Buffer
			e := echo.Echoer{MaxMessage: 10_000, Log: slog.New(slog.NewTextHandler(&log, nil))}
			name, end := datagrams(t, &e, test.kind)
			for range 2 {
				test.trouble(t, name)
			}
			client := bound(t, test.kind)
			sendTo(t, client, name, []byte("still there?"))
			if n, err := client.Read(make([]byte, 100)); n != 12 || err != nil {
				t.Errorf("%d bytes came back, error %v", n, err)
			}
			end()
			got := e.Counts()
			got.Messages, got.Bytes = 0, 0
			if test.log == "" { // the sender may have been quick or slow to go
				return
			}
			if got != test.want {
				t.Errorf("counted %+v; want %+v", got, test.want)
			}
			if strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), test.log) {
				t.Errorf("want one line that says %q:\n%s", test.log, &log)
			}
		})
	}
}

// A peer that sends and never reads does not stop the others for long.
func TestEchoDatagramsPassesOverWhoDoesNotRead(t *testing.T) {
	var e echo.Echoer
	name, end := datagrams(t, &e, unixDatagram)
	deaf, client := bound(t, unixDatagram), bound(t, unixDatagram)
	deaf.SetWriteDeadline(time.Now().Add(time.Minute))
	for e.Counts().Unanswered == 0 {
		sendTo(t, deaf, name, []byte("x"))
	}
	sendTo(t, client, name, []byte("and I?"))
	if n, err := client.Read(make([]byte, 100)); n != 6 || err != nil {
		t.Errorf("%d bytes came back, error %v", n, err)
	}
	end()
}

func TestEchoDatagramsOnClosedSocket(t *testing.T) {
	s := bound(t, udp)
	s.Close()
	if err := echo.Datagrams(t.Context(), s); !errors.Is(err, net.ErrClosed) {
		t.Errorf("%v; want net.ErrClosed", err)
	}
}

// The way to serve one client only: its hook ends the context.
func TestEchoDatagramsOnce(t *testing.T) {
	s, client := bound(t, udp), bound(t, udp)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	e := echo.Echoer{OnMessage: func(socket.Name, int) { stop() }}
	sendTo(t, client, s.Name(), []byte("one"))
	sendTo(t, client, s.Name(), []byte("two"))
	if err := e.Datagrams(ctx, s); err != nil {
		t.Error(err)
	}
	if n := e.Counts().Messages; n != 1 {
		t.Errorf("%d messages were sent back; want 1", n)
	}
}

func TestEchoDatagramsAllocatesNothing(t *testing.T) {
	for _, k := range []socket.Kind{udp, unixDatagram} {
		name, end := datagrams(t, new(echo.Echoer), k)
		client := bound(t, k)
		out := socket.Message{Buffers: [][]byte{[]byte("some text")}, Peer: name}
		in := socket.Message{Buffers: [][]byte{make([]byte, 100)}}
		if n := testing.AllocsPerRun(200, func() {
			client.Send(&out)
			client.Receive(&in)
		}); n >= 1 && !raceEnabled {
			t.Errorf("%v: %v allocations a message", k, n)
		}
		end()
	}
}

// Messages of senders that are turned away are not answered.
func TestEchoDatagramsTurnsAway(t *testing.T) {
	for name, e := range map[string]*echo.Echoer{
		"denied":      {Deny: mustList(t, "127.0.0.2")},
		"not allowed": {Allow: mustList(t, "127.0.0.1")},
	} {
		t.Run(name, func(t *testing.T) {
			at, end := datagrams(t, e, udp)
			away := open(t, udp)
			if err := away.Bind(socket.InetName(netip.MustParseAddrPort("127.0.0.2:0"))); err != nil {
				t.Skipf("127.0.0.2 is not to be had here: %v", err)
			}
			client := bound(t, udp)
			sendTo(t, away, at, []byte("away"))
			sendTo(t, client, at, []byte("here"))
			b := make([]byte, 10)
			if n, err := client.Read(b); string(b[:n]) != "here" || err != nil {
				t.Errorf("%q, %v", b[:n], err)
			}
			end()
			if got := e.Counts(); got.Messages != 1 {
				t.Errorf("%+v", got)
			}
			away.SetReadDeadline(soon())
			if n, err := away.Read(b); err == nil {
				t.Errorf("%q came back", b[:n])
			}
		})
	}
}

// What goes round between two servers that answer everything ends, and so does
// what one is made to say to itself; a client that says the same ten thousand
// times is answered each time.
func TestEchoesEndWhatGoesRound(t *testing.T) {
	var first, second echo.Echoer
	a, endA := datagrams(t, &first, udp)
	s := bound(t, udp)
	serving, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- second.Datagrams(serving, s) }()
	sendTo(t, s, a, []byte("forged"))  // as if a client had been there
	sendTo(t, s, a, []byte("another")) // two go round at once
	for end := time.Now().Add(time.Minute); first.Counts().Unanswered+second.Counts().Unanswered < 2; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("they talk for ever: %+v, %+v", first.Counts(), second.Counts())
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	c := dial(t, udp, a)
	c.SetReadDeadline(time.Now().Add(time.Minute))
	for range 10_000 {
		exchange(t, c, "the same")
	}
	endA()
}

func TestDatagramsRefuseListsThatCannotApply(t *testing.T) {
	here := mustList(t, "127.0.0.0/8")
	var refused *server.ListError
	if err := (&echo.Echoer{Deny: here}).Datagrams(t.Context(), bound(t, unixDatagram)); !errors.As(err, &refused) {
		t.Errorf("%v; want a refusal", err)
	}
}

func TestEchoDatagramsAllocatesNothingPerMessage(t *testing.T) {
	for _, k := range []socket.Kind{udp, unixDatagram} {
		name, end := datagrams(t, new(echo.Echoer), k)
		c := bound(t, k)
		if err := c.Connect(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		out, in := []byte("some text"), make([]byte, 100)
		if n := testing.AllocsPerRun(200, func() {
			c.Write(out)
			c.Read(in)
		}); n >= 1 && !raceEnabled {
			t.Errorf("%v: %v allocations an exchange", k, n)
		}
		end()
	}
}
