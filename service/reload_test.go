package service_test

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"zocalo/service"
)

// Limits and targets change for the next pairs, and nothing else is touched.
func TestReloadInPlace(t *testing.T) {
	one, two := banner(t, "one"), banner(t, "two")
	text := func(to, more string) string {
		return `
[service.a]
from = "tcp-listen:127.0.0.1:0"
to = "` + to + `"
` + more + `
[service.b]
from = "tcp-listen:127.0.0.1:0"
to = "` + one + `"
`
	}
	r := start(t, text(one, ""))
	a, b := dial(t, r.where("a")), dial(t, r.where("b"))
	a.expect(t, "one")
	b.expect(t, "one")
	change := r.reload(text(two, "idle = 60"))
	if len(change.Changed) != 1 || len(change.Kept) != 1 || len(change.Replaced) != 0 {
		t.Fatal(change)
	}
	next := dial(t, r.where("a"))
	next.expect(t, "two")
	a.alive(t)
	b.alive(t)
	if s := r.status("a"); s.Runs != 1 || s.Totals.Open != 2 || s.To[0] != two {
		t.Errorf("%+v", s)
	}
	if s := r.Status(); s.Reloads != 1 || s.ReloadError != "" {
		t.Errorf("%+v", s)
	}
}

// What cannot change while it runs is taken over by a successor: the sockets stay, and so
// do the pairs.
func TestReloadReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	one := banner(t, "one")
	text := func(more string) string {
		return `
[service.tcp]
from = "tcp-listen:127.0.0.1:0"
to = "` + one + `"
` + more + `
[service.unix]
from = "unix-listen:` + path + `"
to = "` + one + `"
` + more + `
[service.program]
from = "tcp:127.0.0.1:0"
command = ["cat"]
` + more
	}
	r := start(t, text(""))
	var open []*talking
	for range 10 {
		for _, at := range []string{r.where("tcp"), path} {
			c := dial(t, at)
			c.expect(t, "one")
			open = append(open, c)
		}
		p := dial(t, r.where("program"))
		p.alive(t)
		open = append(open, p)
		if change := r.reload(text("max-conns-per-peer = " + itoa(1000+len(open)))); len(change.Replaced) != 3 {
			t.Fatal(change)
		}
	}
	for _, c := range open {
		c.alive(t)
	}
	if s := r.status("tcp"); s.Runs != 11 || s.Totals.Open != 10 {
		t.Errorf("%+v", s)
	}
	for _, c := range open {
		c.Close()
	}
	waitFor(t, func() bool {
		return r.status("tcp").Runs == 1 && r.status("unix").Runs == 1 && r.status("program").Runs == 1
	})
	if s := r.status("tcp"); s.Totals.Ended != 10 {
		t.Errorf("%+v", s)
	}
	dial(t, path).expect(t, "one")
	change := r.reload("[service.other]\nverb = \"echo\"\nfrom = \"tcp:127.0.0.1:0\"\n")
	if len(change.Removed) != 3 || len(change.Added) != 1 {
		t.Fatal(change)
	}
	waitFor(t, func() bool {
		_, err := os.Lstat(path)
		return errors.Is(err, os.ErrNotExist)
	})
	if _, err := net.Dial("tcp", r.where("tcp")); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("the service that was removed answers: %v", err)
	}
}

// A reload that cannot be done whole is not done at all.
func TestReloadWhole(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	one, two := banner(t, "one"), banner(t, "two")
	text := func(to, more string) string {
		return `
[service.a]
from = "tcp-listen:127.0.0.1:0"
to = "` + to + `"
[service.b]
from = "tcp-listen:127.0.0.1:0"
to = "` + to + `"
` + more
	}
	r := start(t, text(one, ""))
	change, err := r.Reload(config(t, text(two, "one-way = true\n[service.c]\nverb = \"echo\"\nfrom = \"tcp:"+taken.Addr().String()+"\"\n")))
	if err == nil || !strings.HasPrefix(err.Error(), "service c: ") {
		t.Fatal(change, err)
	}
	for _, name := range []string{"a", "b"} {
		c := dial(t, r.where(name))
		c.expect(t, "one")
		c.alive(t)
	}
	s := r.Status()
	if s.Refused != 1 || s.ReloadError == "" || len(s.Services) != 2 {
		t.Errorf("%+v", s)
	}
	r.reload(text(two, ""))
	dial(t, r.where("a")).expect(t, "two")
	if r.Status().ReloadError != "" {
		t.Error("the error of a reload stays")
	}
}

