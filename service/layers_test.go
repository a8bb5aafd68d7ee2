package service_test

import (
	"bufio"
	"crypto/tls"
	"os"
	"path/filepath"
	"testing"
	"time"

	layer "zocalo/layer/tls"
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
