package accesslog

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"zocalo/internal/poll"
	"zocalo/internal/testenv"
	"zocalo/relay"
)

func TestMain(m *testing.M) { testenv.Main(m, poll.ClosePipes) }

const patience = 30 * time.Second

func try(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// await waits until something holds.
func await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	testenv.Await(t, what, holds)
}

// A journal is a log that tests look at.
type journal = testenv.Journal

func open(t testing.TB, to string, o Options) *Log {
	t.Helper()
	l, err := Open(to, o)
	try(t, err)
	t.Cleanup(func() { l.Close() })
	return l
}

// pair is one of a number.
func pair(n int64) relay.Pair {
	p := relay.Pair{Number: n, Peer: "10.0.0.9:40112", Target: "tcp:10.0.0.1:5432", Began: time.Date(2026, 12, 1, 11, 59, 59, 100_000_000, time.UTC)}
	p.Result.Duration = 1023 * time.Millisecond
	p.Result.From[relay.A].Bytes = 120
	p.Result.From[relay.B].EndOfFile = true
	return p
}

// A record is a line as others read it.
type record struct {
	Time     time.Time
	Service  string
	Pair     int64
	Peer     string
	Target   string
	Began    time.Time
	Seconds  float64
	How      string
	Sent     flow
	Received flow
	Dropped  int64
	Error    string
	Lost     int64
}

type flow struct {
	Bytes, Messages, Urgent, Refused int64
	EndOfFile                        bool `json:"end_of_file"`
}

// records reads lines, strictly.
func records(t testing.TB, text []byte) (all []record) {
	t.Helper()
	for line := range bytes.Lines(text) {
		if !bytes.HasSuffix(line, newline) {
			t.Fatalf("a line has no end: %q", line)
		}
		d := json.NewDecoder(bytes.NewReader(line))
		d.DisallowUnknownFields()
		var r record
		if err := d.Decode(&r); err != nil {
			t.Fatalf("the line %q: %v", line, err)
		}
		all = append(all, r)
	}
	return all
}

// numbers checks that lines are of the pairs from 1 on, each once, but for those lost, and returns how many
// were there and lost.
func numbers(t testing.TB, all []record) (there, lost int64) {
	t.Helper()
	next := int64(1)
	for _, r := range all {
		if r.Lost > 0 {
			lost += r.Lost
			next += r.Lost
			continue
		}
		if r.Pair != next {
			t.Fatalf("pair %d stands where %d belongs", r.Pair, next)
		}
		next++
		there++
	}
	return there, lost
}

// A line says all that is known of a pair.
func TestLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l := open(t, path, Options{})
	p := pair(7)
	l.Ended("db", p)
	p.Result.How, p.Result.Side = relay.Failed, relay.B
	p.Result.From[relay.A].Messages, p.Result.From[relay.A].Refused, p.Result.From[relay.A].Dropped = 3, 1, 2
	p.Result.From[relay.B].Dropped, p.Result.From[relay.B].Urgent, p.Result.From[relay.B].UrgentInLine = 2, 1, 1
	p.Err = &relay.EndError{Side: relay.B, Err: errors.New("a \"bad\"\nthing")}
	l.Ended("db", p)
	try(t, l.Close())
	text, err := os.ReadFile(path)
	try(t, err)
	all := records(t, text)
	for i := range all {
		if time.Since(all[i].Time) > time.Hour {
			t.Errorf("it was written at %v", all[i].Time)
		}
		all[i].Time = time.Time{}
	}
	want := record{Service: "db", Pair: 7, Peer: "10.0.0.9:40112", Target: "tcp:10.0.0.1:5432", Began: p.Began, Seconds: 1.023, How: "finished",
		Sent: flow{Bytes: 120}, Received: flow{EndOfFile: true}}
	failed := want
	failed.How, failed.Dropped, failed.Error = "failed", 4, "TO: a \"bad\"; thing"
	failed.Sent.Messages, failed.Sent.Refused, failed.Received.Urgent = 3, 1, 2
	if len(all) != 2 || all[0] != want || all[1] != failed {
		t.Errorf("the lines are %+v, want %+v and %+v", all, want, failed)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o007 != 0 {
		t.Errorf("everybody may read it: %v, %v", info.Mode(), err)
	}
}

