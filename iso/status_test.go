package iso

import (
	"slices"
	"testing"

	"zocalo/socket"
)

// A socket says how it stands, and what waits in it, as the kernel's tables do.
func TestStatus(t *testing.T) {
	is := func(what string, s *socket.Socket, state string, received, unsent int) {
		t.Helper()
		got, ok := s.Status()
		if !ok || got.State != state || received >= 0 && got.Received != received || unsent >= 0 && got.Unsent != unsent {
			t.Errorf("%s: %+v, %t; want %s, %d, %d", what, got, ok, state, received, unsent)
		}
	}
	is("a new one", opened(t, socket.SeqPacket), "unconnected", 0, 0)
	l := listen(t, socket.SeqPacket, "server")
	is("a listener", l, "listen", 0, 4096)
	client := dial(t, socket.SeqPacket, l.Name())
	server := accept(t, l)
	is("the listener", l, "listen", 0, 4096)
	is("the client", client, "established", 0, -1)
	if _, err := client.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	var m socket.Message
	m.SetData(make([]byte, 5))
	m.Flags = socket.Peek
	if err := server.Receive(&m); err != nil {
		t.Fatal(err)
	}
	if got, _ := server.Status(); got.State != "established" || got.Received < 5 || got.Received > 5+framing {
		t.Errorf("with a message that nobody has taken: %+v", got)
	}
	if _, err := server.Read(make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	is("once it is taken", server, "established", 0, 0)

	d := opened(t, socket.Datagram)
	is("a datagram socket", d, "unconnected", 0, 0)
	if err := d.Connect(t.Context(), l.Name()); err != nil {
		t.Fatal(err)
	}
	is("one with a peer", d, "established", 0, -1)
}

// Sockets are known from when they are made until they are closed, those of the domains that were asked for.
func TestTracked(t *testing.T) {
	socket.Track(Domain)
	client, server := connectedPair(t, socket.SeqPacket)
	all := socket.Tracked()
	for _, s := range []*socket.Socket{client, server} {
		if !slices.Contains(all, s) {
			t.Errorf("%v is not known", s.Name())
		}
	}
	if slices.ContainsFunc(all, func(s *socket.Socket) bool { return s.Domain() != Domain }) {
		t.Errorf("others are known: %v", all)
	}
	client.Close()
	server.Abort()
	for _, s := range socket.Tracked() {
		if s == client || s == server {
			t.Errorf("%v is still known", s.Name())
		}
	}
}
