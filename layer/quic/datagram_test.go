package quic_test

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	quicgo "github.com/quic-go/quic-go"

	"zocalo"
	"zocalo/layer/quic"
	"zocalo/socket"
)

// datagrams returns a listener for datagrams, and its only socket.
func datagrams(t *testing.T) (*zocalo.Listener, *socket.Socket) {
	t.Helper()
	l, err := zocalo.Listen(t.Context(), "quic-dgram:127.0.0.1:0")
	try(t, err)
	t.Cleanup(func() { l.Close() })
	s := l.Sockets()[0]
	try(t, s.SetDeadline(time.Now().Add(patience)))
	return l, s
}

// Datagrams go both ways between a listener and several who connect, empty ones too, each
// as one and to whom it is for.
func TestDatagrams(t *testing.T) {
	l, s := datagrams(t)
	for _, say := range []string{"one", "", strings.Repeat("three", 200)} {
		for range 2 {
			c := dial(t, l.Address())
			_, err := c.Write([]byte(say))
			try(t, err)
			m := socket.Message{Buffers: [][]byte{make([]byte, 2000)}}
			try(t, s.Receive(&m))
			if string(m.Bytes()) != say || m.Peer != c.Name() {
				t.Errorf("%q came from %v, want %q from %v", m.Bytes(), m.Peer, say, c.Name())
			}
			_, err = s.Send(&socket.Message{Buffers: [][]byte{[]byte(say), []byte(" back")}, Peer: m.Peer})
			try(t, err)
			b := make([]byte, 2000)
			n, err := c.Read(b)
			if string(b[:n]) != say+" back" || err != nil {
				t.Errorf("%q came back, %v", b[:n], err)
			}
		}
	}
}

// What is too long for the path, for the buffer or for the time is refused as such, and
// the connection lives on.
func TestDatagramRefusals(t *testing.T) {
	l, s := datagrams(t)
	c := dial(t, l.Address())
	if _, err := c.Write(make([]byte, 5000)); !errors.Is(err, syscall.EMSGSIZE) || !strings.Contains(err.Error(), "the path carries") {
		t.Errorf("5000 bytes: %v", err)
	}
	_, err := c.Write([]byte("four"))
	try(t, err)
	b := make([]byte, 2)
	if n, err := s.Read(b); n != 2 || !errors.Is(err, socket.ErrTruncated) {
		t.Errorf("into 2 bytes of 4: %d, %v", n, err)
	}
	try(t, c.SetReadDeadline(time.Now().Add(time.Millisecond)))
	if _, err := c.Read(b); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after its deadline, reading is %v", err)
	}
	nobody := socket.InetName(c.Name().AddrPort())
	try(t, c.Close())
	for { // until the listener knows
		if _, err = s.Send(&socket.Message{Buffers: [][]byte{[]byte("x")}, Peer: nobody}); err != nil {
			break
		}
	}
	if !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("to who has closed: %v", err)
	}
	if _, err := c.Write(b); !errors.Is(err, net.ErrClosed) {
		t.Errorf("writing after Close: %v", err)
	}
}

// What was sent before a close is there before it, and so is what came with the end.
func TestDatagramBeforeClose(t *testing.T) {
	l, s := datagrams(t)
	c := dial(t, l.Address())
	_, err := c.Write([]byte("bye"))
	try(t, err)
	try(t, c.Close())
	b := make([]byte, 10)
	if n, err := s.Read(b); string(b[:n]) != "bye" || err != nil {
		t.Errorf("read %q, %v", b[:n], err)
	}
	c = dial(t, l.Address())
	try(t, l.Close())
	if _, err := c.Read(b); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("from a listener that is closed: %v", err)
	}
}

