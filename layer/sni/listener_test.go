package sni_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"zocalo"
	_ "zocalo/iso"
	"zocalo/layer/sni"
	"zocalo/socket"
)

// hello is what a client says that asks for example.org, and offers h2.
func hello(t *testing.T, version uint16) []byte {
	a, b := net.Pipe()
	go tls.Client(a, &tls.Config{ServerName: "example.org", NextProtos: []string{"h2"}, MaxVersion: version}).Handshake()
	defer a.Close()
	head := make([]byte, 5)
	if _, err := io.ReadFull(b, head); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, int(head[3])<<8|int(head[4]))
	if _, err := io.ReadFull(b, body); err != nil {
		t.Fatal(err)
	}
	return append(head, body...)
}

// A listening is a listener with what it accepts.
type listening struct {
	*zocalo.Listener
	accepted chan *socket.Socket
	failed   chan error
}

func listen(t *testing.T, address string) *listening {
	t.Helper()
	l, err := zocalo.Listen(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	g := &listening{l, make(chan *socket.Socket, 100), make(chan error, 100)}
	l.HoldAnswers()
	l.OnHandshake(func(_ *socket.Socket, err error) {
		if err != nil {
			g.failed <- err
		}
	})
	var accepting sync.WaitGroup
	accepting.Go(func() {
		for {
			s, err := l.Accept(t.Context())
			if err != nil {
				return
			}
			t.Cleanup(func() { s.Close() })
			g.accepted <- s
		}
	})
	t.Cleanup(func() { l.Close(); accepting.Wait() })
	return g
}

func (l *listening) dial(t *testing.T, kind string) *socket.Socket {
	t.Helper()
	c, err := zocalo.Dial(t.Context(), kind+":"+l.Name().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// Wherever a hello is cut, it is heard, and all of it is still to be read. That of TLS
// 1.3 has keys of post-quantum exchange, for which a segment is too short.
func TestCut(t *testing.T) {
	testCut(t, hello(t, tls.VersionTLS12), 1)
	testCut(t, hello(t, tls.VersionTLS13), 97)
}

func testCut(t *testing.T, said []byte, step int) {
	for _, kind := range []string{"tcp", "unix", "iso-stream"} {
		at := "127.0.0.1:0"
		if kind == "unix" {
			at = filepath.Join(t.TempDir(), "s")
		}
		l := listen(t, "sni+"+kind+":"+at)
		step := step
		if kind != "tcp" {
			step = len(said) / 7
		}
		for cut := 0; cut < len(said); cut += step {
			c := l.dial(t, kind)
			c.Write(said[:cut])
			if cut%16 == 0 {
				time.Sleep(time.Millisecond) // so that it comes by itself
			}
			c.Write(said[cut:])
			io.WriteString(c, "and more")
			s := <-l.accepted
			b := make([]byte, len(said)+len("and more"))
			if _, err := io.ReadFull(s, b); err != nil || string(b) != string(said)+"and more" {
				t.Fatalf("%s, cut after %d bytes: %v, %t", kind, cut, err, bytes.Equal(b[:len(said)], said))
			}
			facts := fmt.Sprint(s.Facts())
			if !strings.Contains(facts, "example.org") || !strings.Contains(facts, "alpn h2") {
				t.Fatalf("%s", facts)
			}
			q, ok := socket.As[socket.Requester](s)
			if _, port, _ := net.SplitHostPort(l.Name().String()); !ok || kind == "tcp" && q.Requested().Target != "example.org:"+port {
				t.Fatalf("%v, %v", ok, q.Requested())
			}
			s.Close()
			c.Close()
		}
	}
}

// A client that goes no further is told so in TLS's words.
func TestAlert(t *testing.T) {
	l := listen(t, "sni:127.0.0.1:0")
	for want, why := range map[string]error{"unrecognized name": syscall.EACCES, "internal error": syscall.ECONNREFUSED} {
		c := l.dial(t, "tcp")
		over := make(chan error, 1)
		go func() {
			err := tls.Client(c, &tls.Config{ServerName: "example.org"}).Handshake()
			c.Close() // else the answer waits for it
			over <- err
		}()
		s := <-l.accepted
		q, _ := socket.As[socket.Requester](s)
		q.Answer(socket.Name{}, why)
		s.Close()
		if err := <-over; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("after %v: %v, want one of %q", why, err, want)
		}
	}
}

func TestRefused(t *testing.T) {
	sni.SetHelloTime(time.Second)
	t.Cleanup(func() { sni.SetHelloTime(5 * time.Second) })
	said := string(hello(t, tls.VersionTLS13))
	l := listen(t, "sni:127.0.0.1:0")
	for text, want := range map[string]string{
		"SSH-2.0-x\r\n":                        "does not speak TLS",
		said[:100] + "END":                     "before its ClientHello was complete",
		"END":                                  "before its ClientHello was complete",
		said[:100]:                             "sent no complete ClientHello within 1 s",
		"\x16\x03\x01\x40\x00\x01\x00\x40\x00": "more than the 16384",
		strings.Repeat("\x16\x03\x01\x00\x01\x01", 3000): "",
	} {
		c := l.dial(t, "tcp")
		text, end := strings.CutSuffix(text, "END")
		io.WriteString(c, text)
		if end {
			c.Shutdown(socket.ShutdownWrite)
		}
		select {
		case err := <-l.failed:
			if !strings.HasPrefix(err.Error(), "sni: ") || !strings.Contains(err.Error(), want) {
				t.Errorf("%.20q: %v, want one of %q", text, err, want)
			}
		case s := <-l.accepted:
			t.Errorf("%.20q: accepted, %v", text, s.Facts())
		}
	}
}

func TestAddresses(t *testing.T) {
	if s, err := zocalo.Dial(t.Context(), "sni+tcp:127.0.0.1:1"); err == nil {
		t.Errorf("Dial: %v", s)
	}
	if l, err := zocalo.Listen(t.Context(), "sni+udp:127.0.0.1:0"); err == nil {
		t.Errorf("Listen: %v", l)
	}
}
