package service_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"zocalo"
	_ "zocalo/iso"
	layer "zocalo/layer/tls"
	"zocalo/service"
)

// Another certificate is for connections that come after a reload, on the same sockets; those
// that stand go on.
func TestReloadCertificate(t *testing.T) {
	authority, err := layer.NewAuthority(time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert := func(name string) string {
		text, err := authority.Issue(time.Now().Add(time.Hour), name)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name+".pem")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	one := banner(t, "one")
	text := func(name string) string {
		return "[service.t]\nfrom = \"tls-listen:127.0.0.1:0,cert=" + cert(name) + "\"\nto = \"" + one + "\"\n"
	}
	r := start(t, text("a.example"))
	shake := func(name string) *talking {
		t.Helper()
		c, err := tls.Dial("tcp", r.where("t"), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		c.SetDeadline(time.Now().Add(30 * time.Second))
		if got := c.ConnectionState().PeerCertificates[0].DNSNames; len(got) != 1 || got[0] != name {
			t.Errorf("the certificate is for %v, and not for %s", got, name)
		}
		talk := &talking{c, bufio.NewReader(c)}
		talk.expect(t, "one")
		return talk
	}
	first := shake("a.example")
	if change := r.reload(text("b.example")); len(change.Replaced) != 1 {
		t.Fatal(change)
	}
	shake("b.example").alive(t)
	first.alive(t)
}

// A listener that cannot be handed over, of a domain in user space, is closed before its
// successor opens it.
func TestReloadUserSpace(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().String()
	l.Close()
	text := func(more string) string {
		return "[service.i]\nverb = \"echo\"\nfrom = \"iso:" + at + "\"\n" + more
	}
	ask := func() {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		c, err := zocalo.Dial(ctx, "iso:"+at)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.Write([]byte("hi"))
		b := make([]byte, 8)
		if n, err := c.Read(b); string(b[:n]) != "hi" || err != nil {
			t.Errorf("%q, %v", b[:n], err)
		}
	}
	r := start(t, text(""))
	ask()
	if change := r.reload(text("max-conns = 7\n")); len(change.Replaced) != 1 {
		t.Fatal(change)
	}
	waitFor(t, func() bool {
		s := r.status("i")
		return s.Runs == 1 && len(s.Listeners) > 0 && s.State == service.Running
	})
	ask()
}
