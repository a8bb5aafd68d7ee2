package join_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"zocalo/relay/join"
	"zocalo/relay/outcome"
	"zocalo/socket"
	"zocalo/socket/option"
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
			end, err := join.FirstPeer(t.Context(), passive, 0, nil)
			try(t, err)
			if passive.Peer() != first.Name() {
				t.Errorf("the peer is %v, want %v", passive.Peer(), first.Name())
			}

			j := &joined{done: make(chan struct{}), b: first}
			near, far := unixSeqPacket.make(t)
			j.a = far
			j.run(t, join.End{Socket: near}, end, join.Options{})
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
	end, err := join.FirstPeer(t.Context(), passive, 10, nil)
	try(t, err)
	j := &joined{done: make(chan struct{}), b: first}
	near, far := unixSeqPacket.make(t)
	j.a = far
	j.run(t, join.End{Socket: near}, end, join.Options{MaxMessage: 10})
	wantsMessage(t, j.a, "short")
	j.end()
	if r, _ := j.over(); r.From[outcome.B].Refused != 1 || r.From[outcome.B].Messages != 1 {
		t.Errorf("Join = %+v", r)
	}
}

// A socket that has connections is told from one whose peer has no name.
func TestFirstPeerOfConnection(t *testing.T) {
	for _, kind := range []maker{tcp, unixSeqPacket} {
		near, far := kind.make(t)
		writes(t, far, "x")
		if _, err := join.FirstPeer(t.Context(), near, 0, nil); err == nil || !strings.Contains(err.Error(), "accept its connections") {
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
		_, err := join.FirstPeer(ctx, passive, 0, nil)
		done <- err
	}()
	cancel(cause)
	wantsErr(t, <-done, cause)
	// The socket is still good.
	sendTo(t, first, passive.Name(), "x")
	if _, err := join.FirstPeer(t.Context(), passive, 0, nil); err != nil {
		t.Error(err)
	}
}

// Peers without a name are heard, as one; answers to them are refused.
func TestFirstPeerUnnamed(t *testing.T) {
	passive := boundUnix(t)
	first, second := must(socket.New(socket.Unix, socket.Datagram, 0))(t), must(socket.New(socket.Unix, socket.Datagram, 0))(t)
	defer second.Close()
	sendTo(t, first, passive.Name(), "one")
	end, err := join.FirstPeer(t.Context(), passive, 0, nil)
	try(t, err)
	j := &joined{done: make(chan struct{}), b: first}
	near, far := unixSeqPacket.make(t)
	j.a = far
	var refused atomic.Int64
	j.run(t, join.End{Socket: near}, end, join.Options{OnRefused: func(from outcome.Side, err error) {
		if unnamed := (*socket.UnnamedPeerError)(nil); from != outcome.A || !errors.As(err, &unnamed) {
			t.Errorf("refused from %v: %v", from, err)
		}
		refused.Add(1)
	}})
	wantsMessage(t, j.a, "one")
	writes(t, j.a, "answer")
	sendTo(t, second, passive.Name(), "two")
	wantsMessage(t, j.a, "two")
	for refused.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
}

// A socket that has all addresses hears its peer at each, and answers from the
// one that was asked first.
func TestFirstPeerOfAnyAddress(t *testing.T) {
	passive := must(socket.New(socket.Inet, socket.Datagram, 0))(t)
	any := socket.InetName(netip.MustParseAddrPort("0.0.0.0:0"))
	option.AnswerAsAsked(passive, any)
	try(t, passive.Bind(any))
	asked := socket.InetName(netip.AddrPortFrom(netip.MustParseAddr("127.0.0.2"), passive.Name().AddrPort().Port()))
	first, second := boundUDP(t), boundUDP(t)
	defer second.Close()
	sendTo(t, first, asked, "first")
	end, err := join.FirstPeer(t.Context(), passive, 0, nil)
	try(t, err)
	if end.Socket.Name() != asked || end.Socket.Peer() != first.Name() {
		t.Errorf("the end is from %v to %v; want %v, %v", end.Socket.Name(), end.Socket.Peer(), asked, first.Name())
	}
	j := &joined{done: make(chan struct{}), b: first}
	near, far := unixSeqPacket.make(t)
	j.a = far
	j.run(t, join.End{Socket: near}, end, join.Options{})
	wantsMessage(t, j.a, "first")
	sendTo(t, second, asked, "stranger")
	sendTo(t, first, asked, "again")
	wantsMessage(t, j.a, "again")
	writes(t, j.a, "answer")
	m := socket.Message{}
	m.SetData(make([]byte, 100))
	if err := first.Receive(&m); err != nil || string(m.Buffers[0][:m.N]) != "answer" || m.Peer != asked {
		t.Errorf("%q came from %v, %v", m.Buffers[0][:m.N], m.Peer, err)
	}
}
