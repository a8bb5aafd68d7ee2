package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"zocalo"
	"zocalo/internal/pcapng"
	"zocalo/internal/testenv"
	"zocalo/record/capture"
)

// A sniffer is tcpdump on the loopback interface.
type sniffer struct {
	path string
	cmd  *exec.Cmd
}

// sniff begins to record what passes a port.
func sniff(t *testing.T, port int, flags ...string) *sniffer {
	t.Helper()
	s := &sniffer{path: filepath.Join(t.TempDir(), "taken.pcap")}
	args := append([]string{"-i", "lo", "--immediate-mode", "-B", "65536", "-U", "-Z", "root", "-w", s.path}, flags...)
	s.cmd = exec.Command(testenv.Program(t, "tcpdump"), append(args, "port", strconv.Itoa(port))...)
	said, err := s.cmd.StderrPipe()
	must(t, err)
	must(t, s.cmd.Start())
	b := make([]byte, 4096)
	var all []byte
	for !bytes.Contains(all, []byte("listening on")) {
		n, err := said.Read(b)
		all = append(all, b[:n]...)
		if err != nil {
			s.cmd.Wait()
			t.Skipf("this user may not capture packets: %s", all)
		}
	}
	go io.Copy(io.Discard, said)
	t.Cleanup(func() { s.cmd.Process.Kill(); s.cmd.Wait() })
	return s
}

// stop ends the recording once so many conversations are in it, and over.
func (s *sniffer) stop(t *testing.T, conversations int) string {
	t.Helper()
	eventually(t, "the recording is complete", func() bool {
		f, err := os.Open(s.path)
		if err != nil {
			return false
		}
		defer f.Close()
		c, err := capture.Read(t.Context(), f, capture.Options{NoEvents: true})
		if err != nil {
			return false
		}
		over := 0
		for _, each := range c.Conversations {
			if each.Kind == "udp" && each.Messages[capture.Server] > 0 || each.Aborted || each.Closed[capture.Client] && each.Closed[capture.Server] {
				over++
			}
		}
		return over >= conversations
	})
	s.cmd.Process.Signal(syscall.SIGINT)
	s.cmd.Wait()
	return s.path
}

// freePort is a port that nobody has at the moment.
func unusedPort(t *testing.T, network string) int {
	t.Helper()
	if network == "udp" {
		c, err := net.ListenPacket("udp", "127.0.0.1:0")
		must(t, err)
		defer c.Close()
		return c.LocalAddr().(*net.UDPAddr).Port
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// daemon runs a program until the test ends; what it returns is closed once it has ended.
func daemon(t *testing.T, name string, args ...string) (over chan struct{}) {
	t.Helper()
	cmd := exec.Command(testenv.Program(t, name), args...)
	cmd.Dir = t.TempDir()
	must(t, cmd.Start())
	over = make(chan struct{})
	go func() { cmd.Wait(); close(over) }()
	t.Cleanup(func() { cmd.Process.Kill(); <-over })
	return over
}

// plays runs replay, and returns what it printed.
func plays(t *testing.T, status int, args ...string) (out, said string) {
	t.Helper()
	c := start(t, append([]string{"replay"}, args...)...)
	c.in.Close()
	printed := make(chan []byte)
	go func() {
		b, _ := io.ReadAll(c.out)
		printed <- b
	}()
	errs, err := io.ReadAll(c.err)
	must(t, err)
	b := <-printed
	c.Wait()
	if got := c.ProcessState.ExitCode(); got != status {
		t.Errorf("replay %v: exit status %d, want %d:\n%s\n%s", args, got, status, b, errs)
	}
	for line := range strings.Lines(string(b)) {
		if len([]rune(line)) > 81 && args[0] != "--list" && !strings.HasPrefix(line, "{") && !strings.HasPrefix(line, "[") {
			t.Errorf("a line of more than 80 columns: %s", line)
		}
	}
	return string(b), string(errs)
}

// has sees that a text has all of these.
func has(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%q is not in:\n%s", p, text)
		}
	}
}

