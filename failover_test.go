package zocalo_test

import (
	"context"
	"net/netip"
	"slices"
	"testing"
	"time"

	"zocalo"
	"zocalo/internal/pass"
	"zocalo/socket"
)

func boundUDP(t *testing.T) *socket.Socket {
	t.Helper()
	s, err := socket.New(socket.Inet, socket.Datagram, 0)
	if err == nil {
		t.Cleanup(func() { s.Close() })
		err = s.Bind(socket.InetName(netip.MustParseAddrPort("127.0.0.1:0")))
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func connectedUDP(t *testing.T, to socket.Name) *socket.Socket {
	t.Helper()
	s := boundUDP(t)
	if err := s.Connect(t.Context(), to); err != nil {
		t.Fatal(err)
	}
	return s
}

// What a target has refused is written to the next, also while Read waits; the
// refusal of the last is an error.
func TestFailover(t *testing.T) {
	closed, target := boundUDP(t), boundUDP(t)
	names := []socket.Name{closed.Name(), target.Name()}
	closed.Close()
	var moves []socket.Name
	s := zocalo.Failover{
		Next: func(_ context.Context, refused []socket.Name) (*socket.Socket, error) {
			for _, n := range names {
				if !slices.Contains(refused, n) {
					return connectedUDP(t, n), nil
				}
			}
			return nil, zocalo.ErrNoOther
		},
		OnMove: func(to socket.Name, _ error) { moves = append(moves, to) },
	}.Wrap(connectedUDP(t, names[0]))
	defer s.Close()
	s.SetReadDeadline(time.Now().Add(time.Minute))

	answered := make(chan error, 1)
	b := make([]byte, 100)
	go func() {
		n, err := s.Read(b)
		b = b[:n]
		answered <- err
	}()
	for _, text := range []string{"a", "b"} {
		if _, err := s.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	m := socket.Message{}
	for _, text := range []string{"a", "b"} {
		m.SetData(make([]byte, 100))
		if err := target.Receive(&m); err != nil || string(m.Buffers[0][:m.N]) != text {
			t.Fatalf("the second target received %q, %v; want %q", m.Buffers[0][:m.N], err, text)
		}
	}
	m.SetData([]byte("answer"))
	if _, err := target.Send(&m); err != nil {
		t.Fatal(err)
	}
	if err := <-answered; err != nil || string(b) != "answer" {
		t.Fatalf("Read = %q, %v", b, err)
	}
	if !slices.Equal(moves, names[1:]) || s.Peer() != names[1] {
		t.Errorf("moved to %v, the peer is %v; want %v", moves, s.Peer(), names[1])
	}

	target.Close()
	for err := error(nil); !pass.IsUnreachable(err); time.Sleep(time.Millisecond) {
		if _, err = s.Write([]byte("c")); err != nil && !pass.IsUnreachable(err) {
			t.Fatalf("Write to the last that refuses: %v", err)
		}
	}
}

// Empty messages are not kept without bound, either.
func TestFailoverKeepsFewEmpty(t *testing.T) {
	silent, target := boundUDP(t), boundUDP(t)
	s := zocalo.Failover{
		Next: func(context.Context, []socket.Name) (*socket.Socket, error) {
			return connectedUDP(t, target.Name()), nil
		},
	}.Wrap(connectedUDP(t, silent.Name()))
	defer s.Close()
	for range 1000 {
		if _, err := s.Write(nil); err != nil {
			t.Fatal(err)
		}
	}
	silent.Close()
	for s.Peer() != target.Name() {
		if _, err := s.Write([]byte("c")); err != nil {
			t.Fatal(err)
		}
	}
	m := socket.Message{}
	m.SetData(make([]byte, 100))
	target.SetReadDeadline(time.Now().Add(time.Minute))
	if err := target.Receive(&m); err != nil || m.N != 1 {
		t.Errorf("%d bytes came first, %v: the empty messages were kept", m.N, err)
	}
}

// Names that are excepted are not dialled.
func TestDialerExcept(t *testing.T) {
	target := boundUDP(t)
	d := zocalo.Dialer{Except: []socket.Name{target.Name()}}
	if s, err := d.Dial(t.Context(), "udp:"+target.Name().String()); err == nil {
		s.Close()
		t.Error("an excepted name was dialled")
	}
}
