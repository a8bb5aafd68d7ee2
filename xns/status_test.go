package xns

import (
	"testing"

	"zocalo/socket"
)

// A socket says how it stands, and what waits in it, as the kernel's tables do.
func TestStatus(t *testing.T) {
	h := inMemory()
	defer h.close()
	made := func(host *Host, typ socket.Type) *socket.Socket {
		t.Helper()
		s := must[*socket.Socket](t)(host.Socket(typ))
		t.Cleanup(func() { s.Close() })
		return s
	}
	is := func(what string, s *socket.Socket, state string, received, unsent int) {
		t.Helper()
		if got, ok := s.Status(); !ok || got != (socket.Status{State: state, Received: received, Unsent: unsent}) {
			t.Errorf("%s: %+v, %t; want %s, %d, %d", what, got, ok, state, received, unsent)
		}
	}
	peek := func(s *socket.Socket, size int) {
		t.Helper()
		var m socket.Message
		m.SetData(make([]byte, size))
		m.Flags = socket.Peek
		if err := s.Receive(&m); err != nil {
			t.Fatal(err)
		}
	}
	l := made(h.b, socket.SeqPacket)
	is("a new one", l, "unconnected", 0, 0)
	if err := l.Listen(7); err != nil {
		t.Fatal(err)
	}
	is("a listener", l, "listen", 0, 7)
	client := made(h.a, socket.SeqPacket)
	if err := client.Connect(t.Context(), l.Name()); err != nil {
		t.Fatal(err)
	}
	server := must[*socket.Socket](t)(l.Accept(t.Context()))
	defer server.Close()
	is("the listener", l, "listen", 0, 7)
	must[int](t)(client.Write([]byte("hello")))
	must[int](t)(client.Write([]byte("and more")))
	must[int](t)(server.Read(make([]byte, 5)))
	peek(server, 8)
	is("with a message that nobody has taken", server, "established", 8, 0)

	a, b := made(h.a, socket.Datagram), made(h.b, socket.Datagram)
	if err := b.Bind(socket.Name{}); err != nil {
		t.Fatal(err)
	}
	if err := a.Connect(t.Context(), b.Name()); err != nil {
		t.Fatal(err)
	}
	is("datagrams with a peer", a, "established", 0, 0)
	must[int](t)(a.Write([]byte("hello")))
	peek(b, 5)
	is("one that waits", b, "unconnected", 5, 0)
}