// Commands to redis are played to the same server with no difference, and to one that
// has another value with the difference.
func TestReplayRedis(t *testing.T) {
	port := unusedPort(t, "tcp")
	cli := testenv.Program(t, "redis-cli")
	daemon(t, "redis-server", "--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
	redis := func(args ...string) string {
		out, _ := exec.Command(cli, append([]string{"-p", strconv.Itoa(port)}, args...)...).CombinedOutput()
		return strings.TrimSpace(string(out))
	}
	eventually(t, "redis answers", func() bool { return redis("ping") == "PONG" })
	s := sniff(t, port)
	for _, words := range []string{"set a 1", "incr a", "lpush l x y z", "lrange l 0 -1"} {
		redis(strings.Fields(words)...)
	}
	file := s.stop(t, 4)
	to := fmt.Sprintf("tcp:127.0.0.1:%d", port)

	redis("flushall")
	out, _ := plays(t, 0, file, to, "--causal")
	has(t, out, "4 conversations in ", ": all as recorded\n")
	redis("flushall")
	list, _ := plays(t, 0, "--list", "--json", file)
	var all []recorded
	must(t, json.Unmarshal([]byte(list), &all))
	_, first, _ := net.SplitHostPort(all[0].Client) // alone: by the clock others may overtake it
	out, _ = plays(t, 0, file, to, "tcp", "lport="+first, fmt.Sprintf("rport=%d", port))
	has(t, out, "1 conversation in ", "all as recorded\n", "late by the clock: median ")
	redis("incr", "a")
	redis("lpush", "l", "x", "y", "z")

	out, said := plays(t, 1, file, to, "--causal") // l has three more now
	has(t, out, "conversation 3 (tcp, 127.0.0.1:", "answer 1 of the server, byte 1: what came differs", "recorded ", "came\n",
		"000000 3a 33 0d 0a             :3..    ! 000000 3a 36 0d 0a             :6..", "2 as recorded, 2 not as recorded")
	has(t, said, "2 of 4 conversations are not as recorded")

	out, _ = plays(t, 1, file, to, "--causal", "--json")
	var report replayed
	must(t, json.Unmarshal([]byte(out), &report))
	if report.Alike != 2 || report.Differing != 2 || report.Difference == nil || report.Difference.Conversation != 3 || report.Difference.CameOffset != 1 {
		t.Errorf("%+v", report)
	}
	out, _ = plays(t, 0, file, to, "--no-compare", "--speed", "max", "--repeat", "20")
	has(t, out, "80 conversations in ", "all played")
}

// What curl asked of a web server, tcpdump recorded: it is played to that server, to another,
// and to one behind TLS.
func TestReplayHTTP(t *testing.T) {
	curl := testenv.Program(t, "curl")
	handler := func(body string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Request-Id", strconv.FormatInt(time.Now().UnixNano(), 36))
			fmt.Fprintf(w, "%s %s\n", body, r.URL.Path)
		})
	}
	old, changed := httptest.NewServer(handler("hello")), httptest.NewServer(handler("goodbye"))
	secure := httptest.NewUnstartedServer(handler("hello"))
	secure.TLS = &tls.Config{NextProtos: []string{"http/1.1"}}
	secure.StartTLS()
	defer old.Close()
	defer changed.Close()
	defer secure.Close()
	port := old.Listener.Addr().(*net.TCPAddr).Port
	s := sniff(t, port)
	if out, err := exec.Command(curl, "-sS", "-o", "/dev/null", old.URL+"/one", "-o", "/dev/null", old.URL+"/two").CombinedOutput(); err != nil {
		t.Fatalf("curl: %v: %s", err, out)
	}
	file := s.stop(t, 1)

	ignore := []string{"--ignore", `(?m)^Date: .*$`, "--ignore", `X-Request-Id: \w+`, "--ignore", `127\.0\.0\.1:\d+`}
	out, _ := plays(t, 0, append(ignore, file, "tcp:"+old.Listener.Addr().String(), "--causal")...)
	has(t, out, "1 conversation in ", "all as recorded", "compared")
	plays(t, 0, append(ignore, file, "tls:"+secure.Listener.Addr().String()+",verify=no", "--causal")...)
	plays(t, 1, file, "tcp:"+old.Listener.Addr().String(), "--causal") // for the number of the request
	out, _ = plays(t, 1, append(ignore, file, "tcp:"+changed.Listener.Addr().String(), "--causal")...)
	has(t, out, "answer 1 of the server, byte ", "what came differs")

	// As the server, for the same client.
	c := start(t, "replay", "--json", file, "tcp-listen:127.0.0.1:0", "--ignore", `Host: .*`)
	line, err := c.out.ReadString('\n')
	must(t, err)
	var l listening
	must(t, json.Unmarshal([]byte(line), &l))
	url := "http://" + strings.TrimPrefix(l.Address, "tcp:")
	page, err := exec.Command(curl, "-sS", url+"/one", url+"/two").CombinedOutput()
	if string(page) != "hello /one\nhello /two\n" {
		t.Errorf("curl has %q: %v", page, err)
	}
	rest, _ := io.ReadAll(c.out)
	c.exits(t, 0)
	has(t, string(rest), `"alike":1`)
}

