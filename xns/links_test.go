package xns

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/nettest"

	"zocalo"
	"zocalo/internal/testenv"
	"zocalo/server"
	"zocalo/socket"
	"zocalo/socket/sockettest"
	"zocalo/xns/hub"
)

// across tests a pair of links that open makes: that the kinds of socket keep
// their promises over them.
func across(t *testing.T, open func(t testing.TB) (a, b Link)) {
	mk := func() hosts {
		a, b := open(t)
		return hosts{NewHost(a), NewHost(b)}
	}
	t.Run("stream", func(t *testing.T) {
		nettest.TestConn(t, asConns(connected(listening(mk, socket.Stream, nil))))
	})
	t.Run("messages", func(t *testing.T) {
		sockettest.TestMessages(t, connected(listening(mk, socket.SeqPacket, nil)))
	})
	t.Run("broadcast", func(t *testing.T) {
		h := mk()
		defer h.close()
		reach(t, h) // so that udp knows who is where, and a hub that both are there
		for _, host := range []*Host{h.a, h.b} {
			if who, err := host.Who(t.Context(), 100*time.Millisecond); err != nil || len(who) != 2 {
				t.Errorf("%v sees %v, %v", host, who, err)
			}
		}
	})
}

// reach waits until one host can reach the other.
func reach(t *testing.T, h hosts) {
	t.Helper()
	for begun := time.Now(); time.Since(begun) < 30*time.Second; {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		_, err := h.a.Echo(ctx, Addr{Host: h.b.ID()}, []byte("there?"))
		cancel()
		if err == nil {
			return
		}
	}
	t.Fatal("one host cannot reach the other")
}

// openBoth opens a link twice, for hosts that nobody else is.
func openBoth(t testing.TB, text string) (a, b Link) {
	t.Helper()
	a = must[Link](t)(OpenLink(context.Background(), text, RandomHostID()))
	b = must[Link](t)(OpenLink(context.Background(), text, RandomHostID()))
	return a, b
}

func TestLocal(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "xns")
	across(t, func(t testing.TB) (Link, Link) { return openBoth(t, "local:"+dir) })
	if st, err := os.Stat(dir); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("the directory is %v, %v", st.Mode(), err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}

	t.Run("taken", func(t *testing.T) {
		l := must[Link](t)(OpenLink(t.Context(), "local:"+dir, idA))
		defer l.Close()
		if other, err := OpenLink(t.Context(), "local:"+dir, idA); !errors.Is(err, syscall.EADDRINUSE) {
			other.Close()
			t.Errorf("the same number again: %v", err)
		}
		if err := l.WriteFrame(idB, make([]byte, 30)); !errors.Is(err, syscall.EHOSTUNREACH) {
			t.Errorf("to nobody: %v", err)
		}
	})
	t.Run("left by a process that died", func(t *testing.T) {
		path := filepath.Join(dir, "020000000001")
		c := must[*net.UnixConn](t)(net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path + "x", Net: "unixgram"}))
		if err := os.Rename(path+"x", path); err != nil { // so that Close does not find it
			t.Fatal(err)
		}
		c.Close()
		l := must[Link](t)(OpenLink(t.Context(), "local:"+dir, idA))
		l.Close()
	})
	t.Run("not private", func(t *testing.T) {
		open := t.TempDir()
		os.Chmod(open, 0o755)
		if l, err := OpenLink(t.Context(), "local:"+open, idA); err == nil {
			l.Close()
			t.Error("a directory that others can enter was taken")
		}
	})
}

func TestUDP(t *testing.T) {
	across(t, func(t testing.TB) (Link, Link) {
		b := must[Link](t)(OpenLink(context.Background(), "udp-listen:127.0.0.1:0", idB))
		a := must[Link](t)(OpenLink(context.Background(), "udp:"+b.(*udp).LocalAddr().String(), idA))
		return a, b
	})
}

// A testHub is package hub's, served on a TCP port of loopback.
type testHub struct {
	hub.Hub
	at     string
	cancel context.CancelFunc
	done   chan error
	odd    atomic.Bool // a frame of an odd length passed
}

func newTestHub(t testing.TB, address string) *testHub {
	t.Helper()
	l := must[*zocalo.Listener](t)(zocalo.Listen(context.Background(), "tcp:"+address))
	ctx, cancel := context.WithCancel(context.Background())
	h := &testHub{at: l.Name().String(), cancel: cancel, done: make(chan error, 2)}
	srv := &server.Server{Handler: func(ctx context.Context, c *socket.Socket) { h.Serve(ctx, c) }}
	go func() { h.done <- srv.Serve(ctx, l) }()
	go func() { h.done <- h.Record(ctx, h) }()
	return h
}

// FrameAt looks at what passes.
func (h *testHub) FrameAt(_ time.Time, frame []byte) error {
	if len(frame)%2 != 0 {
		h.odd.Store(true)
	}
	return nil
}

func (h *testHub) close() {
	h.cancel()
	<-h.done
	<-h.done
}

