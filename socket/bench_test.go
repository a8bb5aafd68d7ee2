package socket_test

import (
	"io"
	"net"
	"path/filepath"
	"testing"

	"zocalo/socket"
	"zocalo/socket/option"
)

// The same work over this package and over package net, in one run. Package
// net sets TCP_NODELAY by itself, so here it is set as well; it also listens
// for MPTCP unless GODEBUG=multipathtcp=0 says otherwise.

// A rival is one of the two libraries: how to listen, connect and accept.
type rival struct {
	name   string
	listen func(testing.TB, testKind) (accept func() (net.Conn, error), dial func() (net.Conn, error), stop func() error)
}

var rivals = []rival{
	{"zocalo", func(t testing.TB, k testKind) (func() (net.Conn, error), func() (net.Conn, error), func() error) {
		l := k.listener(t)
		if k.Domain == socket.Inet {
			check(t, option.NoDelay.Set(l, true)) // which what it accepts takes over
		}
		name := l.Name()
		return l.Listener().Accept, func() (net.Conn, error) {
			s, err := socket.New(k.Domain, k.Type, k.Protocol)
			if err == nil && k.Domain == socket.Inet {
				err = option.NoDelay.Set(s, true)
			}
			if err == nil {
				err = s.Connect(t.Context(), name)
			}
			return s, err
		}, l.Close
	}},
	{"net", func(t testing.TB, k testKind) (func() (net.Conn, error), func() (net.Conn, error), func() error) {
		network, address := "tcp", "127.0.0.1:0"
		if k.Domain == socket.Unix {
			network, address = "unix", filepath.Join(t.TempDir(), "net")
		}
		l, err := net.Listen(network, address)
		check(t, err)
		address = l.Addr().String()
		return l.Accept, func() (net.Conn, error) { return net.Dial(network, address) }, l.Close
	}},
}

// ends makes the two ends of a connection.
func (r rival) ends(t testing.TB, k testKind) (a, b net.Conn) {
	accept, dial, stop := r.listen(t, k)
	a, err := dial()
	check(t, err)
	b, err = accept()
	check(t, err)
	check(t, stop())
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

func eachRival(b *testing.B, bench func(*testing.B, rival, testKind)) {
	for _, k := range []testKind{tcp, unixStream} {
		for _, r := range rivals {
			b.Run(k.String()+"/"+r.name, func(b *testing.B) {
				b.ReportAllocs()
				bench(b, r, k)
			})
		}
	}
}

// BenchmarkPingPong sends 64 bytes there and back.
func BenchmarkPingPong(b *testing.B) {
	eachRival(b, func(b *testing.B, r rival, k testKind) {
		x, y := r.ends(b, k)
		echoed := make(chan struct{})
		go func() {
			defer close(echoed)
			buf := make([]byte, 64)
			for {
				n, err := y.Read(buf)
				if err != nil {
					return
				}
				if _, err := y.Write(buf[:n]); err != nil {
					return
				}
			}
		}()
		buf := make([]byte, 64)
		for b.Loop() {
			if _, err := x.Write(buf); err != nil {
				b.Fatal(err)
			}
			if _, err := io.ReadFull(x, buf); err != nil {
				b.Fatal(err)
			}
		}
		x.Close()
		<-echoed
	})
}

// BenchmarkStream sends parts of 64 KiB one way.
func BenchmarkStream(b *testing.B) {
	eachRival(b, func(b *testing.B, r rival, k testKind) {
		x, y := r.ends(b, k)
		done := make(chan struct{})
		go func() {
			defer close(done)
			buf := make([]byte, 64<<10)
			for {
				if _, err := y.Read(buf); err != nil {
					return
				}
			}
		}()
		buf := make([]byte, 64<<10)
		b.SetBytes(int64(len(buf)))
		for b.Loop() {
			if _, err := x.Write(buf); err != nil {
				b.Fatal(err)
			}
		}
		x.Close()
		<-done
	})
}

// BenchmarkAccept connects, accepts, and closes both ends: the accepted one
// first, so that the port of the other is free at once.
func BenchmarkAccept(b *testing.B) {
	eachRival(b, func(b *testing.B, r rival, k testKind) {
		accept, dial, stop := r.listen(b, k)
		for b.Loop() {
			x, err := dial()
			if err != nil {
				b.Fatal(err)
			}
			y, err := accept()
			if err != nil {
				b.Fatal(err)
			}
			y.Close()
			x.Close()
		}
		check(b, stop())
	})
}

// Nothing is allocated for a byte or a message that moves, whether a call
// waits or not.
func TestNoAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	kinds := []testKind{tcp, unixStream, udp, unixDatagram, unixSeqPacket}
	each(t, kinds, func(t *testing.T, k testKind) {
		a, b := k.pair(t)
		buf, parts := make([]byte, 100), [][]byte{make([]byte, 10), make([]byte, 10)}
		in, out := message(100), message(20)
		for name, f := range map[string]func() error{
			"Write and Read": func() error {
				_, err := a.Write(parts[0])
				if err == nil {
					_, err = b.Read(buf)
				}
				return err
			},
			"Writev and Read": func() error {
				_, err := a.Writev(parts)
				if err == nil {
					_, err = b.Read(buf)
				}
				return err
			},
			"Send and Receive": func() error {
				_, err := a.Send(out)
				if err == nil {
					err = b.Receive(in)
				}
				return err
			},
		} {
			var err error
			if n := testing.AllocsPerRun(200, func() {
				if e := f(); e != nil {
					err = e
				}
			}); n != 0 || err != nil {
				t.Errorf("%s: %v allocations, %v", name, n, err)
			}
		}
		t.Run("waiting", func(t *testing.T) {
			go func() {
				buf := make([]byte, 100)
				for {
					n, err := b.Read(buf)
					if err != nil {
						return
					}
					b.Write(buf[:n])
				}
			}()
			var err error
			if n := testing.AllocsPerRun(200, func() {
				if _, e := a.Write(parts[0]); e != nil {
					err = e
				}
				if _, e := a.Read(buf); e != nil {
					err = e
				}
			}); n != 0 || err != nil {
				t.Errorf("%v allocations, %v", n, err)
			}
			check(t, b.Close())
		})
	})
}
