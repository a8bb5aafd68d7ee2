package iso_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"

	"zocalo"
	"zocalo/address"
	"zocalo/check"
	"zocalo/echo"
	"zocalo/iso"
	"zocalo/relay/join"
	"zocalo/server"
	"zocalo/socket"
)

// TestByAddress listens, echoes and dials by the addresses that people write.
func TestByAddress(t *testing.T) {
	for _, c := range []struct{ listen, dial, wantServer, wantClient string }{
		{"iso:127.0.0.1:0,tsap=rack0slot2", "iso:%,tsap=0x0102,tpdu=1024,nodelay", ",tsap=0x0102", ",tsap=0x0100"},
		{"iso-listen:127.0.0.1:0,expedited", "cotp:%,tsap=anybody,local-tsap=me,expedited", "", ",tsap=me"},
		{"iso-stream:localhost:0,tsap=\"x\"", "iso-stream:localhost:%p,tsap=x", ",tsap=x", ",tsap=0x0100"},
		{"iso-stream:127.0.0.1:0,expedited", "iso-stream:%,expedited,local-tsap=", "", ""},
	} {
		l, err := zocalo.Listen(t.Context(), c.listen)
		if err != nil {
			t.Errorf("%s: %v", c.listen, err)
			continue
		}
		at := iso.AddrPort(l.Name())
		ctx, stop := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() {
			(&server.Server{Handler: func(ctx context.Context, s *socket.Socket) { echo.Connection(ctx, s) }}).Serve(ctx, l)
		})
		to := strings.NewReplacer("%p", strings.TrimPrefix(at.String(), at.Addr().String()+":"), "%", at.String()).Replace(c.dial)
		s, err := zocalo.Dial(t.Context(), to)
		if err != nil {
			t.Errorf("%s: %v", to, err)
			stop()
			all.Wait()
			continue
		}
		if !strings.HasSuffix(l.Name().String(), c.wantServer) || !strings.HasSuffix(s.Name().String(), c.wantClient) {
			t.Errorf("%s: %v, and the client %v", to, l.Name(), s.Name())
		}
		s.Write([]byte("hola"))
		b := make([]byte, 100)
		if n, err := s.Read(b); err != nil || string(b[:n]) != "hola" {
			t.Errorf("%s: %q, %v", to, b[:n], err)
		}
		if s.Type() == socket.Stream && s.Properties().Urgent > 0 {
			s.SendUrgent([]byte("!"))
			if n, err := s.ReceiveUrgent(t.Context(), b); err != nil || string(b[:n]) != "!" {
				t.Errorf("%s: urgent data comes back as %q, %v", to, b[:n], err)
			}
		}
		// What a name prints as is an address.
		if a, err := address.Parse("iso:" + l.Name().String()); err != nil || a.Endpoint != at.String() {
			t.Errorf("the name %v as an address: %v, %v", l.Name(), a, err)
		}
		s.Close()
		stop()
		all.Wait()
	}
}

// TestAddressErrors has addresses that mean nothing.
func TestAddressErrors(t *testing.T) {
	for text, want := range map[string]string{
		"iso:host,tsap=0x1":            "two hexadecimal digits",
		"iso:host,tpdu=100":            "is not a TPDU size",
		"iso:host,tsap=rack9slot1":     "racks go from 0 to 7",
		"iso:host,oobinline":           "oobinline",
		"iso-dgram:host,tpdu=128":      "tpdu",
		"iso-listen:host,local-tsap=x": "local-tsap",
		"iso:host,expeditd":            "expedited",
	} {
		if _, err := address.Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want it to say %q", text, err, want)
		}
	}
	// Nobody is there; and somebody, but not under that selector.
	l, err := zocalo.Listen(t.Context(), "iso:127.0.0.1:0,tsap=a")
	if err != nil {
		t.Fatal(err)
	}
	to := "iso:" + iso.AddrPort(l.Name()).String() + ",tsap=b"
	if _, err := zocalo.Dial(t.Context(), to); !errors.Is(err, syscall.ECONNREFUSED) || !strings.Contains(err.Error(), "called selector is unknown: check the called selector (tsap=)") {
		t.Errorf("%s: %v", to, err)
	}
	l.Close()
	if _, err := zocalo.Dial(t.Context(), to); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("%s: %v", to, err)
	}
}

// TestAllowLists has a server turn away a peer by its address.
func TestAllowLists(t *testing.T) {
	l, err := zocalo.Listen(t.Context(), "iso:127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	deny, err := server.ParseList([]string{"127.0.0.0/8"})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		done <- (&server.Server{Deny: deny, Handler: func(context.Context, *socket.Socket) { t.Error("it is let in") }}).Serve(ctx, l)
	}()
	s, err := zocalo.Dial(t.Context(), "iso:"+l.Name().String())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("a peer that is not wanted reads %v", err)
	}
	stop()
	if err := <-done; err != nil && !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

// TestRelay puts a relay between a client and an echo server, both of messages
// and both of bytes.
func TestRelay(t *testing.T) {
	for _, scheme := range []string{"iso", "iso-stream"} {
		target, err := zocalo.Listen(t.Context(), scheme+":127.0.0.1:0,tsap=target")
		if err != nil {
			t.Fatal(err)
		}
		front, err := zocalo.Listen(t.Context(), scheme+":127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		ctx, stop := context.WithCancel(t.Context())
		all.Go(func() {
			(&server.Server{Handler: func(ctx context.Context, s *socket.Socket) { echo.Connection(ctx, s) }}).Serve(ctx, target)
		})
		all.Go(func() {
			(&server.Server{Handler: func(ctx context.Context, a *socket.Socket) {
				b, err := zocalo.Dial(ctx, scheme+":"+target.Name().String())
				if err != nil {
					t.Error(err)
					return
				}
				join.Join(ctx, join.End{Socket: a}, join.End{Socket: b}, join.Options{})
			}}).Serve(ctx, front)
		})
		c, err := zocalo.Dial(t.Context(), scheme+":"+front.Name().String()+",tsap=x")
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 100000)
		for _, size := range []int{1, 50000, 3} {
			c.Write(b[:size])
			got := 0
			for got < size {
				n, err := c.Read(b)
				if err != nil || scheme == "iso" && n != size {
					t.Fatalf("%s: of %d bytes came %d: %v", scheme, size, n, err)
				}
				got += n
			}
		}
		c.Close()
		stop()
		all.Wait()
	}
}

// TestCheck has every kind keep its promises.
func TestCheck(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	r, err := check.Run(t.Context(), []string{"iso", "iso-stream", "iso-dgram"}, check.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range r.Kinds {
		if len(k.Findings) == 0 {
			t.Errorf("%s was not tried: %+v", k.Kind, k)
		}
		for _, f := range k.Findings {
			if f.Verdict == check.Broken || f.Verdict == check.Failed {
				t.Errorf("%s: %s: %s, %s %s", k.Kind, f.Property, f.Verdict, f.Seen, f.Reason)
			} else {
				t.Logf("%s: %s: %s, %s %s", k.Kind, f.Property, f.Word, f.Seen, f.Reason)
			}
		}
	}
}
