package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"zocalo"
	"zocalo/internal/testenv"
	"zocalo/socket"
)

// in runs f on a thread of its own in the network namespace of a process, which must return before f's thread
// may be used for anything else.
func in(pid int, f func() error) error {
	failed := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", pid))
		if err == nil {
			defer ns.Close()
			err = unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET)
		}
		if err == nil {
			err = f()
		}
		failed <- err
	}()
	return <-failed
}

// A stream to a group is heard by all who have joined it, and each tells what it lost: one of them every tenth.
func TestGroup(t *testing.T) {
	nft := testenv.Program(t, "nft")
	const count = 200 // which a receive buffer holds, should a receiver be late
	testenv.InNamespace(t, nil, func() {
		ip := func(args string) error {
			out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput()
			if err != nil {
				err = fmt.Errorf("ip %s: %w: %s", args, err, out)
			}
			return err
		}
		if err := errors.Join(ip("link add br0 type bridge mcast_snooping 0"), ip("addr add 10.7.0.1/24 dev br0"), ip("link set br0 up")); err != nil {
			t.Skip(err)
		}
		for i, loses := range []bool{false, true} {
			c := exec.Command("unshare", "-n", "sh", "-c", "echo there; read end")
			stdin, err := c.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			out, err := c.StdoutPipe()
			if err == nil {
				err = c.Start()
			}
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { stdin.Close(); c.Wait() })
			if _, err := out.Read(make([]byte, 100)); err != nil {
				t.Fatal(err)
			}
			pid := c.Process.Pid
			err = errors.Join(ip(fmt.Sprintf("link add v%d type veth peer name eth0 netns %d", i, pid)), ip(fmt.Sprintf("link set v%d master br0 up", i)))
			if err != nil {
				t.Skip(err)
			}
			var s *socket.Socket
			err = in(pid, func() error {
				if err := errors.Join(ip("link set lo up"), ip(fmt.Sprintf("addr add 10.7.0.%d/24 dev eth0", i+2)), ip("link set eth0 up")); err != nil {
					return err
				}
				if loses {
					c := exec.Command(nft, "-f", "-")
					c.Stdin = strings.NewReader("table ip t {\n chain c {\n type filter hook input priority 0;\nip daddr 239.1.2.3 udp length > 200 numgen inc mod 10 == 0 drop\n }\n}\n")
					if out, err := c.CombinedOutput(); err != nil {
						return fmt.Errorf("nft: %w: %s", err, out)
					}
				}
				l, err := zocalo.Listen(context.Background(), "udp4:any:7000,multicast=239.1.2.3%eth0")
				if err == nil {
					s = l.Sockets()[0]
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(t.Context())
			served := make(chan error, 1)
			go func() { served <- new(Server).Datagrams(ctx, s, Peers{}) }()
			t.Cleanup(func() {
				stop()
				if err := <-served; err != nil {
					t.Error(err)
				}
				s.Close()
			})
		}
		// The neighbours' addresses are found first, for which frames may be lost.
		var client *socket.Socket
		dial := func(ctx context.Context) (s *socket.Socket, err error) {
			s, err = zocalo.Dial(ctx, "udp4:239.1.2.3:7000,multicast-if=br0")
			client = s
			return s, err
		}
		o := Options{Mode: Stream, Count: count, Size: 300, Rate: 1000, Patience: 10 * time.Second}
		r, err := Run(t.Context(), dial, o)
		if err != nil {
			t.Error(err)
			return
		}
		if client.Close() == nil {
			t.Error("the socket is still open")
		}
		if len(r.Receivers) != 2 || r.Far != nil || r.Near.Sent.Messages != count {
			t.Errorf("%+v", r)
			return
		}
		for i, lost := range []int64{0, count / 10} {
			m := r.Receivers[i]
			if m.Name != fmt.Sprintf("10.7.0.%d:7000", i+2) || m.Side == nil || m.Side.Arrivals.Lost != lost || m.Side.Arrivals.Expected != count || m.Side.Received.Messages != count-lost {
				t.Errorf("receiver %d: %+v", i, m)
				continue
			}
			if a := m.Side.Arrivals; lost > 0 && (a.Bursts.Count() != lost || a.Bursts.Max() != 1) || a.Repeated+a.Reordered > 0 {
				t.Errorf("receiver %d: %+v", i, a)
			}
		}
		var text strings.Builder
		if err := r.WriteText(&text, false); err != nil || !strings.Contains(text.String(), "10.7.0.3:7000       180  200    20  10%") {
			t.Errorf("%v:\n%s", err, text.String())
		}
		for _, o := range []Options{{Mode: RoundTrip, Count: 1}, {Mode: Stream, Direction: Reverse, Count: 1}, {Mode: Stream, Flows: 2, Count: 2}, {Mode: Connect, Count: 1}, {Mode: Loaded, Count: 1}} {
			o.Patience = time.Second
			if _, err := Run(t.Context(), dial, o); err == nil {
				t.Errorf("%+v is measured", o)
			}
		}
		none := func(ctx context.Context) (*socket.Socket, error) {
			return zocalo.Dial(ctx, "udp4:239.1.2.4:7000,multicast-if=br0")
		}
		if _, err := Run(t.Context(), none, Options{Mode: Stream, Count: 1, Patience: 300 * time.Millisecond}); err == nil || !strings.Contains(err.Error(), "nothing in the group answered") {
			t.Errorf("without receivers: %v", err)
		}
	})
}
