package sni

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// A recorder is a connection that keeps what is written, and has nothing to read.
type recorder struct {
	net.Conn
	bytes.Buffer
}

func (r *recorder) Write(b []byte) (int, error)       { return r.Buffer.Write(b) }
func (r *recorder) Read([]byte) (int, error)          { return 0, errors.New("nobody is there") }
func (r *recorder) SetDeadline(time.Time) error       { return nil }
func (r *recorder) Close() error                      { return nil }
func (r *recorder) SetWriteDeadline(time.Time) error  { return nil }
func (r *recorder) SetReadDeadline(t time.Time) error { return nil }

// helloOf is what Go's client says first.
func helloOf(c *tls.Config) []byte {
	var r recorder
	tls.Client(&r, c).Handshake()
	return r.Bytes()
}

// recut has a message in records of at most so many bytes.
func recut(hello []byte, size int) []byte {
	var b []byte
	for part := range slices.Chunk(hello[recordHeader:], size) {
		b = binary.BigEndian.AppendUint16(append(b, handshakeRecord, 3, 1), uint16(len(part)))
		b = append(b, part...)
	}
	return b
}

func TestParse(t *testing.T) {
	protocols := []string{"h2", "http/1.1"}
	for name, c := range map[string]struct {
		config *tls.Config
		want   hello
	}{
		"name":         {&tls.Config{ServerName: "Example.ORG"}, hello{"example.org", nil}},
		"ALPN":         {&tls.Config{ServerName: "example.org.", NextProtos: protocols}, hello{"example.org", protocols}},
		"no name":      {&tls.Config{InsecureSkipVerify: true, NextProtos: protocols}, hello{"", protocols}},
		"an address":   {&tls.Config{ServerName: "192.0.2.1"}, hello{"", nil}},
		"TLS 1.2":      {&tls.Config{ServerName: "a.b", MaxVersion: tls.VersionTLS12}, hello{"a.b", nil}},
		"post-quantum": {&tls.Config{ServerName: "a.b", CurvePreferences: []tls.CurveID{tls.X25519MLKEM768}}, hello{"a.b", nil}},
		"long":         {&tls.Config{ServerName: "a.b", NextProtos: slices.Repeat([]string{strings.Repeat("x", 255)}, 50)}, hello{"a.b", slices.Repeat([]string{strings.Repeat("x", 255)}, 50)}},
	} {
		t.Run(name, func(t *testing.T) {
			whole := helloOf(c.config)
			for _, size := range []int{1, 2, 5, 100, 1 << 14} {
				b := recut(whole, size)
				step := 1 + len(b)/2000
				h, done, err := parse(append(slices.Clone(b), "what follows"...))
				if err != nil || !done || h.name != c.want.name || !slices.Equal(h.protocols, c.want.protocols) {
					t.Errorf("records of %d: %+v, %v, %v", size, h, done, err)
				}
				for cut := 0; cut < len(b); cut += step {
					if _, done, err := parse(b[:cut]); done || err != nil {
						t.Fatalf("records of %d, cut after %d of %d bytes: %v, %v", size, cut, len(b), done, err)
					}
				}
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	whole := helloOf(&tls.Config{ServerName: "a.b"})
	change := func(at int, to ...byte) []byte {
		b := slices.Clone(whole)
		copy(b[at:], to)
		return b
	}
	for name, b := range map[string][]byte{
		"text":          []byte("GET / HTTP/1.1\r\n"),
		"one letter":    []byte("S"),
		"SSL 2":         {0x80, 0x2e, 1, 3, 1},
		"other version": change(1, 2),
		"empty record":  change(3, 0, 0),
		"big record":    change(3, 0x40, 1),
		"other message": change(5, 2),
		"too long":      change(6, 0, 0x40, 0),
		"session":       change(recordHeader+handshakeHeader+34, 0xff),
		"suites":        change(recordHeader+handshakeHeader+34+1+32, 0xff, 0xff),
	} {
		if h, done, err := parse(b); err == nil {
			t.Errorf("%s: %+v, %v", name, h, done)
		}
	}
}

func FuzzClientHello(f *testing.F) {
	f.Add(helloOf(&tls.Config{ServerName: "a.b", NextProtos: []string{"h2"}}))
	f.Add(recut(helloOf(&tls.Config{ServerName: "a.b", MaxVersion: tls.VersionTLS12}), 7))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, done, err := parse(b)
		if err != nil || !done {
			return
		}
		again, done, err := parse(append(b[:len(b):len(b)], 0))
		if err != nil || !done || again.name != h.name || !slices.Equal(again.protocols, h.protocols) {
			t.Fatalf("with a byte more: %+v, %v, %v", again, done, err)
		}
		for _, p := range h.protocols {
			if p == "" {
				t.Fatal("a protocol without a name")
			}
		}
	})
}