// What a peer calls itself is data.
func FuzzString(f *testing.F) {
	for _, text := range []string{"", "plain", "a\"b\\c\n\x1b[31m\x7f", "ñ\u2028\u202e\u0085", "\xff\xfe", "€😀"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		b := appendString(nil, text)
		var got string
		if err := json.Unmarshal(b, &got); err != nil || got != strings.ToValidUTF8(text, "\ufffd") && utf8.ValidString(text) {
			t.Errorf("%q became %s, read as %q, %v", text, b, got, err)
		}
		if bytes.ContainsAny(b, "\n\x1b\u202e\u2028") {
			t.Errorf("%s has what a terminal takes for more than text", b)
		}
	})
}

// Rotated by moving the file: no line is lost, torn or doubled, while others write.
func TestRotation(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log")
	l := open(t, path, Options{Queue: -1})
	const n = 5_000
	done := make(chan bool)
	go func() {
		defer close(done)
		for i := range int64(n) {
			l.Ended("db", pair(i+1))
		}
	}()
	var parts []string
	for i, going := 0, true; going; i++ {
		part := fmt.Sprint(path, ".", i)
		try(t, os.Rename(path, part))
		parts = append(parts, part)
		l.Reopen()
		await(t, "there is a new one", func() bool { _, err := os.Stat(path); return err == nil })
		select {
		case <-done:
			going = false
		default:
		}
	}
	try(t, l.Close())
	var text []byte
	for _, part := range append(parts, path) {
		b, err := os.ReadFile(part)
		try(t, err)
		records(t, b) // each is whole by itself
		text = append(text, b...)
	}
	if there, lost := numbers(t, records(t, text)); there != n || lost != 0 || l.Lost() != 0 {
		t.Errorf("%d of %d lines are there, %d are lost, in %d files", there, n, lost, len(parts)+1)
	}
}

// Debian's logrotate does it both ways.
func TestLogrotate(t *testing.T) {
	program := testenv.Program(t, "logrotate")
	for _, way := range []string{"create", "copytruncate"} {
		t.Run(way, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "log")
			l := open(t, path, Options{})
			size := func(path string) int64 {
				info, err := os.Stat(path)
				if err != nil {
					return -1
				}
				return info.Size()
			}
			l.Ended("db", pair(1))
			await(t, "a line is there", func() bool { return size(path) > 0 })
			config := filepath.Join(dir, "config")
			try(t, os.WriteFile(config, []byte(path+" {\n rotate 5\n "+way+"\n missingok\n}\n"), 0o600))
			c := exec.Command(program, "--force", "--state", filepath.Join(dir, "state"), config)
			if out, err := c.CombinedOutput(); err != nil {
				t.Skipf("logrotate: %v: %s", err, out)
			}
			if way == "create" {
				l.Reopen()
			}
			l.Ended("db", pair(2))
			await(t, "a line is in the new one", func() bool { return size(path) > 0 })
			try(t, l.Close())
			for i, part := range []string{path + ".1", path} {
				b, err := os.ReadFile(part)
				try(t, err)
				if all := records(t, b); len(all) != 1 || all[0].Pair != int64(i+1) {
					t.Errorf("%s has %+v", part, all)
				}
			}
		})
	}
}

// A disk that is full keeps nobody waiting; what found room is written later, and the rest is
// counted.
func TestFullDisk(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("there is no /dev/full")
	}
	dir := t.TempDir()
	path, real := filepath.Join(dir, "log"), filepath.Join(dir, "real")
	try(t, os.Symlink("/dev/full", path))
	var j journal
	l := open(t, path, Options{Queue: 10_000, Log: j.Logger()})
	const n = 1000
	for i := range int64(n) {
		l.Ended("db", pair(i+1))
	}
	if l.Lost() == 0 {
		t.Error("no line is lost, and there is no room")
	}
	await(t, "it is said", func() bool { return strings.Contains(j.String(), "cannot be written") })
	try(t, os.Remove(path))
	try(t, os.Symlink(real, path))
	l.Reopen()
	await(t, "it is said to be well", func() bool { return strings.Contains(j.String(), "can be written again") })
	await(t, "there is room", func() bool { l.mu.Lock(); defer l.mu.Unlock(); return len(l.queue) == 0 })
	l.Ended("db", pair(n+1))
	try(t, l.Close())
	text, err := os.ReadFile(real)
	try(t, err)
	there, lost := numbers(t, records(t, text))
	if there+lost != n+1 || lost != l.Lost() || lost == 0 {
		t.Errorf("%d lines are there and %d lost, of %d", there, lost, n+1)
	}
	if s := strings.Count(j.String(), "cannot be written"); s != 1 {
		t.Errorf("it is said %d times", s)
	}
}

