package websocket_test

import (
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/gobwas/ws"

	"zocalo/socket"
)

func read(t testing.TB, s *socket.Socket, want string) {
	t.Helper()
	b := make([]byte, 1000)
	n, err := s.Read(b)
	if err != nil || string(b[:n]) != want {
		t.Fatalf("Read = %q, %v; want %q", b[:n], err, want)
	}
}

func write(t testing.TB, s *socket.Socket, text string) {
	t.Helper()
	_, err := s.Write([]byte(text))
	try(t, err)
}

func readEnd(t testing.TB, s *socket.Socket, want error) {
	t.Helper()
	for range 2 {
		if n, err := s.Read(make([]byte, 10)); n != 0 || !errors.Is(err, want) {
			t.Fatalf("Read = %d, %v; want %v", n, err, want)
		}
	}
}

// A Close frame ends one direction, and what was aborted or cut never looks whole.
func TestEnds(t *testing.T) {
	for _, scheme := range []string{"ws", "ws-stream"} {
		for _, way := range []string{"client", "server"} {
			t.Run(scheme+" "+way, func(t *testing.T) {
				a, b := pair(t, scheme+":127.0.0.1:0", "")
				if way == "server" {
					a, b = b, a
				}
				write(t, a, "request")
				try(t, a.CloseWrite())
				if _, err := a.Write([]byte("late")); !errors.Is(err, syscall.EPIPE) {
					t.Errorf("Write after CloseWrite: %v", err)
				}
				read(t, b, "request")
				readEnd(t, b, io.EOF)
				write(t, b, "answer")
				read(t, a, "answer")
				try(t, b.Close())
				readEnd(t, a, io.EOF)

				a, b = pair(t, scheme+":127.0.0.1:0", "")
				try(t, a.Abort())
				readEnd(t, b, syscall.ECONNRESET)
			})
		}
	}
}

// accepted returns what a bare client is connected to.
func accepted(t *testing.T, options string) (*bare, *socket.Socket) {
	got := make(chan *socket.Socket)
	l := server(t, "ws:127.0.0.1:0"+options, func(s *socket.Socket) {
		got <- s
		<-t.Context().Done()
	})
	conn, err := net.Dial("tcp", l.Addr().String())
	try(t, err)
	_, _, err = ws.Dialer{}.Upgrade(conn, localURL)
	try(t, err)
	return newBare(t, conn, true), <-got
}

func (b *bare) send(frames ...ws.Frame) {
	b.Helper()
	_, err := b.conn.Write(b.encode(frames...))
	try(b, err)
}

// What a Close frame says decides whether the peer has ended or failed.
func TestCodes(t *testing.T) {
	for code, want := range map[int]error{1000: io.EOF, 1001: io.EOF, 3000: io.EOF, 4999: io.EOF, 1002: syscall.ECONNRESET, 1011: syscall.ECONNRESET, 1008: syscall.ECONNRESET} {
		b, s := accepted(t, "")
		b.send(text("whole"), closing(code, "because"))
		read(t, s, "whole")
		readEnd(t, s, want)
		_, err := s.Read(make([]byte, 1))
		if want != io.EOF && !strings.Contains(err.Error(), `"because"`) {
			t.Errorf("code %d: %v", code, err)
		}
		if facts := s.Facts().String(); !strings.Contains(facts, "close") || !strings.Contains(facts, "because") {
			t.Errorf("code %d: the facts are %s", code, facts)
		}
	}
}

// A connection that ends without a Close frame was cut, in the middle of a message or not.
func TestCut(t *testing.T) {
	for name, sent := range map[string][]ws.Frame{"after a message": {text("whole")}, "in a message": {text("whole"), part(ws.OpText, "ha")}} {
		t.Run(name, func(t *testing.T) {
			b, s := accepted(t, "")
			b.send(sent...)
			b.conn.(*net.TCPConn).CloseWrite()
			read(t, s, "whole")
			readEnd(t, s, syscall.ECONNRESET)
		})
	}
	b, s := accepted(t, "")
	data := b.encode(text("half of it"))
	b.conn.Write(data[:len(data)-3])
	b.conn.(*net.TCPConn).CloseWrite()
	readEnd(t, s, syscall.ECONNRESET)
}

// The peer's Close frame is answered with its code when this end has finished, and as a
// failure where this end has been silent for too long instead.
func TestCloseTimeout(t *testing.T) {
	b, s := accepted(t, ",close-timeout=20ms")
	b.send(closing(4321, "enough"))
	readEnd(t, s, io.EOF)
	b.expect(nil, 1011)
	if _, err := s.Write([]byte("late")); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("Write after that: %v", err)
	}
	b, s = accepted(t, "")
	b.send(closing(4321, "enough"))
	readEnd(t, s, io.EOF)
	try(t, s.CloseWrite())
	b.expect(nil, 4321)

	client, server := pair(t, "ws-stream:127.0.0.1:0,close-timeout=20ms", "")
	write(t, server, "half of it")
	try(t, client.CloseWrite())
	readEnd(t, server, io.EOF)
	read(t, client, "half of it")
	readEnd(t, client, syscall.ECONNRESET)
}

// A peer that is silent is asked whether it is there, and given up if it does not answer.
func TestPing(t *testing.T) {
	b, s := accepted(t, ",ping=2s") // as long as an answer may take on a busy machine
	done := make(chan error)
	go func() {
		_, err := s.Read(make([]byte, 10))
		done <- err
	}()
	for _, answer := range []bool{true, false} {
		f, ok := b.read()
		if !ok || f.Header.OpCode != ws.OpPing {
			t.Fatalf("came %v; want a ping", f.Header)
		}
		if answer {
			b.send(ws.NewPongFrame(f.Payload))
		}
	}
	if err := <-done; !errors.Is(err, syscall.ETIMEDOUT) {
		t.Errorf("Read of a peer that does not answer: %v; want ETIMEDOUT", err)
	}
	if _, err := s.Write([]byte("x")); !errors.Is(err, syscall.ETIMEDOUT) {
		t.Errorf("Write to it: %v; want ETIMEDOUT", err)
	}
}
