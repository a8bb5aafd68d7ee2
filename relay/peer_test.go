package relay_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"zocalo/relay"
	"zocalo/socket"
	"zocalo/socket/sockettest"
)

func boundMemory(tb testing.TB) *socket.Socket {
	tb.Helper()
	s := must(socket.New(sockettest.Memory, socket.Datagram, 0))(tb)
	try(tb, s.Bind(socket.Name{}))
	return s
}

func boundUnix(tb testing.TB) *socket.Socket {
	tb.Helper()
	s := must(socket.New(socket.Unix, socket.Datagram, 0))(tb)
	try(tb, s.Bind(must(socket.UnixName(inTemp(tb, "s")))(tb)))
	return s
}

func sendTo(tb testing.TB, s *socket.Socket, to socket.Name, texts ...string) {
	tb.Helper()
	for _, text := range texts {
		m := socket.Message{Peer: to}
		m.SetData([]byte(text))
		must(s.Send(&m))(tb)
	}
}

// Only the first sender is heard: neither who came second before the peer was
// known, nor who comes later.
func TestFirstPeer(t *testing.T) {
	for _, kind := range []struct {
		name  string
		bound func(testing.TB) *socket.Socket
	}{{"udp", boundUDP}, {"memory", boundMemory}, {"unix", boundUnix}} {
		t.Run(kind.name, func(t *testing.T) {
			passive, first, second := kind.bound(t), kind.bound(t), kind.bound(t)
			defer second.Close()
			sendTo(t, first, passive.Name(), "first")
			sendTo(t, second, passive.Name(), "stranger")
			sendTo(t, first, passive.Name(), "")
			end, err := relay.FirstPeer(t.Context(), passive, 0)
			try(t, err)
			if passive.Peer() != first.Name() {
				t.Errorf("the peer is %v, want %v", passive.Peer(), first.Name())
			}

			j := &joined{done: make(chan struct{}), b: first}
			near, far := unixSeqPacket.make(t)
			j.a = far
			j.run(t, relay.End{Socket: near}, end, relay.Options{})
			wantsMessage(t, j.a, "first")
			wantsMessage(t, j.a, "")
			m := socket.Message{Peer: passive.Name()}
			m.SetData([]byte("later"))
			second.Send(&m) // some kinds refuse it
			writes(t, j.a, "answer")
			wantsMessage(t, first, "answer")
			sendTo(t, first, passive.Name(), "second")
			wantsMessage(t, j.a, "second")
		})
	}
}

func TestFirstPeerTooLong(t *testing.T) {
	passive, first := boundUDP(t), boundUDP(t)
	sendTo(t, first, passive.Name(), "eleven octe", "short")
	end, err := relay.FirstPeer(t.Context(), passive, 10)
	try(t, err)
	j := &joined{done: make(chan struct{}), b: first}
	near, far := unixSeqPacket.make(t)
	j.a = far
	j.run(t, relay.End{Socket: near}, end, relay.Options{MaxMessage: 10})
	wantsMessage(t, j.a, "short")
	j.end()
	if r, _ := j.over(); r.From[relay.B].Refused != 1 || r.From[relay.B].Messages != 1 {
		t.Errorf("Join = %+v", r)
	}
}

// A socket that has connections is told from one whose peer has no name.
func TestFirstPeerOfConnection(t *testing.T) {
	for _, kind := range []maker{tcp, unixSeqPacket} {
		near, far := kind.make(t)
		writes(t, far, "x")
		if _, err := relay.FirstPeer(t.Context(), near, 0); err == nil || !strings.Contains(err.Error(), "accept its connections") {
			t.Errorf("%s: FirstPeer's error is %v", kind.name, err)
		}
		wantsMessage(t, near, "x")
		near.Close()
		far.Close()
	}
}

func TestFirstPeerCancelled(t *testing.T) {
	passive, first := boundUDP(t), boundUDP(t)
	defer passive.Close()
	defer first.Close()
	ctx, cancel := context.WithCancelCause(context.Background())
	cause := errors.New("the reason")
	done := make(chan error)
	go func() {
		_, err := relay.FirstPeer(ctx, passive, 0)
		done <- err
	}()
	cancel(cause)
	wantsErr(t, <-done, cause)
	// The socket is still good.
	sendTo(t, first, passive.Name(), "x")
	if _, err := relay.FirstPeer(t.Context(), passive, 0); err != nil {
		t.Error(err)
	}
}

func TestFirstPeerUnnamed(t *testing.T) {
	passive, named := boundUnix(t), boundUnix(t)
	defer passive.Close()
	defer named.Close()
	unnamed := must(socket.New(socket.Unix, socket.Datagram, 0))(t)
	defer unnamed.Close()
	sendTo(t, unnamed, passive.Name(), "who am I?")
	_, err := relay.FirstPeer(t.Context(), passive, 0)
	var refused *relay.UnnamedPeerError
	if !errors.As(err, &refused) || refused.Size != 9 {
		t.Fatalf("FirstPeer's error is %v", err)
	}
	sendTo(t, named, passive.Name(), "I")
	if _, err := relay.FirstPeer(t.Context(), passive, 0); err != nil {
		t.Error(err)
	}
}
