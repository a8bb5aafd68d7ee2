package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"zocalo/internal/control"
	"zocalo/sockstat"
)

// runtimeDirectory gives the test, and the programs that it starts, a run-time directory of
// their own, whose path is short enough for a socket.
func runtimeDirectory(t *testing.T) (sockets string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "z")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	t.Setenv("XDG_RUNTIME_DIR", dir)
	return filepath.Join(dir, "zocalo")
}

// A listedProgram is what the test looks at of a line of list --jsonl.
type listedProgram struct {
	Kind, Type, State, Local, Peer string
	Recvq, Sendq                   *int64
	Age                            *int64
	Sent                           *int64 `json:"bytes_sent"`
	Received                       *int64 `json:"bytes_received"`
	Process                        []struct {
		Name string
		PID  int
		FD   *int
	}
}

func listPrograms(t *testing.T, args ...string) (all []listedProgram) {
	t.Helper()
	out := output(t, "zocalo", append([]string{"list", "--jsonl"}, args...)...)
	for line := range strings.Lines(out) {
		var p listedProgram
		must(t, json.Unmarshal([]byte(line), &p))
		all = append(all, p)
	}
	return all
}

// serverIn starts a verb that listens, and returns its address.
func serverIn(t *testing.T, args ...string) (c *command, address string) {
	t.Helper()
	c = start(t, append([]string{args[0], "--json"}, args[1:]...)...)
	line, err := c.out.ReadString('\n')
	must(t, err)
	var l listening
	must(t, json.Unmarshal([]byte(line), &l))
	return c, l.Address
}

