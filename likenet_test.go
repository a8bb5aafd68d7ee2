package zocalo_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"zocalo"
	"zocalo/address"
	"zocalo/socket/option"
)

// A Dialer's DialContext serves net/http, over a path that has all that an address
// would read otherwise.
func TestDialContextMethod(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a,b=c")
	l := listen(t, "unix:"+address.Escape(path))
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.RemoteAddr) })}
	go server.Serve(l.NetListener())
	defer server.Close()
	d := &zocalo.Dialer{}
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return d.DialContext(ctx, "unix", path)
	}}}
	defer client.CloseIdleConnections()
	r, err := client.Get("http://zocalo/")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if b, err := io.ReadAll(r.Body); string(b) != "@" || err != nil { // as over package net
		t.Errorf("the server says its peer is %q, %v", b, err)
	}
	if c, err := d.DialContext(t.Context(), "unixpacket", path); err == nil || c != nil {
		t.Errorf("DialContext of another type returns %v, %v", c, err)
	}
	if c, err := d.DialContext(t.Context(), "nonsense", path); err == nil || c != nil {
		t.Errorf("DialContext of no network returns %v, %v", c, err)
	}
}

func TestSchemesAllowed(t *testing.T) {
	l := listen(t, "tcp:127.0.0.1:0")
	d := &zocalo.Dialer{Schemes: []string{"tcp"}}
	s, err := d.Dial(t.Context(), "tcp:"+l.Name().String())
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	var refused *zocalo.SchemeError
	for _, text := range []string{"unix:/x", "file:/etc/passwd", "tcp4:" + l.Name().String()} {
		if _, err := d.Dial(t.Context(), text); !errors.As(err, &refused) || !strings.HasSuffix(err.Error(), "is not allowed here: use tcp") {
			t.Errorf("Dial(%q): %v", text, err)
		}
	}
	if _, err := (&zocalo.ListenConfig{Schemes: []string{}}).Listen(t.Context(), "tcp:127.0.0.1:0"); !errors.As(err, &refused) {
		t.Errorf("Listen: %v", err)
	}
}

func TestListenPacket(t *testing.T) {
	c, err := zocalo.ListenPacket(t.Context(), "udp:localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	to, err := new(zocalo.Dialer).DialContext(t.Context(), "udp", c.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	if _, err := to.Write([]byte("hola")); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 10)
	n, from, err := c.ReadFrom(b)
	if string(b[:n]) != "hola" || err != nil || from.String() != to.LocalAddr().String() {
		t.Errorf("%q from %v, %v", b[:n], from, err)
	}
	if c, err := zocalo.ListenPacket(t.Context(), "tcp:127.0.0.1:0"); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("ListenPacket of a stream: %v, %v", c, err)
	}
}

func TestResolver(t *testing.T) {
	asked := errors.New("asked")
	d := zocalo.Dialer{Resolver: &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) { return nil, asked }}}
	if _, err := d.Dial(t.Context(), "tcp:nobody.example:80"); err == nil || !strings.Contains(err.Error(), asked.Error()) {
		t.Errorf("the resolver was not asked: %v", err)
	}
}

// Where package net has no address of a peer, there is none.
func TestRemoteAddr(t *testing.T) {
	for _, text := range []string{"tcp:127.0.0.1:0", "udp:127.0.0.1:0", "unix:" + filepath.Join(t.TempDir(), "s")} {
		if a := listen(t, text).Sockets()[0].RemoteAddr(); a != nil {
			t.Errorf("%s: RemoteAddr is %v", text, a)
		}
	}
}

// Of a listener the system tells its own credentials.
func TestPeerCredentialsOfListener(t *testing.T) {
	l := listen(t, "unix:"+filepath.Join(t.TempDir(), "s"))
	if c, err := option.PeerCredentials.Get(l.Sockets()[0]); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("%v, %v", c, err)
	}
}

func TestOptionWith(t *testing.T) {
	a, err := address.Parse("tcp:127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a.Settings = append(a.Settings, option.ReceiveBuffer.With(4096), option.NoDelay.With(false))
	if got, want := a.String(), "tcp:127.0.0.1:0,rcvbuf=4096,nodelay=0"; got != want && !strings.HasPrefix(got, "tcp:127.0.0.1:0,rcvbuf=") {
		t.Errorf("%q, want %q", got, want)
	}
	l, err := zocalo.ListenAddress(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if on, err := option.NoDelay.Get(l.Sockets()[0]); on || err != nil {
		t.Errorf("NoDelay is %v, %v", on, err)
	}
}