// Questions to dnsmasq, of which each is a conversation.
func TestReplayDNS(t *testing.T) {
	ask := func(port int, name string) error {
		r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "udp", fmt.Sprintf("127.0.0.1:%d", port))
		}}
		_, err := r.LookupNetIP(t.Context(), "ip4", name)
		return err
	}
	server := func(address string) (port int) {
		eventually(t, "dnsmasq answers", func() bool { // it ends where somebody has taken its port for TCP
			port = unusedPort(t, "udp")
			over := daemon(t, "dnsmasq", "--keep-in-foreground", "--no-resolv", "--no-hosts", "--conf-file=/dev/null", "--user=root", "--pid-file=", "--log-facility=-",
				"--listen-address=127.0.0.1", "--bind-interfaces", "--port="+strconv.Itoa(port), "--address=/one.test/"+address, "--address=/two.test/127.0.0.2")
			for {
				select {
				case <-over:
					return false
				case <-time.After(5 * time.Millisecond):
					if ask(port, "two.test.") == nil {
						return true
					}
				}
			}
		})
		return port
	}
	same, other := server("127.0.0.1"), server("127.0.0.9")
	s := sniff(t, same)
	for _, name := range []string{"two.test.", "one.test.", "two.test."} {
		must(t, ask(same, name))
	}
	file := s.stop(t, 3)
	out, _ := plays(t, 0, file, fmt.Sprintf("udp:127.0.0.1:%d", same), "--speed", "10")
	has(t, out, "3 conversations in ", "all as recorded")
	out, _ = plays(t, 1, file, fmt.Sprintf("udp:127.0.0.1:%d", other), "udp", "--causal")
	has(t, out, "conversation 2 (udp", "message 1 of the server, byte ", "2 as recorded, 1 not as recorded")
	_, said := plays(t, 1, file, fmt.Sprintf("tcp:127.0.0.1:%d", other))
	has(t, said, "is of messages (udp), and tcp carries bytes: add frame=FORMAT to the address")

	table, _ := plays(t, 0, "--list", file, fmt.Sprintf("port=%d", same))
	has(t, table, "#  KIND  CLIENT", "udp   127.0.0.1:")
	list, _ := plays(t, 0, "--list", "--json", file, "udp")
	var all []recorded
	must(t, json.Unmarshal([]byte(list), &all))
	if len(all) != 3 || all[0].Kind != "udp" || all[0].MessagesReceived != 1 {
		t.Errorf("%+v", all)
	}
	if none, said := plays(t, 0, "--list", file, "port=1"); strings.Count(none, "\n") != 1 || !strings.Contains(said, "no conversation matches") {
		t.Errorf("%s%s", none, said)
	}
}

