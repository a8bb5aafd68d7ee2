package xns

import (
	"io"
	"testing"
	"time"

	"zocalo"
	"zocalo/socket"
)

// TestSharedHost opens sockets by their addresses, which find their host by
// its link: client and server are on the same one.
func TestSharedHost(t *testing.T) {
	for _, word := range []string{"spp", "spp-stream"} {
		t.Setenv(LinkVariable, "memory:"+word)
		l := must[*zocalo.Listener](t)(zocalo.Listen(t.Context(), word+"-listen:41A##0"))
		name, _ := AddrOf(l.Name())
		if name.Host != processID() || name.Net != 0x41a || name.Socket <= reservedSockets {
			t.Errorf("it listens on %v", name)
		}
		c := must[*socket.Socket](t)(zocalo.Dial(t.Context(), word+":"+name.String()+",window=3,tries=5"))
		s := must[*socket.Socket](t)(l.Accept(t.Context()))
		if link, err := LinkOption.Get(c); link != "memory:"+word || err != nil {
			t.Errorf("the link is %q, %v", link, err)
		}
		c.Write([]byte("hello"))
		b := make([]byte, 10)
		if n, err := s.Read(b); string(b[:n]) != "hello" || err != nil {
			t.Errorf("read %q, %v", b[:n], err)
		}
		l.Close()
		begun := time.Now()
		c.Close()
		if n, err := s.Read(b); n != 0 || err != io.EOF {
			t.Errorf("at the end: %d, %v", n, err)
		}
		s.Close()
		if took := time.Since(begun); took > 10*time.Second {
			t.Errorf("closing took %v", took)
		}
		deadline := time.Now().Add(10 * time.Second)
		for left := 1; left > 0; {
			shared.mu.Lock()
			left = len(shared.hosts)
			shared.mu.Unlock()
			if time.Now().After(deadline) {
				t.Fatalf("hosts are still there after their sockets are closed: %v", shared.hosts)
			}
			time.Sleep(time.Millisecond)
		}
	}
}

// TestManySockets fills a host.
func TestManySockets(t *testing.T) {
	h := onSegment(nil)
	defer h.close()
	for i := range maxSockets + 1 {
		_, err := h.a.add(0, &datagram{})
		if (err != nil) != (i == maxSockets) {
			t.Fatalf("socket %d: %v", i, err)
		}
	}
	h.a.mu.Lock()
	clear(h.a.ports)
	h.a.mu.Unlock()
}
