package interop

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"zocalo"
)

// serveFile is a handler of what a server does: it serves a file, says back what it is
// sent, and gives the connection away.
func serveFile(t *testing.T, content []byte) http.Handler {
	const name = "file"
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /file", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, name) })
	mux.HandleFunc("POST /echo", func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body) // HTTP/1 has no answer while the question is being read
		w.Write(b)
	})
	mux.HandleFunc("GET /upgrade", func(w http.ResponseWriter, r *http.Request) {
		conn, both, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		fmt.Fprint(both, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		both.Flush()
		io.Copy(conn, both)
	})
	return mux
}

// fetch uses each part of serveFile, some of them at once.
func fetch(t *testing.T, client *http.Client, content []byte, proto int) {
	t.Helper()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for _, r := range []func() (*http.Response, error){
				func() (*http.Response, error) { return client.Get("http://server/file") },
				func() (*http.Response, error) {
					return client.Post("http://server/echo", "text/plain", bytes.NewReader(content))
				},
			} {
				answer, err := r()
				if err != nil {
					t.Error(err)
					return
				}
				got, err := io.ReadAll(answer.Body)
				answer.Body.Close()
				if err != nil || !bytes.Equal(got, content) || answer.ProtoMajor != proto {
					t.Errorf("HTTP/%d gave %d bytes of %d, %v", answer.ProtoMajor, len(got), len(content), err)
				}
			}
		})
	}
	all.Wait()
}

func TestHTTP(t *testing.T) {
	content := bytes.Repeat([]byte("Hello world!\n"), 20_000)
	overCarriers(t, func(t *testing.T, c *carrier) {
		server := &http.Server{Handler: serveFile(t, content)}
		defer server.Close()
		go server.Serve(c)
		transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return c.dial(ctx) }}
		client := &http.Client{Transport: transport}
		fetch(t, client, content, 1)

		ask, err := http.NewRequestWithContext(t.Context(), "GET", "http://server/upgrade", nil)
		if err != nil {
			t.Fatal(err)
		}
		ask.Header.Set("Connection", "Upgrade")
		ask.Header.Set("Upgrade", "echo")
		answer, err := client.Do(ask)
		if err != nil {
			t.Fatal(err)
		}
		both := answer.Body.(io.ReadWriteCloser)
		said := make([]byte, 5)
		if _, err = both.Write([]byte("hola\n")); err == nil {
			_, err = io.ReadFull(both, said)
		}
		if err != nil || string(said) != "hola\n" {
			t.Errorf("after the upgrade came %q, %v", said, err)
		}
		both.Close()
		transport.CloseIdleConnections()
		if err := server.Shutdown(t.Context()); err != nil {
			t.Errorf("the server's end: %v", err)
		}
	})
}

// HTTP/2 over this module's TLS, which agreed on it: for net/http there is no TLS.
func TestHTTP2(t *testing.T) {
	t.Chdir(t.TempDir())
	content := bytes.Repeat([]byte("Hello world!\n"), 20_000)
	l, err := zocalo.Listen(t.Context(), "tls:127.0.0.1:0,alpn=h2")
	if err != nil {
		t.Fatal(err)
	}
	var alone http.Protocols
	alone.SetUnencryptedHTTP2(true)
	server := &http.Server{Handler: serveFile(t, content), Protocols: &alone}
	defer server.Close()
	go server.Serve(l.NetListener())
	transport := &http.Transport{Protocols: &alone, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		s, err := zocalo.Dial(ctx, l.Address()+",alpn=h2")
		if err != nil {
			return nil, err
		}
		if agreed := s.Facts().String(); !strings.Contains(agreed, "h2") {
			t.Errorf("what was agreed on is %q", agreed)
		}
		return s, nil
	}}
	defer transport.CloseIdleConnections()
	fetch(t, &http.Client{Transport: transport}, content, 2)
}

// HTTP/2 by net/http with TLS of crypto/tls, over bare sockets.
func TestHTTP2OfTheStandardLibrary(t *testing.T) {
	t.Chdir(t.TempDir())
	content := bytes.Repeat([]byte("Hello world!\n"), 20_000)
	l, err := zocalo.Listen(t.Context(), "tcp:127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	config, trusting := certificates(t)
	server := &http.Server{Handler: serveFile(t, content), TLSConfig: config}
	defer server.Close()
	go server.ServeTLS(l.NetListener(), "", "")
	var d zocalo.Dialer
	transport := &http.Transport{
		ForceAttemptHTTP2: true, TLSClientConfig: trusting,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return d.DialContext(ctx, network, l.Addr().String())
		},
	}
	defer transport.CloseIdleConnections()
	fetch(t, &http.Client{Transport: rewriting{transport}}, content, 2)
}

// rewriting asks by https.
type rewriting struct{ http.RoundTripper }

func (r rewriting) RoundTrip(ask *http.Request) (*http.Response, error) {
	ask = ask.Clone(ask.Context())
	ask.URL.Scheme = "https"
	return r.RoundTripper.RoundTrip(ask)
}
