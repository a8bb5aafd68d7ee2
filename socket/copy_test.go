package socket_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"testing"

	"zocalo/socket"
)

// random returns bytes that tell a loss, a repetition and a wrong order.
func random(size int) []byte {
	b := make([]byte, size)
	var seed [32]byte
	rand.NewChaCha8(seed).Read(b)
	return b
}

// passes tests that data sent into a socket comes out of another, and that
// copy said how much it moved.
func passes(t *testing.T, data []byte, in io.Writer, out io.Reader, copy func() (int64, error), closeIn, closeOut func() error) {
	t.Helper()
	copied := make(chan error, 1)
	go func() {
		n, err := copy()
		if err == nil && n != int64(len(data)) {
			err = fmt.Errorf("copied %d bytes of %d", n, len(data))
		}
		closeOut()
		copied <- err
	}()
	if in != nil {
		go func() {
			in.Write(data)
			closeIn()
		}()
	}
	sum := sha256.New()
	n, err := io.Copy(sum, struct{ io.Reader }{out})
	if err != nil || n != int64(len(data)) || [32]byte(sum.Sum(nil)) != sha256.Sum256(data) {
		t.Errorf("%d bytes of %d came out, %v", n, len(data), err)
	}
	check(t, <-copied)
}

func TestSplice(t *testing.T) {
	data := random(2<<20 + 17)
	for _, from := range streams {
		each(t, streams, func(t *testing.T, to testKind) {
			from.require(t)
			t.Run("from "+from.String(), func(t *testing.T) {
				for _, method := range []string{"ReadFrom", "WriteTo"} {
					a, in := from.pair(t)
					out, b := to.pair(t)
					copy := func() (int64, error) { return out.ReadFrom(in) }
					if method == "WriteTo" {
						copy = func() (int64, error) { return in.WriteTo(out) }
					}
					passes(t, data, a, b, copy, func() error { return a.Shutdown(socket.ShutdownWrite) }, func() error { return out.Shutdown(socket.ShutdownWrite) })
				}
			})
		})
	}
}

// netPair makes two connected sockets of package net.
func netPair(t testing.TB, network string) (a, b net.Conn) {
	address := "127.0.0.1:0"
	if network == "unix" {
		address = filepath.Join(t.TempDir(), "net")
	}
	l, err := net.Listen(network, address)
	check(t, err)
	defer l.Close()
	a, err = net.Dial(network, l.Addr().String())
	check(t, err)
	b, err = l.Accept()
	check(t, err)
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

func TestSpliceWithPackageNet(t *testing.T) {
	data := random(3<<20 + 5)
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			a, in := netPair(t, network)
			out, b := tcp.pair(t)
			passes(t, data, a, b, func() (int64, error) { return out.ReadFrom(in) }, a.Close, func() error { return out.Shutdown(socket.ShutdownWrite) })
			c, in2 := tcp.pair(t)
			out2, d := netPair(t, network)
			passes(t, data, c, d, func() (int64, error) { return in2.WriteTo(out2) }, c.Close, out2.Close)
		})
	}
}

func TestSendfile(t *testing.T) {
	data := random(3<<20 + 7)
	path := filepath.Join(t.TempDir(), "data")
	check(t, os.WriteFile(path, data, 0o600))
	each(t, streams, func(t *testing.T, k testKind) {
		for _, e := range []struct {
			name         string
			offset, size int64
		}{
			{"all", 0, int64(len(data))}, {"a part", 1000, 1 << 20}, {"nothing", 10, 0},
		} {
			f, err := os.Open(path)
			check(t, err)
			_, err = f.Seek(e.offset, io.SeekStart)
			check(t, err)
			out, b := k.pair(t)
			limited := &io.LimitedReader{R: f, N: e.size}
			passes(t, data[e.offset:e.offset+e.size], nil, b, func() (int64, error) { return out.ReadFrom(limited) }, nil, out.Close)
			if at, _ := f.Seek(0, io.SeekCurrent); at != e.offset+e.size || limited.N != 0 {
				t.Errorf("%s: the file is at %d, want %d; %d are left", e.name, at, e.offset+e.size, limited.N)
			}
			check(t, f.Close())
		}
		t.Run("proc", func(t *testing.T) {
			f, err := os.Open("/proc/self/status")
			check(t, err)
			defer f.Close()
			out, b := k.pair(t)
			_, err = out.ReadFrom(f)
			check(t, err)
			check(t, out.Close())
			got, err := io.ReadAll(b)
			check(t, err)
			if !bytes.HasPrefix(got, []byte("Name:")) {
				t.Errorf("read %.20q", got)
			}
		})
	})
}

