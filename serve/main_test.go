package serve_test

import (
	"context"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"zocalo/internal/testenv"
	"zocalo/process"
	"zocalo/serve"
	"zocalo/server"
	"zocalo/socket"
	"zocalo/socket/sockettest"
)

func TestMain(m *testing.M) {
	process.Shim()
	sockettest.RegisterMemory()
	testenv.Main(m)
}

// A journal is a log that tests look at.
type journal struct{ testenv.Journal }

// await waits until the journal has a line with all of the words.
func (j *journal) await(t *testing.T, words ...string) {
	t.Helper()
	for range patience {
		for line := range strings.Lines(j.String()) {
			found := true
			for _, w := range words {
				found = found && strings.Contains(line, w)
			}
			if found {
				return
			}
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatalf("no line with %q in the log:\n%s", words, j)
}

// patience is how many milliseconds something may take.
const patience = 20_000

func sh(script string) process.Command { return process.Command{Args: process.Shell(script)} }

var tcp = socket.Kind{Domain: socket.Inet, Type: socket.Stream}

// bound returns a socket with a name, which listens if it can.
func bound(t *testing.T, k socket.Kind) *socket.Socket {
	t.Helper()
	s, err := socket.New(k.Domain, k.Type, k.Protocol)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	var n socket.Name
	switch k.Domain {
	case socket.Inet:
		n = socket.InetName(netip.MustParseAddrPort("127.0.0.1:0"))
	case socket.Unix:
		dir, mkdirErr := os.MkdirTemp("", "z") // short enough for a path of a socket
		if mkdirErr != nil {
			t.Fatal(mkdirErr)
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		n, err = socket.UnixName(filepath.Join(dir, "s"))
	default:
		n, err = sockettest.MemoryName(t.Name())
	}
	if err == nil {
		err = s.Bind(n)
	}
	if err == nil && k.Type != socket.Datagram {
		err = s.Listen(0)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func dial(t *testing.T, to *socket.Socket) *socket.Socket {
	t.Helper()
	k := to.Kind()
	c, err := socket.New(k.Domain, k.Type, k.Protocol)
	if err == nil {
		err = c.Connect(t.Context(), to.Name())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil { // so that nothing waits for ever
		t.Fatal(err)
	}
	return c
}

// served serves the program for connections of a kind until the test ends,
// without time to drain. stop does that at once.
func served(t *testing.T, p *serve.Program, k socket.Kind) (l *socket.Socket, stop func()) {
	t.Helper()
	l = bound(t, k)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		srv := server.Server{Drain: time.Nanosecond, Handler: func(ctx context.Context, c *socket.Socket) {
			if err := p.Serve(ctx, c); err != nil {
				p.Log.Error("not served", "error", err)
			}
		}}
		if err := srv.Serve(ctx, p.Accepting(l)); err != nil {
			t.Error(err)
		}
	}()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return l, stop
}

// talk sends input, ends it, and returns all that comes back.
func talk(t *testing.T, l *socket.Socket, input string) string {
	t.Helper()
	c := dial(t, l)
	if _, err := io.WriteString(c, input); err != nil {
		t.Fatal(err)
	}
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func needs(t *testing.T, program string) {
	t.Helper()
	testenv.Program(t, program)
}