func TestHub(t *testing.T) {
	nethub := newTestHub(t, "127.0.0.1:0")
	text := "hub:" + nethub.at
	across(t, func(t testing.TB) (Link, Link) { return openBoth(t, text) })
	if nethub.odd.Load() {
		t.Error("a frame had an odd length")
	}

	t.Run("reconnects", func(t *testing.T) {
		a, b := openBoth(t, text)
		h := hosts{NewHost(a), NewHost(b)}
		defer h.close()
		s := must[*socket.Socket](t)(h.a.Socket(socket.Datagram))
		defer s.Close()
		if err := s.Connect(t.Context(), Addr{Host: h.b.ID(), Socket: SocketEcho}.Name()); err != nil {
			t.Fatal(err)
		}
		nethub.close()
		var err error
		for err == nil { // until the client has noticed
			_, err = s.Write([]byte("x"))
		}
		if !errors.Is(err, syscall.ENETUNREACH) {
			t.Errorf("without a hub: %v, want ENETUNREACH", err)
		}
		c := must[*socket.Socket](t)(h.a.Socket(socket.Stream))
		defer c.Close()
		if err := c.Connect(t.Context(), Addr{Host: h.b.ID(), Socket: 5346}.Name()); !errors.Is(err, syscall.ENETUNREACH) {
			t.Errorf("Connect without a hub: %v, want ENETUNREACH", err)
		}
		nethub = newTestHub(t, nethub.at)
		reach(t, h) // both come back, each in its time
	})
	nethub.close()
	if l, err := OpenLink(t.Context(), text, idA); !errors.Is(err, syscall.ECONNREFUSED) {
		l.Close()
		t.Errorf("no hub: %v", err)
	}
}

// childVariable makes the test's program an echo server at that address, for
// tests of two processes.
const childVariable = "XNS_TEST_ECHO"

// echoOnce is that server, for one client.
func echoOnce(text string) error {
	l, err := zocalo.Listen(context.Background(), text)
	if err != nil {
		return err
	}
	fmt.Printf("at %v\n", l.Name())
	s, err := l.Accept(context.Background())
	if err == nil {
		_, err = io.Copy(s, s)
		err = errors.Join(err, s.Close())
	}
	return errors.Join(err, l.Close())
}

// talkTo starts an echo server in another process, perhaps through prefix, and
// talks to it.
func talkTo(t *testing.T, listen, options string, prefix ...string) {
	t.Helper()
	args := append(prefix, os.Args[0])
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Env = append(os.Environ(), childVariable+"="+listen)
	cmd.Stderr = os.Stderr
	out := must[io.ReadCloser](t)(cmd.StdoutPipe())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var name string
	fmt.Fscanf(out, "at %s\n", &name)
	rest := make(chan string, 1)
	go func() { b, _ := io.ReadAll(out); rest <- string(b) }()

	s := must[*socket.Socket](t)(zocalo.Dial(t.Context(), "spp-stream:"+name+options))
	content := make([]byte, 100_000)
	go s.Write(content)
	if _, err := io.ReadFull(s, content); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	said := <-rest
	if err := cmd.Wait(); err != nil {
		t.Errorf("the other process: %v\n%s", err, said)
	}
}

func TestTwoProcesses(t *testing.T) {
	t.Run("local", func(t *testing.T) {
		t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
		talkTo(t, "spp-stream-listen:##5346", "")
	})
	t.Run("hub", func(t *testing.T) {
		nethub := newTestHub(t, "127.0.0.1:0")
		defer nethub.close()
		t.Setenv(LinkVariable, "hub:"+nethub.at)
		talkTo(t, "spp-stream-listen:##5346", "")
	})
	t.Run("udp", func(t *testing.T) {
		c := must[net.PacketConn](t)(net.ListenPacket("udp", "127.0.0.1:0"))
		at := c.LocalAddr().String()
		c.Close()
		talkTo(t, "spp-stream-listen:##5346,link=udp-listen:"+at, ",link=udp:"+at)
	})
}

// TestEthernet runs the test of two processes with each at one end of a veth
// pair, in namespaces that are gone with it.
func TestEthernet(t *testing.T) {
	if os.Getenv("XNS_TEST_IN_NAMESPACE") != "" {
		talkTo(t, "spp-stream-listen:##5346,link=eth:vb", ",link=eth:va", "ip", "netns", "exec", "xns-test-b")
		return
	}
	testenv.Root(t)
	testenv.Program(t, "ip")
	unshare := testenv.Program(t, "unshare")
	script := `set -e
mount -t tmpfs tmpfs /run
ip netns add xns-test-b
ip link add name va type veth peer name vb netns xns-test-b
ip link set va up
ip -n xns-test-b link set vb up
exec "$@"`
	cmd := exec.CommandContext(t.Context(), unshare, "-n", "-m", "sh", "-c", script, "sh", os.Args[0], "-test.run=^TestEthernet$", "-test.v")
	cmd.Env = append(os.Environ(), "XNS_TEST_IN_NAMESPACE=1")
	out, err := cmd.CombinedOutput()
	if err != nil && strings.Contains(string(out), "Operation not permitted") {
		t.Skipf("no namespace of one's own here: %s", out)
	}
	if err != nil || !strings.Contains(string(out), "--- PASS: TestEthernet") {
		t.Errorf("%v\n%s", err, out)
	}
}
