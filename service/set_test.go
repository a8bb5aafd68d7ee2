package service_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"zocalo"
	"zocalo/address"
	"zocalo/service"
)

// A running is a Set under test.
type running struct {
	*service.Set
	t    *testing.T
	stop context.CancelFunc
	done chan error
	log  *logged

	mu sync.Mutex
	at map[string]string // where services listen, by the first address
}

// logged is what the log was told.
type logged struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func config(t *testing.T, text string) *service.Config {
	t.Helper()
	c, err := service.Parse("test.toml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// start runs a config until the test ends.
func start(t *testing.T, text string) *running {
	t.Helper()
	r := &running{t: t, done: make(chan error, 1), log: new(logged), at: map[string]string{}}
	opened := make(chan struct{})
	var err error
	r.Set, err = service.New(config(t, text), service.Options{
		Log: slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Listening: func(name string, l *zocalo.Listener, a address.Address) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.at[name] = l.Name().String()
		},
		Opened: func() error { close(opened); return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	go func() { r.done <- r.Run(ctx) }()
	select {
	case <-opened:
	case err := <-r.done:
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		r.Abort()
		if err := <-r.done; err != nil {
			t.Errorf("the set ended with %v", err)
		}
		if t.Failed() {
			t.Log(r.log)
		}
	})
	return r
}

func (r *running) where(name string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.at[name]
}

func (r *running) reload(text string) *service.Change {
	r.t.Helper()
	change, err := r.Reload(config(r.t, text))
	if err != nil {
		r.t.Fatal(err)
	}
	return change
}

// status is that of one service.
func (r *running) status(name string) service.ServiceStatus {
	for _, s := range r.Status().Services {
		if s.Name == name {
			return s
		}
	}
	r.t.Helper()
	r.t.Fatalf("there is no service %s", name)
	return service.ServiceStatus{}
}

// banner is a server that says a word to whoever connects, and then echoes.
func banner(t *testing.T, word string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var open sync.WaitGroup
	t.Cleanup(func() { l.Close(); open.Wait() })
	open.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			open.Go(func() {
				defer c.Close()
				fmt.Fprintln(c, word)
				io.Copy(struct{ io.Writer }{c}, struct{ io.Reader }{c}) // by no pipe of the runtime's, which it keeps
			})
		}
	})
	return "tcp:" + l.Addr().String()
}

// A talking is a connection to a banner.
type talking struct {
	net.Conn
	*bufio.Reader
}

func (c *talking) Read(b []byte) (int, error) { return c.Reader.Read(b) }

func dial(t *testing.T, at string) *talking {
	t.Helper()
	network := "tcp"
	if strings.HasPrefix(at, "/") {
		network = "unix"
	}
	c, err := net.Dial(network, at)
	for end := time.Now().Add(10 * time.Second); network == "unix" && errors.Is(err, syscall.ECONNREFUSED) && time.Now().Before(end); { // bound, and about to listen
		time.Sleep(time.Millisecond)
		c, err = net.Dial(network, at)
	}
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(30 * time.Second))
	t.Cleanup(func() { c.Close() })
	return &talking{c, bufio.NewReader(c)}
}

// expect reads a line.
func (c *talking) expect(t *testing.T, want string) {
	t.Helper()
	line, err := c.ReadString('\n')
	if got := strings.TrimSuffix(line, "\n"); got != want || err != nil {
		t.Fatalf("%q, %v; want %q", got, err, want)
	}
}

// alive sees to it that what is sent comes back.
func (c *talking) alive(t *testing.T) {
	t.Helper()
	if _, err := fmt.Fprintln(c.Conn, "there?"); err != nil {
		t.Fatal(err)
	}
	c.expect(t, "there?")
}

func TestServices(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	r := start(t, `
[service.relay]
from = "tcp-listen:127.0.0.1:0"
to = "`+banner(t, "one")+`"
[service.program]
from = "unix:`+path+`"
command = ["cat"]
[service.echo]
verb = "echo"
from = ["tcp:127.0.0.1:0", "udp:127.0.0.1:0"]
`)
	c := dial(t, r.where("relay"))
	c.expect(t, "one")
	c.alive(t)
	p := dial(t, path)
	p.alive(t)
	u, err := net.Dial("udp", r.where("echo"))
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	u.Write([]byte("hi"))
	b := make([]byte, 10)
	if n, err := u.Read(b); string(b[:n]) != "hi" || err != nil {
		t.Fatal(string(b[:n]), err)
	}
	relay := r.status("relay")
	if relay.Verb != "relay" || relay.State != service.Running || relay.Totals.Open != 1 || relay.Totals.Received < 7 || len(relay.Listeners) != 1 {
		t.Errorf("%+v", relay)
	}
	if program := r.status("program"); program.Totals.Open != 1 {
		t.Errorf("%+v", program)
	}
	if echo := r.status("echo"); len(echo.Listeners) != 2 || echo.Totals.Sent != 2 {
		t.Errorf("%+v", echo)
	}
	pairs, ok := r.Pairs("relay")
	if !ok || len(pairs) != 1 || pairs[0].Peer != c.LocalAddr().String() {
		t.Errorf("%+v", pairs)
	}
}

// A set begins with all of its services, or with none.
func TestBeginsWhole(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	path := filepath.Join(t.TempDir(), "s")
	s, err := service.New(config(t, `
[service.good]
verb = "echo"
from = "unix:`+path+`"
[service.taken]
verb = "echo"
from = "tcp:`+taken.Addr().String()+`"
`), service.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "service taken: ") {
		t.Fatal(err)
	}
	if _, err := net.Dial("unix", path); err == nil {
		t.Error("a service is left")
	}
}

// What ends drains for as long as it says.
func TestDrain(t *testing.T) {
	r := start(t, `
[service.patient]
from = "tcp-listen:127.0.0.1:0"
to = "`+banner(t, "one")+`"
drain = "1m"
[service.hasty]
from = "tcp-listen:127.0.0.1:0"
to = "`+banner(t, "two")+`"
drain = 0
`)
	patient, hasty := dial(t, r.where("patient")), dial(t, r.where("hasty"))
	patient.expect(t, "one")
	hasty.expect(t, "two")
	r.stop()
	if _, err := hasty.ReadByte(); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("a pair that was cut short ends with %v", err)
	}
	patient.alive(t)
	patient.Conn.(*net.TCPConn).CloseWrite()
	if _, err := patient.ReadByte(); err != io.EOF {
		t.Error(err)
	}
	err := <-r.done
	r.done <- err
	if err != nil {
		t.Error(err)
	}
}

func itoa(n int) string { return fmt.Sprint(n) }

func waitFor(t *testing.T, is func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it did not happen")
		}
	}
}
