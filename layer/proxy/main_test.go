package proxy_test

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"zocalo"
	"zocalo/address"
	"zocalo/internal/poll"
	"zocalo/internal/testenv"
	_ "zocalo/layer/proxy"
	"zocalo/layer/tls"
	"zocalo/relay"
	"zocalo/socket"
)

func TestMain(m *testing.M) { testenv.Main(m, poll.ClosePipes) }

// patience is for what must happen, however busy the machine.
const patience = 20 * time.Second

// running starts a relay from an address to what its peers ask for, or to another
// one, and returns where it listens, as HOST:PORT.
func running(t testing.TB, from string, to ...string) string {
	t.Helper()
	if to == nil {
		to = []string{"requested:"}
	}
	c := relay.Config{}
	var err error
	if c.From, err = address.Parse(from); err != nil {
		t.Fatal(err)
	}
	for _, text := range to {
		a, err := address.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		c.To = append(c.To, a)
	}
	at := make(chan string, 1)
	c.Listening = func(l *zocalo.Listener, _ address.Address) error {
		at <- l.Name().String()
		return nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	r := &relay.Relay{Config: c}
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("relay %s: %v", from, err)
		}
	})
	select {
	case where := <-at:
		return where
	case err := <-done:
		done <- nil
		t.Fatalf("relay %s: %v", from, err)
	}
	return ""
}

// greeting is what a server says before it is asked.
const greeting = "220 hola, who is there?\r\n"

// greeter is a server that speaks first, and then says again what it hears, up to the
// end, and after it goodbye.
func greeter(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-served })
	go func() {
		defer close(served)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				c.SetDeadline(time.Now().Add(patience))
				io.WriteString(c, greeting)
				io.Copy(struct{ io.Writer }{c}, struct{ io.Reader }{c}) // not by splice, whose pipes package net keeps
				io.WriteString(c, "adios")
			}()
		}
	}()
	return l.Addr().String()
}

// converse has a client of a greeter hear it to the end, which it does only if both
// directions are whole and end by themselves.
func converse(t testing.TB, c io.ReadWriteCloser) {
	t.Helper()
	defer c.Close()
	if d, ok := c.(interface{ SetDeadline(time.Time) error }); ok {
		d.SetDeadline(time.Now().Add(patience))
	}
	first := make([]byte, len(greeting))
	if n, err := io.ReadFull(c, first); string(first[:n]) != greeting {
		t.Fatalf("the server greets by %q, %v", first[:n], err)
	}
	if _, err := io.WriteString(c, "question"); err != nil {
		t.Fatal(err)
	}
	var err error
	switch c := c.(type) {
	case *socket.Socket:
		err = c.Shutdown(socket.ShutdownWrite)
	case interface{ CloseWrite() error }:
		err = c.CloseWrite()
	}
	if err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(c)
	if string(rest) != "questionadios" || err != nil {
		t.Fatalf("after the question came %q, %v", rest, err)
	}
}

// dial connects by address, or ends the test.
func dial(t testing.TB, text string) *socket.Socket {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s, err := zocalo.Dial(ctx, text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// fails connects by address, and checks what the error says.
func fails(t testing.TB, text, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s, err := zocalo.Dial(ctx, text)
	if err == nil {
		s.Close()
	}
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%s: %v\nwant %s", text, err, want)
	}
}

// file writes a file of the test's.
func file(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// nobody is an address without a listener.
func nobody(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// certificates returns files of an authority, and of a certificate of its for
// db.example.
func certificates(t testing.TB) (ca, certificate string) {
	t.Helper()
	until := time.Now().Add(time.Hour)
	a, err := tls.NewAuthority(until)
	if err != nil {
		t.Fatal(err)
	}
	own, err := a.PEM()
	if err != nil {
		t.Fatal(err)
	}
	issued, err := a.Issue(until, "db.example")
	if err != nil {
		t.Fatal(err)
	}
	return file(t, string(own)), file(t, string(issued))
}
