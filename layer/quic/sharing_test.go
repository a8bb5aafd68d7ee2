package quic_test

import (
	"context"
	"io"
	"sync"
	"testing"

	"zocalo"
	"zocalo/address"
	"zocalo/layer/quic"
	"zocalo/socket"
)

// dialAddress connects by an address that others connect by too.
func dialAddress(t *testing.T, a address.Address) *socket.Socket {
	t.Helper()
	s, err := zocalo.DialAddress(t.Context(), a)
	try(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

// What is dialled by one address shares a connection, as far as the peer allows; so it
// does when the dials come at once, and after the first have ended.
func TestSharing(t *testing.T) {
	l := server(t, "quic:127.0.0.1:0,streams=4", echo)
	a, err := address.Parse(l.Address())
	try(t, err)
	const first = 4
	sockets := make([]*socket.Socket, first)
	var dials sync.WaitGroup
	for i := range sockets {
		dials.Go(func() { sockets[i] = dialAddress(t, a) })
	}
	dials.Wait()
	from := sockets[0].Name()
	for _, s := range sockets {
		if quic.HasUDP(s) || s.Unwrap().(socket.Layer).Lower() != nil {
			t.Error("a stream that has a connection still has a UDP socket")
		}
		if s.Name() != from {
			t.Errorf("a stream comes from %v, and another from %v", s.Name(), from)
		}
	}
	fifth := dialAddress(t, a)
	if fifth.Name() == from {
		t.Error("a peer that allows 4 streams has been given 5")
	}
	for _, s := range append(sockets, fifth) {
		if got := converse(t, s, "hola"); got != "hola" {
			t.Errorf("%q came back", got)
		}
		try(t, s.Close())
	}
	again := dialAddress(t, a)
	if n := again.Name(); n != from && n != fifth.Name() {
		t.Errorf("a later stream comes from %v, which is a new connection", n)
	}
	other := dial(t, l.Address())
	if n := other.Name(); n == from || n == fifth.Name() {
		t.Error("an address that was parsed by itself shares the connection")
	}
}

// A dial that its caller gives up does not end that of others.
func TestSharedDialGivenUp(t *testing.T) {
	l := server(t, "quic:127.0.0.1:0", echo)
	a, err := address.Parse(l.Address())
	try(t, err)
	var dials sync.WaitGroup
	for i := range 20 {
		dials.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			if i%2 == 0 {
				cancel()
			}
			defer cancel()
			s, err := zocalo.DialAddress(ctx, a)
			if err != nil {
				if i%2 != 0 {
					t.Errorf("dial %d failed with others: %v", i, err)
				}
				return
			}
			s.Close()
		})
	}
	dials.Wait()
}

// Who listens and who dials share the socket of a local name.
func TestSharedTransport(t *testing.T) {
	far := server(t, "quic:127.0.0.1:0", echo)
	near := server(t, "quic:127.0.0.1:0", echo)
	s := dial(t, far.Address()+",bind="+near.Name().String())
	if s.Name() != near.Name() {
		t.Errorf("it comes from %v, want %v", s.Name(), near.Name())
	}
	if got := converse(t, s, "hola"); got != "hola" {
		t.Errorf("%q came back", got)
	}
	if got := converse(t, dial(t, near.Address()), "hola"); got != "hola" {
		t.Errorf("%q came back from the listener beside it", got)
	}
	if _, err := zocalo.Listen(t.Context(), "quic:"+near.Name().String()); err == nil {
		t.Error("two listeners have one name")
	}
	try(t, near.Close())
	_, err := io.WriteString(dial(t, far.Address()+",bind="+near.Name().String()), "x")
	try(t, err)
}

// Where a peer allows one stream for a connection, each of those who dial at once has one: none
// waits for a stream of the connection that it made and another took.
func TestSharingOneStream(t *testing.T) {
	const rounds, many = 10, 8
	for range rounds {
		l := server(t, "quic:127.0.0.1:0,streams=1", echo)
		a, err := address.Parse(l.Address())
		try(t, err)
		sockets := make([]*socket.Socket, many)
		var dials sync.WaitGroup
		for i := range sockets {
			dials.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				s, err := zocalo.DialAddress(ctx, a)
				if err != nil {
					t.Error(err)
					return
				}
				sockets[i] = s
			})
		}
		dials.Wait()
		for _, s := range sockets {
			if s != nil {
				defer s.Abort()
			}
		}
	}
}