// Close waits until what is in the queue has left: as many as that takes are there at the other
// end, though nobody has waited for them.
func TestDatagramsBeforeClose(t *testing.T) {
	l, s := datagrams(t)
	const rounds, many = 5, 30
	for range rounds {
		c := dial(t, l.Address())
		for i := range many {
			_, err := c.Write([]byte{byte(i)})
			try(t, err)
		}
		try(t, c.Close())
		var seen [many]bool
		b := make([]byte, 2)
		for i := range many {
			if n, err := s.Read(b); n != 1 || err != nil || int(b[0]) >= many || seen[b[0]] {
				t.Fatalf("of %d datagrams the one after %d is % x, %v", many, i, b[:n], err)
			}
			seen[b[0]] = true
		}
	}
}

// Against quic-go's own, which knows nothing of us; and one that has no datagrams.
func TestBareDatagrams(t *testing.T) {
	address := strings.Replace(bareServer(t, quic.Protocol, nil, func(*quicgo.Conn, *quicgo.Stream) {}), "quic:", "quic-dgram:", 1)
	if _, err := zocalo.Dial(t.Context(), address); !errors.Is(err, syscall.EPROTONOSUPPORT) {
		t.Errorf("to a server without datagrams: %v", err)
	}
	l, s := datagrams(t)
	c, err := bareClient(t, l.Addr(), &quicgo.Config{EnableDatagrams: true}, quic.Protocol)
	try(t, err)
	try(t, c.SendDatagram([]byte("hola")))
	m := socket.Message{Buffers: [][]byte{make([]byte, 10)}}
	try(t, s.Receive(&m))
	m.SetData(m.Bytes())
	_, err = s.Send(&m)
	try(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if b, err := c.ReceiveDatagram(ctx); string(b) != "hola" {
		t.Errorf("%q came back, %v", b, err)
	}
}

// A client that comes again from the same port, before the listener knows that it had gone,
// takes the place of the first; what comes from others is not disturbed.
func TestDatagramsFromOnePort(t *testing.T) {
	l, s := datagrams(t)
	first := dial(t, l.Address())
	_, err := first.Write([]byte("one"))
	try(t, err)
	m := socket.Message{Buffers: [][]byte{make([]byte, 10)}}
	try(t, s.Receive(&m))
	bound := l.Address() + ",bind=" + first.Name().String()
	try(t, first.Close())
	for _, say := range []string{"two", "three"} {
		c := dial(t, bound)
		_, err = c.Write([]byte(say))
		try(t, err)
		try(t, s.Receive(&m))
		if string(m.Bytes()) != say || m.Peer != first.Name() {
			t.Errorf("%q came from %v", m.Bytes(), m.Peer)
		}
	}
}

// A peer that says nothing, and is told nothing, loses its connection, however often that shows that it
// is still there; one to which something passes does not.
func TestPeerIdle(t *testing.T) {
	l, err := zocalo.Listen(t.Context(), "quic-dgram:127.0.0.1:0,peer-idle=500ms")
	try(t, err)
	t.Cleanup(func() { l.Close() })
	s := l.Sockets()[0]
	try(t, s.SetDeadline(time.Now().Add(patience)))
	silent, busy := dial(t, l.Address()+",keepalive=10ms"), dial(t, l.Address())
	over := make(chan struct{})
	go func() {
		defer close(over)
		if _, err := silent.Read(make([]byte, 10)); !errors.Is(err, syscall.ECONNRESET) || !strings.Contains(err.Error(), "no datagram passed for 500ms") {
			t.Errorf("the silent one is told %v", err)
		}
	}()
	b := make([]byte, 10)
	for is := true; is; {
		_, err := busy.Write([]byte("x"))
		try(t, err)
		_, err = s.Read(b)
		try(t, err)
		select {
		case <-over:
			is = false
		case <-time.After(time.Millisecond):
		}
	}
	_, err = busy.Write([]byte("last"))
	try(t, err)
	if n, err := s.Read(b); string(b[:n]) != "last" {
		t.Errorf("of the busy one came %q, %v", b[:n], err)
	}
}