// A PLC answers S7 requests: to agree on a size, and to read a word of data block 1.
func servePLC(t *testing.T, value uint16) *zocalo.Listener {
	t.Helper()
	l, err := zocalo.Listen(t.Context(), "iso-listen:127.0.0.1:0")
	must(t, err)
	var over sync.WaitGroup
	over.Go(func() {
		for {
			s, err := l.Accept(context.Background())
			if err != nil {
				return
			}
			over.Go(func() {
				defer s.Close()
				b := make([]byte, 4096)
				for {
					n, err := s.Read(b)
					if err != nil || n < 12 {
						return
					}
					params, data := []byte{0xf0, 0, 0, 1, 0, 1, 0, 240}, []byte(nil)
					if b[10] == 4 {
						params, data = b[10:12], binary.BigEndian.AppendUint16([]byte{0xff, 4, 0, 16}, value)
					}
					a := append([]byte{0x32, 3, 0, 0, b[4], b[5], 0, byte(len(params)), 0, byte(len(data)), 0, 0}, params...)
					if _, err := s.Write(append(a, data...)); err != nil {
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() { l.Close(); over.Wait() })
	return l
}

// askPLC asks as an S7 client does.
func askPLC(t *testing.T, address string) {
	t.Helper()
	s, err := zocalo.Dial(t.Context(), address)
	must(t, err)
	defer s.Close()
	b := make([]byte, 4096)
	for _, request := range []string{
		"\x32\x01\x00\x00\x00\x01\x00\x08\x00\x00\xf0\x00\x00\x01\x00\x01\x01\xe0",
		"\x32\x01\x00\x00\x00\x02\x00\x0e\x00\x00\x04\x01\x12\x0a\x10\x02\x00\x02\x00\x01\x84\x00\x00\x00",
	} {
		_, err := s.Write([]byte(request))
		must(t, err)
		_, err = s.Read(b)
		must(t, err)
	}
}

// An S7 exchange, as tcpdump saw it: a stream over TCP.
func TestReplayS7(t *testing.T) {
	l, changed := servePLC(t, 12345), servePLC(t, 12346)
	tcp := func(l *zocalo.Listener) string {
		own, _ := l.Sockets()[0].Internet()
		return "tcp:" + own.String()
	}
	own, _ := l.Sockets()[0].Internet()
	s := sniff(t, int(own.Port()))
	askPLC(t, l.Address())
	file := s.stop(t, 1)
	reference := `(?s)\x09\xd0....` // of the server's, in its confirmation of the connection
	out, _ := plays(t, 0, file, tcp(l), "--causal", "--ignore", reference)
	has(t, out, "all as recorded")
	out, _ = plays(t, 1, file, tcp(changed), "--causal", "--ignore", reference)
	has(t, out, "answer 3 of the server, byte ", "what came differs")
}

// Ctrl-C ends with what is known.
func TestReplayInterrupted(t *testing.T) {
	l, address := serverTCP(t)
	defer l.Close()
	file := filepath.Join(t.TempDir(), "one.pcap")
	writeTape(t, file)
	c := start(t, "replay", file, address, "--repeat", "forever", "--causal", "--wait", "1h")
	must(t, l.SetDeadline(time.Now().Add(scriptPatience)))
	s, err := l.Accept() // which answers nothing
	must(t, err)
	defer s.Close()
	must(t, c.Process.Signal(os.Interrupt))
	out, _ := io.ReadAll(c.out)
	c.exits(t, statusInterrupted)
	has(t, string(out), "0 conversations in ", ": 1 not played\n")
}

// writeTape writes a recording of one question and its answer.
func writeTape(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	must(t, err)
	defer f.Close()
	w, err := pcapng.NewWriter(f, pcapng.Section{})
	must(t, err)
	_, err = w.Interface(pcapng.Interface{LinkType: pcapng.LinkRaw})
	must(t, err)
	segment := func(from, to byte, seq, ack uint32, flags byte, data string) {
		b := make([]byte, 40, 40+len(data))
		b[0], b[9], b[15], b[19] = 0x45, 6, from, to
		binary.BigEndian.PutUint16(b[2:], uint16(40+len(data)))
		binary.BigEndian.PutUint16(b[20:], 1000*uint16(from))
		binary.BigEndian.PutUint16(b[22:], 1000*uint16(to))
		binary.BigEndian.PutUint32(b[24:], seq)
		binary.BigEndian.PutUint32(b[28:], ack)
		b[32], b[33] = 5<<4, flags
		must(t, w.Packet(&pcapng.Packet{Time: time.Now(), Data: append(b, data...)}))
	}
	segment(1, 2, 99, 0, 2, "")
	segment(2, 1, 199, 100, 0x12, "")
	segment(1, 2, 100, 200, 0x18, "question")
	segment(2, 1, 200, 108, 0x18, "answer")
}

// What docs/replay.md shows is understood.
func TestReplayDocs(t *testing.T) {
	text := readPage(t, "docs/replay.md")
	verb := (&app{}).replayVerb()
	commands := 0
	for _, line := range append(strings.Split(text, "\n"), strings.Split(verb.Example, "\n")...) {
		line = strings.TrimPrefix(strings.TrimSpace(line), "$ ")
		words, is := strings.CutPrefix(line, "zocalo replay ")
		if !is {
			continue
		}
		commands++
		a := &app{}
		root := a.root()
		cmd, args, err := root.Find(append([]string{"replay"}, shellWords(words)...))
		must(t, err)
		if err := cmd.ParseFlags(args); err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		args = cmd.Flags().Args()
		if listing, _ := cmd.Flags().GetBool("list"); !listing {
			if _, err := parseAddress(args[1]); err != nil {
				t.Errorf("%s: %v", line, err)
			}
			args = args[1:]
		}
		if _, err := parseReplayWords(args[1:]); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
	if commands < 15 {
		t.Errorf("%d commands were found", commands)
	}
	verb.Flags().VisitAll(func(f *pflag.Flag) {
		if !strings.Contains(text, "--"+f.Name) {
			t.Errorf("docs/replay.md does not name --%s", f.Name)
		}
	})
}

// shellWords are the words of a line, of which some are in single quotes.
func shellWords(line string) (words []string) {
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			words = append(words, part)
		} else {
			words = append(words, strings.Fields(part)...)
		}
	}
	return words
}

// relayed runs a relay that records, lets talk speak to it, and returns the recording.
func relayed(t *testing.T, from, to string, talk func(address string)) string {
	t.Helper()
	connected := !strings.Contains(from, "dgram")
	file := filepath.Join(t.TempDir(), "relayed.pcapng")
	c := start(t, "relay", "--json", "--drain", "0", "--record", file, from, to)
	line, err := c.out.ReadString('\n')
	must(t, err)
	var l listening
	must(t, json.Unmarshal([]byte(line), &l))
	talk(l.Address)
	for line := ""; connected && !strings.Contains(line, `"event":"ended"`); { // else it is cut short
		line, err = c.out.ReadString('\n')
		must(t, err)
	}
	go io.Copy(io.Discard, c.out)
	must(t, c.Process.Signal(syscall.SIGTERM))
	c.exits(t, 0)
	return file
}

// An HTTPS request that a relay has seen without its TLS is played to a server behind TLS.
func TestReplayHTTPS(t *testing.T) {
	curl := testenv.Program(t, "curl")
	body := "hello"
	var mu sync.Mutex
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintln(w, body, r.URL.Path)
	}))
	server.TLS = &tls.Config{NextProtos: []string{"http/1.1"}}
	server.StartTLS()
	defer server.Close()
	to := "tls:" + server.Listener.Addr().String() + ",verify=no"
	file := relayed(t, "tls-listen:127.0.0.1:0", to, func(address string) {
		at, _, _ := strings.Cut(address[strings.Index(address, "127.0.0.1"):], ",")
		if out, err := exec.Command(curl, "-sSk", "https://"+at+"/one").CombinedOutput(); string(out) != "hello /one\n" {
			t.Errorf("curl: %v: %s", err, out)
		}
	})
	list, _ := plays(t, 0, "--list", file)
	has(t, list, "1  tls+tcp  127.0.0.1:")
	out, _ := plays(t, 0, file, to, "tcp", "--causal", "--ignore", `(?m)^Date: .*$`)
	has(t, out, "all as recorded")
	mu.Lock()
	body = "goodbye"
	mu.Unlock()
	out, _ = plays(t, 1, file, to, "--causal", "--ignore", `(?m)^Date: .*$`)
	has(t, out, "what came differs")
}

// What logger(1) said to a relay of unix datagrams is said again.
func TestReplayLogger(t *testing.T) {
	logger := testenv.Program(t, "logger")
	folder := t.TempDir()
	log := start(t, "listen", "--keep", "unix-dgram:"+filepath.Join(folder, "log"))
	said, err := log.err.ReadString('\n')
	must(t, err)
	has(t, said, "listening on")
	go io.Copy(io.Discard, log.err)
	hears := func(text string) {
		t.Helper()
		line, err := log.out.ReadString('\n')
		must(t, err)
		has(t, line, text)
	}
	file := relayed(t, "unix-dgram-listen:"+filepath.Join(folder, "relay"), "unix-dgram:"+filepath.Join(folder, "log"), func(address string) {
		for _, text := range []string{"one", "two"} {
			if out, err := exec.Command(logger, "--socket", strings.TrimPrefix(address, "unix-dgram:"), "--tag", "test", text+" of them").CombinedOutput(); err != nil {
				t.Fatalf("logger: %v: %s", err, out)
			}
			hears("test: " + text + " of them")
		}
	})
	list, _ := plays(t, 0, "--list", file, "unix-dgram", "peer=*/log")
	has(t, list, "unix-dgram")
	out, _ := plays(t, 0, file, "unix-dgram:"+filepath.Join(folder, "log"))
	has(t, out, "all as recorded")
	hears("test: one of them")
	hears("test: two of them")
	log.in.Close()
	log.Process.Kill()
	log.Wait()
}