// What a splice has read and cannot write is not lost in silence: the error
// says so, and the copy's number does not count it.
// File makes a socket blocking beneath while it is being copied from or to.
// All bytes still pass, and a deadline still ends the copy.
func TestFileWhileCopying(t *testing.T) {
	data := random(32 << 20) // more than the sockets hold
	path := filepath.Join(t.TempDir(), "data")
	check(t, os.WriteFile(path, data, 0o600))
	each(t, []testKind{tcp, unixStream}, func(t *testing.T, k testKind) {
		type ends struct {
			copied *socket.Socket // of whom File is asked
			in     *socket.Socket // nil for a file
			out    *socket.Socket
			source io.Reader
			sink   io.Reader
		}
		for name, prepare := range map[string]func() ends{
			"from a socket": func() ends {
				in, from := k.pair(t)
				to, sink := k.pair(t)
				return ends{from, in, to, from, sink}
			},
			"to a socket": func() ends {
				in, from := k.pair(t)
				to, sink := k.pair(t)
				return ends{to, in, to, from, sink}
			},
			"from a file": func() ends {
				f, err := os.Open(path)
				check(t, err)
				t.Cleanup(func() { f.Close() })
				to, sink := k.pair(t)
				return ends{to, nil, to, f, sink}
			},
		} {
			for _, after := range []string{"all", "deadline"} {
				t.Run(name+" "+after, func(t *testing.T) {
					e := prepare()
					if e.in != nil {
						go func() {
							e.in.Write(data)
							e.in.Close()
						}()
					}
					c := start(t, "Copy", func() error {
						_, err := io.Copy(e.out, e.source)
						e.out.Close()
						return err
					})
					f, err := e.copied.File()
					check(t, err)
					t.Cleanup(func() { f.Close() })
					got := make([]byte, len(data))
					part := len(data) / 8
					if after == "all" {
						part = len(data)
					}
					_, err = io.ReadFull(e.sink, got[:part])
					check(t, err)
					if !bytes.Equal(got[:part], data[:part]) {
						t.Error("other bytes came out than went in")
					}
					if after == "all" {
						c.end(nil)
						return
					}
					check(t, e.out.SetWriteDeadline(longAgo))
					c.end(os.ErrDeadlineExceeded)
					if e.in != nil {
						check(t, e.in.SetWriteDeadline(longAgo))
					}
				})
			}
		}
	})
}

func TestSpliceBrokenOutput(t *testing.T) {
	a, in := tcp.pair(t)
	out, b := tcp.pair(t)
	check(t, b.Abort())
	write(t, a, "x")
	var n int64
	var err error
	for err == nil {
		write(t, a, "x")
		n, err = io.CopyN(out, in, 1)
	}
	if n != 0 {
		t.Errorf("%d bytes written to a peer that is gone: %v", n, err)
	}
}

// A counting wrapper that looks at the bytes itself is not passed by.
type counting struct {
	socket.Endpoint
	n int64
}

func (c *counting) Unwrap() socket.Endpoint { return c.Endpoint }
func (c *counting) Read(b []byte) (int, error) {
	n, err := c.Endpoint.Read(b)
	c.n += int64(n)
	return n, err
}
func (c *counting) CopyFrom(io.Reader) (int64, bool, error) { return 0, false, nil }
func (c *counting) CopyTo(io.Writer) (int64, bool, error)   { return 0, false, nil }

func TestSpliceSeesWrappers(t *testing.T) {
	data := random(100000)
	a, in := tcp.pair(t)
	out, b := tcp.pair(t)
	c := &counting{Endpoint: in}
	wrapped := socket.Wrap(c, in.Kind())
	passes(t, data, a, b, func() (int64, error) { return out.ReadFrom(wrapped) }, a.Close, out.Close)
	if c.n != int64(len(data)) {
		t.Errorf("the wrapper saw %d bytes of %d", c.n, len(data))
	}
}
