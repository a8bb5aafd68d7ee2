package socket_test

import (
	"io"
	"testing"

	"zocalo/socket"
)

// pairs makes two connected sockets of a kind over loopback or a pair.
func connected(t *testing.T, k socket.Kind, name socket.Name) (a, b *socket.Socket) {
	t.Helper()
	l, err := socket.New(k.Domain, k.Type, k.Protocol)
	check(t, err)
	check(t, l.Bind(name))
	check(t, l.Listen(0))
	a, err = socket.New(k.Domain, k.Type, k.Protocol)
	check(t, err)
	check(t, a.Connect(t.Context(), l.Name()))
	b, err = l.Accept(t.Context())
	check(t, err)
	check(t, l.Close())
	return a, b
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestSmoke(t *testing.T) {
	socket.SetTrace(func(c socket.Call) { t.Log(c) })
	defer socket.SetTrace(nil)
	a, b := connected(t, socket.Kind{Domain: socket.Inet, Type: socket.Stream}, loopback(0))
	_, err := a.Write([]byte("hola"))
	check(t, err)
	buf := make([]byte, 10)
	n, err := b.Read(buf)
	check(t, err)
	if string(buf[:n]) != "hola" {
		t.Fatal(buf[:n])
	}
	go func() { a.SendUrgent([]byte("!")) }()
	n, err = b.ReceiveUrgent(t.Context(), buf)
	t.Logf("%q %v", buf[:n], err)
	go a.Shutdown(socket.Write)
	n, err = b.Read(buf)
	if err != io.EOF {
		t.Fatal(n, err)
	}
	a.Close()
	b.Close()
}