// Two services exchange their addresses, and one takes over what another gives up.
func TestReloadExchange(t *testing.T) {
	dir := t.TempDir()
	one, two := banner(t, "one"), banner(t, "two")
	text := func(x, y string) string {
		return "[service.x]\nfrom = \"unix-listen:" + filepath.Join(dir, x) + "\"\nto = \"" + one + "\"\n" +
			"[service.y]\nfrom = \"unix-listen:" + filepath.Join(dir, y) + "\"\nto = \"" + two + "\"\n"
	}
	r := start(t, text("a", "b"))
	c := dial(t, filepath.Join(dir, "a"))
	c.expect(t, "one")
	r.reload(text("b", "a"))
	dial(t, filepath.Join(dir, "a")).expect(t, "two")
	dial(t, filepath.Join(dir, "b")).expect(t, "one")
	c.alive(t)
	r.reload("[service.z]\nfrom = \"unix-listen:" + filepath.Join(dir, "a") + "\"\nto = \"" + one + "\"\n")
	dial(t, filepath.Join(dir, "a")).expect(t, "one")
	waitFor(t, func() bool {
		_, err := os.Lstat(filepath.Join(dir, "b"))
		return errors.Is(err, os.ErrNotExist)
	})
}

// Datagrams go to the successor, and to nobody else.
func TestReloadDatagrams(t *testing.T) {
	echo := start(t, "[service.e]\nverb = \"echo\"\nfrom = \"udp:127.0.0.1:0\"\n")
	text := func(more string) string {
		return "[service.u]\nfrom = \"udp-listen:127.0.0.1:0\"\nto = \"udp:" + echo.where("e") + "\"\n" + more
	}
	r := start(t, text(""))
	c, err := net.Dial("udp", r.where("u"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	b := make([]byte, 10)
	for i := range 20 {
		c.Write([]byte("hi"))
		if n, err := c.Read(b); string(b[:n]) != "hi" || err != nil {
			t.Fatal(string(b[:n]), err)
		}
		if change := r.reload(text("deny = \"10.0.0." + itoa(i+1) + "\"\n")); len(change.Replaced) != 1 {
			t.Fatal(change)
		}
		waitFor(t, func() bool { return r.status("u").Runs == 1 })
	}
}

// A relay of one pair is begun again when that has ended, and ends where it is removed.
func TestOnePair(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	one := banner(t, "one")
	r := start(t, "[service.p]\nfrom = \"tcp:"+l.Addr().String()+"\"\nto = \""+one+"\"\n")
	for range 2 {
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 4)
		if _, err := io.ReadFull(c, b); string(b) != "one\n" || err != nil {
			t.Fatal(string(b), err)
		}
		c.Close()
	}
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r.reload("[service.q]\nverb = \"echo\"\nfrom = \"tcp:127.0.0.1:0\"\ndrain = 0\n")
	if s := r.status("p"); s.State != service.Draining {
		t.Errorf("%+v", s)
	}
}

// A service that fails is tried again, and says why it does not run.
func TestRetry(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	r := start(t, "[service.p]\nfrom = \"unix:"+path+"\"\nto = \""+banner(t, "one")+"\"\n")
	waitFor(t, func() bool { return r.status("p").State == service.Failed })
	if s := r.status("p"); !strings.Contains(s.Why, path) {
		t.Errorf("%+v", s)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	waitFor(t, func() bool { return r.status("p").State == service.Running && r.status("p").Totals.Open == 1 })
}

// What a relay opens by itself is there once only: it is given up before the successor
// has it.
func TestReloadExclusive(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	text := func(more string) string {
		return "[service.m]\nfrom = \"unix-listen:" + a + "\"\nto = \"unix-listen:" + b + "\"\ndrain = 0\n" + more
	}
	r := start(t, text(""))
	meet := func() {
		t.Helper()
		waitFor(t, func() bool { _, err := os.Lstat(b); return err == nil && len(r.status("m").Listeners) > 0 })
		x, y := dial(t, a), dial(t, b)
		if _, err := x.Write([]byte("hi\n")); err != nil {
			t.Fatal(err)
		}
		y.expect(t, "hi")
		x.Close()
		y.Close()
	}
	meet()
	if change := r.reload(text("max-conns-per-peer = 5\n")); len(change.Replaced) != 1 {
		t.Fatal(change)
	}
	waitFor(t, func() bool { return r.status("m").Runs == 1 })
	meet()
}
