package fault

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/nettest"
)

// A connection with faults is one like any other.
func TestNettest(t *testing.T) {
	for _, specs := range [][]string{nil, {"latency=1ms"}, {"slices=1000~10"}, {"rate=1GB"}} {
		t.Run(strings.Join(specs, " "), func(t *testing.T) {
			nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
				plan := New(1)
				if err := plan.Set(parses(t, specs...)...); err != nil {
					return nil, nil, nil, err
				}
				a, b := tcpPair(t)
				c1, c2 = plan.Conn(a, 1), b
				return c1, c2, func() {
					c1.Close()
					c2.Close()
				}, nil
			})
		})
	}
}

func tcpPair(t testing.TB) (a, b net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if a, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if b, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		a.Close()
		b.Close()
	})
	return a, b
}

// In a bubble the time of each direction is exact.
func TestConnTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := New(1)
		if err := plan.Set(parses(t, "up:latency=1s", "down:latency=2s")...); err != nil {
			t.Fatal(err)
		}
		a, b := net.Pipe()
		c := plan.Conn(a, 1)
		start := time.Now()
		go func() {
			echo := make([]byte, 10)
			n, _ := b.Read(echo)
			b.Write(echo[:n])
		}()
		c.Write([]byte("hola"))
		if took := time.Since(start); took != 0 {
			t.Errorf("writing took %v", took)
		}
		got := make([]byte, 10)
		n, err := c.Read(got)
		if took := time.Since(start); string(got[:n]) != "hola" || err != nil || took != 3*time.Second {
			t.Errorf("read %q, %v after %v", got[:n], err, took)
		}
		c.SetReadDeadline(time.Now().Add(time.Second))
		if _, err := c.Read(got); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a late read is %v", err)
		}
		c.Close()
		b.Close()
	})
}

// Half-close is kept: the end travels as the data does, and the answer comes.
func TestConnHalfClose(t *testing.T) {
	plan := New(1)
	if err := plan.Set(parses(t, "latency=5ms~5ms", "loss=5%,pause=1ms")...); err != nil {
		t.Fatal(err)
	}
	a, b := tcpPair(t)
	c := plan.Conn(a, 1)
	text := bytes.Repeat([]byte("0123456789"), 30000)
	go func() {
		all, _ := io.ReadAll(b)
		b.Write(all)
		b.Close()
	}()
	if _, err := c.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, text) {
		t.Errorf("read %d bytes, %v", len(got), err)
	}
	c.Close()
}

// Close lets what is held be written.
func TestConnCloses(t *testing.T) {
	plan := New(1)
	if err := plan.Set(parses(t, "latency=20ms")...); err != nil {
		t.Fatal(err)
	}
	a, b := tcpPair(t)
	c := plan.Conn(a, 1)
	c.Write([]byte("hola"))
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closing again is %v", err)
	}
	if got, err := io.ReadAll(b); err != nil || string(got) != "hola" {
		t.Errorf("read %q, %v", got, err)
	}
}

func TestConnReset(t *testing.T) {
	for spec, want := range map[string]error{"up:reset=3B": syscall.ECONNRESET, "up:limit=3": nil, "reset": syscall.ECONNRESET} {
		plan := New(1)
		if err := plan.Set(parses(t, spec)...); err != nil {
			t.Fatal(err)
		}
		a, b := tcpPair(t)
		c := plan.Conn(a, 1)
		c.Write([]byte("abcdef"))
		got, err := io.ReadAll(b)
		if !errors.Is(err, want) || spec != "reset" && string(got) != "abc" && want == nil {
			t.Errorf("%s: the peer read %q, %v", spec, got, err)
		}
		if n, err := c.Read(make([]byte, 1)); n != 0 || want != nil && !errors.Is(err, want) || want == nil && err != io.EOF {
			t.Errorf("%s: reading is %d, %v", spec, n, err)
		}
		for err = nil; err == nil; { // what a Write takes is written later
			_, err = c.Write([]byte("x"))
		}
		c.Close()
	}
}

func TestPacketConn(t *testing.T) {
	plan := New(1)
	if err := plan.Set(parses(t, "up:duplicate=100%", "down:latency=1ms", "up:loss=100%,pairs=2")...); err != nil {
		t.Fatal(err)
	}
	var all [2]net.PacketConn
	for i := range all {
		c, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		all[i] = plan.PacketConn(c)
		defer all[i].Close()
	}
	a, b := all[0], all[1]
	b.WriteTo([]byte("lost, as the second pair"), a.LocalAddr())
	a.WriteTo([]byte("hola"), b.LocalAddr())
	for range 2 {
		got := make([]byte, 10)
		n, from, err := b.ReadFrom(got)
		if string(got[:n]) != "hola" || err != nil || from.String() != a.LocalAddr().String() {
			t.Fatalf("read %q from %v, %v", got[:n], from, err)
		}
	}
	a.SetDeadline(time.Unix(1, 0))
	if _, _, err := a.ReadFrom(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a late read is %v", err)
	}
	if _, err := a.WriteTo(nil, b.LocalAddr()); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a late write is %v", err)
	}
	a.Close()
	if _, _, err := a.ReadFrom(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("reading a closed one is %v", err)
	}
	if _, err := a.WriteTo(nil, b.LocalAddr()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("writing to a closed one is %v", err)
	}
}