// receiver is a syslog of datagrams.
func receiver(t testing.TB, network, at string) net.PacketConn {
	t.Helper()
	c, err := net.ListenPacket(network, at)
	try(t, err)
	t.Cleanup(func() { c.Close() })
	try(t, c.SetDeadline(time.Now().Add(patience)))
	return c
}

func receive(t testing.TB, c net.PacketConn) string {
	t.Helper()
	b := make([]byte, 1<<16)
	n, _, err := c.ReadFrom(b)
	try(t, err)
	return string(b[:n])
}

// Messages to syslog have the form that their way has, also after it was away.
func TestSyslog(t *testing.T) {
	failed := pair(2)
	failed.Result.How = relay.Failed
	path := filepath.Join(t.TempDir(), "log")
	local := receiver(t, "unixgram", path)
	l := open(t, "syslog:unix-dgram:"+path, Options{})
	l.Ended("db", pair(1))
	l.Ended("db", failed)
	for i, priority := range []string{"<30>", "<28>"} {
		text := receive(t, local)
		stamp, rest, _ := strings.Cut(strings.TrimPrefix(text, priority), fmt.Sprintf(" zocalo[%d]: ", os.Getpid()))
		_, err := time.Parse(time.Stamp, stamp)
		if all := records(t, []byte(rest+"\n")); err != nil || len(all) != 1 || all[0].Pair != int64(i+1) || !strings.HasPrefix(text, priority) {
			t.Errorf("the message is %q: %v", text, err)
		}
	}
	local.Close()
	os.Remove(path)
	l.Ended("db", pair(3))
	again := receiver(t, "unixgram", path)
	if text := receive(t, again); !strings.Contains(text, `"pair":3,`) {
		t.Errorf("after it was away the message is %q", text)
	}

	remote := receiver(t, "udp", "127.0.0.1:0")
	l = open(t, "syslog:udp:"+remote.LocalAddr().String(), Options{})
	l.Ended("db", failed)
	text := receive(t, remote)
	head, rest, _ := strings.Cut(text, " pair - ")
	fields := strings.Fields(head)
	if len(fields) != 5 || fields[0] != "<28>1" || fields[3] != "zocalo" || fields[4] != fmt.Sprint(os.Getpid()) {
		t.Errorf("the message is %q", text)
	} else if _, err := time.Parse(time.RFC3339Nano, fields[1]); err != nil {
		t.Error(err)
	}
	records(t, []byte(rest+"\n"))

	stream, err := net.Listen("tcp", "127.0.0.1:0")
	try(t, err)
	defer stream.Close()
	l = open(t, "syslog:tcp:"+stream.Addr().String(), Options{})
	for i := range int64(3) {
		l.Ended("db", pair(i+1))
	}
	c, err := stream.Accept()
	try(t, err)
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	r := bufio.NewReader(c)
	for i := range 3 {
		var length int
		_, err := fmt.Fscanf(r, "%d ", &length)
		try(t, err)
		b := make([]byte, length)
		_, err = io.ReadFull(r, b)
		try(t, err)
		if _, rest, _ := strings.Cut(string(b), " pair - "); records(t, []byte(rest+"\n"))[0].Pair != int64(i+1) {
			t.Errorf("the message is %q", b)
		}
	}
}

// rsyslogd runs one in a folder, which writes what it understood to the file out there, and
// returns its ports for TCP and UDP.
func rsyslogd(t *testing.T, dir string) (tcp, udp string) {
	t.Helper()
	program := testenv.Program(t, "rsyslogd")
	for {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		try(t, err)
		_, tcp, _ = net.SplitHostPort(l.Addr().String())
		l.Close()
		c := receiver(t, "udp", "127.0.0.1:0")
		_, udp, _ = net.SplitHostPort(c.LocalAddr().String())
		c.Close()
		if said := startRsyslogd(t, program, dir, tcp, udp); said == "" {
			return tcp, udp
		} else if !strings.Contains(said, "already in use") { // somebody was quicker
			t.Fatalf("rsyslogd said %s", said)
		}
	}
}