// The pairs of every verb that has some are listed, with their names and what has passed; none is once they end.
func TestListPairs(t *testing.T) {
	sockets := runtimeDirectory(t)
	_, datagrams := serverIn(t, "echo", "udp:127.0.0.1:0")
	path := filepath.Join(t.TempDir(), "s")
	for _, verb := range []struct {
		name   string
		server []string
		counts bool // the pair's bytes are known
	}{
		{"echo fast", []string{"echo", "tcp:127.0.0.1:0"}, true},
		{"echo general", []string{"echo", "--path", "general", "tcp:127.0.0.1:0"}, true},
		{"echo unix", []string{"echo", "unix:" + path + "1"}, true},
		{"serve", []string{"serve", "tcp:127.0.0.1:0", "--", "cat"}, true},
		{"serve unix", []string{"serve", "unix:" + path + "2", "--", "cat"}, false},
		{"listen", []string{"listen", "tcp:127.0.0.1:0"}, true},
		{"listen udp", []string{"listen", "--keep", "udp:127.0.0.1:0"}, true},
		{"relay fast", []string{"relay", "tcp-listen:127.0.0.1:0", "exec:cat"}, true},
		{"relay general", []string{"relay", "--path", "general", "tcp-listen:127.0.0.1:0", "exec:cat"}, true},
		{"relay datagrams", []string{"relay", "udp-listen:127.0.0.1:0", datagrams}, true},
	} {
		t.Run(verb.name, func(t *testing.T) {
			server, address := serverIn(t, verb.server...)
			client := start(t, "talk", address)
			_, err := io.WriteString(client.in, "hello\n")
			must(t, err)
			var all, of []listedProgram
			is := func(pid int) []listedProgram {
				return slices.DeleteFunc(slices.Clone(all), func(p listedProgram) bool { return p.Process[0].PID != pid })
			}
			eventually(t, "the pairs of both", func() bool {
				all = listPrograms(t, "pair")
				of = is(server.Process.Pid)
				return len(of) == 1 && len(is(client.Process.Pid)) == 1 && *is(client.Process.Pid)[0].Sent >= 5 &&
					(!verb.counts || *of[0].Sent+*of[0].Received > 0)
			})
			p, c := of[0], is(client.Process.Pid)[0]
			scheme, _, _ := strings.Cut(address, ":")
			if p.Kind != "pair" || p.State != "established" || p.Age == nil || p.Recvq != nil || p.Process[0].Name != "zocalo" || p.Process[0].FD != nil {
				t.Errorf("the server's: %+v", p)
			}
			if (p.Sent != nil) != verb.counts || (p.Received != nil) != verb.counts {
				t.Errorf("the server's bytes: %+v", p)
			}
			if c.Peer != address || !strings.HasPrefix(c.Local, scheme) {
				t.Errorf("the client's: %+v, of %s", c, address)
			}
			if verb.server[0] == "relay" {
				if p.Local != c.Local || p.Peer == "" || *p.Sent < 5 {
					t.Errorf("the relay's: %+v of %+v", p, c)
				}
			} else if p.Local != address || scheme != "unix" && p.Peer != c.Local {
				t.Errorf("the server's: %+v of %+v", p, c)
			}
			must(t, client.Process.Signal(syscall.SIGINT))
			client.exits(t, 130)
			must(t, server.Process.Signal(syscall.SIGTERM))
			server.Wait()
			if left := socketsOf(t, sockets, server, client); left != nil {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// Sockets in user space are listed as the kernel's are, with what waits in them.
func TestListUserSpace(t *testing.T) {
	runtimeDirectory(t)
	for _, kind := range []struct{ scheme, address, kind, typ string }{
		{"iso", "iso:127.0.0.1:0", "iso", "seqpacket"},
		{"spp", "spp:0#2-1#5000", "ns", "seqpacket"},
		{"idp", "idp:0#2-1#5001", "ns", "datagram"},
	} {
		t.Run(kind.scheme, func(t *testing.T) {
			t.Setenv("ZOCALO_XNS_LINK", "")
			server, address := serverIn(t, "echo", kind.address)
			eventually(t, "the listener", func() bool {
				for _, p := range listPrograms(t, kind.kind) {
					if p.Process[0].PID == server.Process.Pid && p.Kind == kind.kind && p.Type == kind.typ && kind.scheme+":"+p.Local == address && p.Peer == "" {
						return p.State == "unconnected" && kind.typ == "datagram" || p.State == "listen" && *p.Sendq > 0
					}
				}
				return false
			})
			client := start(t, "talk", address)
			_, err := io.WriteString(client.in, "hello\n")
			must(t, err)
			line, err := client.out.ReadString('\n')
			if err != nil || line != "hello\n" {
				t.Fatalf("the echo is %q, %v", line, err)
			}
			eventually(t, "the connection", func() bool {
				for _, p := range listPrograms(t, kind.kind, "state=established") {
					if host := address[:strings.LastIndexAny(address, "#:")]; p.Process[0].PID == client.Process.Pid &&
						strings.HasPrefix(kind.scheme+":"+p.Peer, host) && p.Recvq != nil && p.Sendq != nil { // an accepted spp socket has a number of its own
						return true
					}
				}
				return false
			})
			must(t, client.Process.Signal(syscall.SIGINT))
			client.exits(t, 130)
			must(t, server.Process.Signal(syscall.SIGTERM))
			server.exits(t, 0)
		})
	}
}

// A command that is killed leaves its socket behind, which the next one removes; one that is stopped twice does not.
func TestControlSocketGone(t *testing.T) {
	sockets := runtimeDirectory(t)
	killed, _ := serverIn(t, "relay", "tcp-listen:127.0.0.1:0", "tcp:127.0.0.1:9")
	eventually(t, "a socket", func() bool { return socketsOf(t, sockets, killed) != nil })
	must(t, killed.Process.Kill())
	killed.Wait()
	if socketsOf(t, sockets, killed) == nil {
		t.Error("there is none to be removed")
	}
	impatient, address := serverIn(t, "relay", "--drain", "1m", "tcp-listen:127.0.0.1:0", "exec:cat")
	eventually(t, "its own socket alone", func() bool {
		return socketsOf(t, sockets, impatient) != nil && socketsOf(t, sockets, killed) == nil
	})
	client := start(t, "talk", address) // which it waits for
	_, err := io.WriteString(client.in, "hello\n")
	must(t, err)
	if line, err := client.out.ReadString('\n'); err != nil || line != "hello\n" {
		t.Fatal(line, err)
	}
	must(t, impatient.Process.Signal(syscall.SIGINT))
	for line := ""; !strings.Contains(line, "a second signal ends them at once"); {
		line, err = impatient.err.ReadString('\n')
		must(t, err)
	}
	must(t, impatient.Process.Signal(syscall.SIGINT))
	impatient.Wait()
	if left := socketsOf(t, sockets, impatient); left != nil {
		t.Errorf("left behind: %v", left)
	}
	client.Wait()
}

// socketsOf are the control sockets of some commands.
func socketsOf(t *testing.T, folder string, of ...*command) (names []string) {
	entries, _ := os.ReadDir(folder) // which may not be there yet
	for _, e := range entries {
		for _, c := range of {
			if strings.HasPrefix(e.Name(), fmt.Sprint(c.Process.Pid, "-")) {
				names = append(names, e.Name())
			}
		}
	}
	return names
}

// A folder that cannot be made stops nothing.
func TestControlSocketRefused(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", "/dev/null")
	t.Setenv("TMPDIR", "/dev/null")
	cmd := exec.Command("zocalo", "talk", "-v", "exec:cat")
	cmd.Stdin = strings.NewReader("hello\n")
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil || string(out) != "hello\n" {
		t.Errorf("%q, %v: %s", out, err, said.String())
	}
	if !strings.Contains(said.String(), "no control socket") {
		t.Errorf("it says %s", said.String())
	}
}

// What a later version tells of is left out, and names are read as far as they have addresses.
func TestProgramSocket(t *testing.T) {
	for _, r := range []control.Row{{Kind: "hub", State: "listen"}, {Kind: "iso", State: "dreaming"}, {}} {
		if s, ok := programSocket(r, r.Began); ok {
			t.Errorf("%+v is %+v", r, s)
		}
	}
	for text, want := range map[string]string{
		"127.0.0.1:102": "127.0.0.1:102", "tcp:[::1]:80": "[::1]:80", "127.0.0.1:102/0100": "127.0.0.1:102", "tcp:127.0.0.1:5346": "127.0.0.1:5346",
		"unix:/run/x": "invalid AddrPort", "0#2-1#5000": "invalid AddrPort", "": "invalid AddrPort", "exec:cat": "invalid AddrPort", ":1": "invalid AddrPort",
	} {
		if n := programName(text); n.Addr.String() != want || n.Text != text {
			t.Errorf("%q: %v", text, n)
		}
	}
	s, _ := programSocket(control.Row{Kind: "iso", State: "listen", Received: -1, Sent: 1 << 40}, sockstat.Program{}.Now)
	if s.RecvQ != 0 || s.SendQ != 1<<32-1 {
		t.Errorf("the queues are %d and %d", s.RecvQ, s.SendQ)
	}
}

// The live view has the pairs too, with their rates, also once its filter was changed.
func TestListWatchPairs(t *testing.T) {
	runtimeDirectory(t)
	_, address := serverIn(t, "echo", "unix:"+filepath.Join(t.TempDir(), "s"))
	client := start(t, "talk", address)
	_, err := io.WriteString(client.in, "hello\n")
	must(t, err)
	expect(t, client.out, "hello\n")
	d := sitsAt(t, "zocalo", "list", "--watch=50ms", "iso")
	sees := func(what string) {
		t.Helper()
		eventually(t, what, func() bool { return strings.Contains(d.String(), what) })
	}
	sees("0 sockets")
	d.types(t, "/\x15pair peer=%"+filepath.Base(address)+"\r\r")
	sees("> pair   established")
	sees("6 bytes passed from local to peer") // as it is drawn first
	d.types(t, "q")
	sees("\x1b[?1049l") // the screen is as it was
}
