package socket_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"zocalo/socket"
)

// dialer returns a func that connects sockets of a kind to a name.
func dialer(k testKind, name socket.Name) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		s, err := socket.New(k.Domain, k.Type, k.Protocol)
		if err != nil {
			return nil, err
		}
		if err := s.Connect(ctx, name); err != nil {
			s.Close()
			return nil, err
		}
		return s, nil
	}
}

func TestHTTP(t *testing.T) {
	data := random(3 << 20)
	path := filepath.Join(t.TempDir(), "data")
	check(t, os.WriteFile(path, data, 0o600))
	each(t, streams, func(t *testing.T, k testKind) {
		l := k.listener(t)
		mux := http.NewServeMux()
		mux.HandleFunc("GET /file", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, path) })
		mux.HandleFunc("POST /echo", func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })
		server := &http.Server{Handler: mux}
		served := make(chan error, 1)
		go func() { served <- server.Serve(l.Listener()) }()
		client := &http.Client{Transport: &http.Transport{DialContext: dialer(k, l.Name())}}
		for range 3 {
			r, err := client.Get("http://zocalo/file")
			check(t, err)
			got, err := io.ReadAll(r.Body)
			check(t, err)
			r.Body.Close()
			if r.Header.Get("Content-Length") != strconv.Itoa(len(data)) || sha256.Sum256(got) != sha256.Sum256(data) {
				t.Errorf("%s, %d bytes", r.Status, len(got))
			}
		}
		client.CloseIdleConnections()
		check(t, server.Shutdown(t.Context()))
		wantError(t, "Serve", <-served, http.ErrServerClosed)
		wantError(t, "Close", l.Close(), net.ErrClosed)
	})
}

// testTLS returns the configurations of a server and a client that trusts it.
func testTLS(t testing.TB) (server, client *tls.Config) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"zocalo.test"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	check(t, err)
	certificate, err := x509.ParseCertificate(der)
	check(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(certificate)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, NextProtos: []string{"test"}},
		&tls.Config{RootCAs: roots, ServerName: "zocalo.test", NextProtos: []string{"test"}}
}

func TestTLS(t *testing.T) {
	serverConfig, clientConfig := testTLS(t)
	each(t, streams, func(t *testing.T, k testKind) {
		a, b := k.pair(t)
		client, server := tls.Client(a, clientConfig), tls.Server(b, serverConfig)
		data := random(1 << 20)
		passes(t, data, client, server, func() (int64, error) { return int64(len(data)), nil }, client.CloseWrite, func() error { return nil })
		check(t, client.Close())
	})
}

func TestQUIC(t *testing.T) {
	serverConfig, clientConfig := testTLS(t)
	each(t, []testKind{udp, udp6}, func(t *testing.T, k testKind) {
		a, b := k.bound(t), k.bound(t)
		server, client := &quic.Transport{Conn: b.PacketConn()}, &quic.Transport{Conn: a.PacketConn()}
		l, err := server.Listen(serverConfig, nil)
		check(t, err)
		data := random(5 << 20)
		echoed := make(chan error, 1)
		go func() {
			echoed <- func() error {
				c, err := l.Accept(t.Context())
				if err != nil {
					return err
				}
				s, err := c.AcceptStream(t.Context())
				if err != nil {
					return err
				}
				if _, err := io.Copy(s, s); err != nil {
					return err
				}
				return s.Close()
			}()
		}()
		c, err := client.Dial(t.Context(), b.LocalAddr(), clientConfig, nil)
		check(t, err)
		s, err := c.OpenStreamSync(t.Context())
		check(t, err)
		go func() {
			s.Write(data)
			s.Close()
		}()
		got, err := io.ReadAll(s)
		check(t, err)
		if sha256.Sum256(got) != sha256.Sum256(data) {
			t.Errorf("%d bytes came back of %d", len(got), len(data))
		}
		check(t, <-echoed)
		check(t, c.CloseWithError(0, ""))
		check(t, client.Close())
		check(t, server.Close())
		check(t, a.Close())
		check(t, b.Close())
	})
}

// A PacketConn does what package net's does.
func TestPacketConn(t *testing.T) {
	each(t, []testKind{udp, udp6, unixDatagram}, func(t *testing.T, k testKind) {
		a, b := k.bound(t).PacketConn(), k.bound(t).PacketConn()
		_, err := a.WriteTo([]byte("hola"), b.LocalAddr())
		check(t, err)
		buf := make([]byte, 10)
		n, from, err := b.ReadFrom(buf)
		check(t, err)
		if string(buf[:n]) != "hola" || from.String() != a.LocalAddr().String() || from.Network() != a.LocalAddr().Network() {
			t.Errorf("read %q from %v", buf[:n], from)
		}
		_, err = b.WriteTo([]byte("longer than that"), from)
		check(t, err)
		n, _, err = a.ReadFrom(buf)
		var temporary interface{ Temporary() bool }
		if n != 10 || !errors.Is(err, socket.ErrTruncated) || !errors.As(err, &temporary) || !temporary.Temporary() {
			t.Errorf("a message too long: %d, %v", n, err)
		}
		check(t, b.SetReadDeadline(longAgo))
		if _, _, err := b.ReadFrom(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("past the deadline: %v", err)
		}
		_, err = a.WriteTo([]byte("x"), &net.IPNet{})
		if err == nil {
			t.Error("wrote to an address that is none")
		}
		check(t, a.Close())
		if _, _, err := a.ReadFrom(buf); !errors.Is(err, net.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}