// startRsyslogd returns what it said if it does not listen.
func startRsyslogd(t *testing.T, program, dir, tcp, udp string) string {
	t.Helper()
	config := filepath.Join(dir, "config")
	try(t, os.WriteFile(config, fmt.Appendf(nil, `
global(workDirectory=%q maxMessageSize="64k")
module(load="imuxsock" SysSock.Use="off")
module(load="imudp")
module(load="imptcp")
input(type="imuxsock" Socket=%q)
input(type="imudp" port=%q address="127.0.0.1")
input(type="imptcp" port=%q address="127.0.0.1")
template(name="t" type="string" string="%%inputname%% %%programname%% %%syslogfacility-text%%.%%syslogseverity-text%% %%procid%% %%msg:::drop-last-lf%%\n")
action(type="omfile" file=%q template="t")
`, dir, filepath.Join(dir, "dev"), udp, tcp, filepath.Join(dir, "out")), 0o600))
	var said journal
	c := exec.Command(program, "-n", "-f", config, "-i", filepath.Join(dir, "pid"))
	c.Stdout, c.Stderr = &said, &said
	try(t, c.Start())
	end := func() {
		c.Process.Kill()
		c.Wait()
	}
	listens := false
	await(t, "rsyslogd listens", func() bool {
		if strings.Contains(said.String(), "error") || strings.Contains(said.String(), "Error") {
			return true
		}
		c, err := net.Dial("tcp", "127.0.0.1:"+tcp)
		if err == nil {
			c.Close()
		}
		_, missing := os.Stat(filepath.Join(dir, "dev"))
		listens = err == nil && missing == nil
		return listens
	})
	if !listens {
		end()
		return said.String()
	}
	t.Cleanup(end)
	return ""
}

// rsyslogd understands what is sent to it in each way.
func TestRsyslog(t *testing.T) {
	dir, err := os.MkdirTemp("", "log") // a short path, for the sockets' names
	try(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	tcp, udp := rsyslogd(t, dir)
	for _, way := range []struct{ input, to string }{
		{"imuxsock", "unix-dgram:" + filepath.Join(dir, "dev")}, {"imptcp", "tcp:127.0.0.1:" + tcp}, {"imudp", "udp:127.0.0.1:" + udp},
	} {
		l := open(t, "syslog:"+way.to, Options{})
		p := pair(1)
		p.Result.How = relay.Failed
		want := fmt.Sprintf("%s zocalo daemon.warning %d ", way.input, os.Getpid())
		await(t, way.input+" has it", func() bool {
			if way.input == "imudp" || p.Number == 1 { // which may lose one
				l.Ended("db", p)
				p.Number++
			}
			b, _ := os.ReadFile(filepath.Join(dir, "out"))
			for line := range strings.Lines(string(b)) {
				if rest, ok := strings.CutPrefix(line, want); ok && strings.HasSuffix(rest, "\n") {
					records(t, []byte(strings.TrimSpace(rest)+"\n"))
					return true
				}
			}
			return false
		})
	}
}

// A syslog that has stopped keeps nobody waiting.
func TestStoppedSyslog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	receiver(t, "unixgram", path)
	l, err := Open("syslog:unix-dgram:"+path, Options{Queue: 50_000})
	try(t, err)
	for i := range int64(2000) {
		l.Ended("db", pair(i+1))
	}
	if l.Lost() == 0 {
		t.Error("no line is lost")
	}
	if err := l.Close(); err == nil {
		t.Error("all is said to be written")
	}
}

// What cannot be is said before anything is opened, and what cannot be opened at once.
func TestRefused(t *testing.T) {
	for to, says := range map[string]string{
		"": "give a path", "syslog:": "empty", "syslog:tpc:x:1": "tcp", "syslog:tcp-listen:1": "listens",
	} {
		if err := Check(to); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %q", to, err, says)
		}
	}
	for _, to := range []string{"syslog", "syslog:unix-dgram:/x", "stdout", "-", "stderr", "/var/log/x"} {
		try(t, Check(to))
	}
	if _, err := Open(filepath.Join(t.TempDir(), "no", "log"), Options{}); err == nil || !strings.Contains(err.Error(), "make the folder first") {
		t.Errorf("no folder: %v", err)
	}
	// A file that cannot be opened anew goes on.
	dir := filepath.Join(t.TempDir(), "dir")
	try(t, os.Mkdir(dir, 0o700))
	var j journal
	l := open(t, filepath.Join(dir, "log"), Options{Log: j.Logger()})
	try(t, os.RemoveAll(dir))
	l.Reopen()
	await(t, "it is said", func() bool { return strings.Contains(j.String(), "could not be reopened") })
	l.Ended("db", pair(1))
	try(t, l.Close())
}

// To be told of a pair takes no memory, and not long.
func BenchmarkEnded(b *testing.B) {
	l := open(b, os.DevNull, Options{})
	p := pair(1)
	b.ReportAllocs()
	for b.Loop() {
		l.Ended("db", p)
	}
}
