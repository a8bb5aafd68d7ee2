package record_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"zocalo/fault"
	"zocalo/record"
	"zocalo/record/capture"
	"zocalo/relay"
	"zocalo/relay/join"
	"zocalo/relay/outcome"
	"zocalo/socket"
)

// What a fault does is a line in its place, between the same addresses.
func TestFaults(t *testing.T) {
	var rec atomic.Pointer[record.Recorder]
	r := listening(t, "udp-listen:127.0.0.1:0", record.Options{}, echoAt(t, "udp-listen:127.0.0.1:0"), func(r *relay.Relay) {
		plan := fault.New(1)
		try(t, plan.Set(must[fault.Fault](t)(fault.Parse("down:duplicate=100%"))))
		plan.Log = func(e fault.Event) {
			rec.Load().Remark(e.Pair, "faults", outcome.Side(e.Direction-fault.Up), e.String())
		}
		r.Filter = plan.Filter
	})
	rec.Store(r.rec)
	s := dial(t, r.at)
	says(t, s, "hola")
	must[int](t)(s.Read(make([]byte, 10)))
	r.end()
	good(t, r.file)
	got := tshark(t, r.file, "frame", "frame.interface_name", "udp.length", "syslog.msg", "ip.src", "frame.comment")
	if len(got) < 3 || !strings.HasPrefix(got[1], r.at+"|12|") || !strings.Contains(got[len(got)-1], "|duplicate duplicated message 1|127.0.0.1|") ||
		!strings.HasPrefix(got[len(got)-1], "faults|") {
		t.Errorf("got %q", got)
	}
}

// Several files are each readable alone, and have names that Wireshark takes for a set.
func TestRotation(t *testing.T) {
	r := listening(t, "unix-listen:"+filepath.Join(t.TempDir(), "s"), record.Options{MaxSize: 200_000, Must: true}, echoAt(t, "tcp-listen:127.0.0.1:0"))
	s := dial(t, r.at)
	for range 20 {
		says(t, s, strings.Repeat("x", 30_000))
	}
	s.Close()
	r.ended(1)
	r.end()
	dir := filepath.Dir(r.file)
	files := must[[]string](t)(filepath.Glob(filepath.Join(dir, "talk_*_*.pcapng")))
	if len(files) < 5 {
		t.Fatalf("files %q", files)
	}
	all := 0
	for i, file := range files {
		if !strings.Contains(file, fmt.Sprintf("talk_%05d_2", i+1)) {
			t.Errorf("file %d is %s", i, file)
		}
		if info := must[os.FileInfo](t)(os.Stat(file)); info.Size() > 220_000 || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has %d bytes, mode %v", file, info.Size(), info.Mode())
		}
		lines := tshark(t, file, "frame", "frame.interface_name", "ip.version", "tcp.checksum.status", "tcp.len")
		for _, line := range lines {
			var n int
			if _, err := fmt.Sscanf(strings.TrimPrefix(line, r.at+"|4|1|"), "%d", &n); err != nil {
				t.Fatalf("%s: %q", file, line)
			}
			all += n
		}
	}
	if all != 2*20*30_000 {
		t.Errorf("%d bytes are in the files", all)
	}
}

func TestPerPair(t *testing.T) {
	r := listening(t, "tcp-listen:127.0.0.1:0", record.Options{PerPair: true}, echoAt(t, "tcp-listen:127.0.0.1:0"))
	for _, text := range []string{"uno", "segundo"} {
		s := dial(t, r.at)
		says(t, s, text)
		s.Close()
	}
	r.ended(2)
	r.end()
	for i, want := range []string{"3", "7"} {
		file := strings.TrimSuffix(r.file, ".pcapng") + fmt.Sprintf("_pair-%d.pcapng", i+1)
		good(t, file)
		if got := tshark(t, file, "tcp.len > 0", "tcp.len"); len(got) != 2 || got[0] != want && got[0] != "3" && got[0] != "7" {
			t.Errorf("%s: %q", file, got)
		}
	}
}

// A slow is a file that takes what it is given when it may.
type slow struct {
	bytes.Buffer
	may chan struct{}
	err error
}

func (s *slow) Write(b []byte) (int, error) {
	if s.Len() > 0 { // the section header is taken at once
		<-s.may
		if s.err != nil {
			return 0, s.err
		}
	}
	return s.Buffer.Write(b)
}

func pairOf(t *testing.T, r *record.Recorder) *record.Pair {
	a, b, err := socket.Pair(socket.Unix, socket.Stream, 0)
	try(t, err)
	t.Cleanup(func() {
		a.Close()
		b.Close()
	})
	return r.Begin(record.Info{Ends: [2]*socket.Socket{a, b}})
}

// What finds no room is lost, counted in the file, and told of once.
func TestLosses(t *testing.T) {
	var said bytes.Buffer
	var mu sync.Mutex
	log := slog.New(slog.NewTextHandler(lockedWriter{&mu, &said}, nil))
	file := &slow{may: make(chan struct{})}
	r := must[*record.Recorder](t)(record.New(file, record.Options{Queue: 100_000, Log: log}))
	p := pairOf(t, r)
	for range 10 {
		p.Data(t.Context(), outcome.A, join.Bytes, make([]byte, 30_000))
	}
	close(file.may)
	lost := r.Lost()
	try(t, r.Close())
	if lost < 6 || lost > 8 {
		t.Errorf("%d packets are lost", lost)
	}
	mu.Lock()
	if text := said.String(); strings.Count(text, "is losing packets") != 1 || !strings.Contains(text, fmt.Sprintf("lacks %d packets", lost)) {
		t.Errorf("the log says\n%s", text)
	}
	mu.Unlock()
	path := filepath.Join(t.TempDir(), "lossy.pcapng")
	try(t, os.WriteFile(path, file.Bytes(), 0o600))
	if got := run(t, "capinfos", "-I", path); !strings.Contains(got, "Number of stat entries = 1") {
		t.Errorf("capinfos: %s", got)
	}
}

type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

// A recording that must be whole makes its pair wait, and not for longer than that lives.
func TestMust(t *testing.T) {
	file := &slow{may: make(chan struct{})}
	var said bytes.Buffer
	var mu sync.Mutex
	log := slog.New(slog.NewTextHandler(lockedWriter{&mu, &said}, nil))
	r := must[*record.Recorder](t)(record.New(file, record.Options{Queue: 100_000, Must: true, Log: log}))
	p := pairOf(t, r)
	sent := make(chan int, 100)
	go func() {
		for i := range 10 {
			p.Data(t.Context(), outcome.A, join.Bytes, make([]byte, 30_000))
			sent <- i
		}
		close(sent)
	}()
	for i := range sent {
		if i == 1 {
			break
		}
	}
	over, end := context.WithCancel(t.Context())
	end()
	full := pairOf(t, r)
	for range 4 {
		full.Data(over, outcome.A, join.Bytes, make([]byte, 30_000)) // returns, whatever there is room for
	}
	close(file.may)
	for range sent {
	}
	try(t, r.Close())
	mu.Lock()
	defer mu.Unlock()
	if strings.Contains(said.String(), "--record-must") {
		t.Errorf("who has --record-must is told of it:\n%s", said.String())
	}
}

// A full disk ends the recording with one line, and nothing else.
func TestFullDisk(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full")
	}
	var said bytes.Buffer
	file := &slow{may: make(chan struct{}), err: &os.PathError{Op: "write", Path: "talk.pcapng", Err: syscall.ENOSPC}}
	close(file.may)
	rec := must[*record.Recorder](t)(record.New(file, record.Options{Log: slog.New(slog.NewTextHandler(&said, nil))}))
	r := listening(t, "tcp-listen:127.0.0.1:0", record.Options{}, echoAt(t, "tcp-listen:127.0.0.1:0"), func(r *relay.Relay) { rec.Hook(&r.Hooks) })
	s := dial(t, r.at)
	for range 50 {
		says(t, s, strings.Repeat("x", 10_000))
	}
	for end := time.Now().Add(10 * time.Second); rec.Err() == nil && time.Now().Before(end); {
		says(t, s, "y")
	}
	says(t, s, "still here")
	s.Close()
	r.ended(1)
	r.end()
	if err := rec.Close(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("the recording ended with %v", err)
	}
	if text := said.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "no space left on device") {
		t.Errorf("the log says %q", text)
	}
	if _, err := record.Create("/dev/full", record.Options{}); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("on /dev/full: %v", err)
	}
}

// A file of others is emptied and made the owner's alone, by a symbolic link too.
func TestFile(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "old.pcapng"), filepath.Join(dir, "link.pcapng")
	try(t, os.WriteFile(path, make([]byte, 100_000), 0o644))
	try(t, os.Symlink(path, link))
	r := must[*record.Recorder](t)(record.Create(link, record.Options{}))
	try(t, r.Close())
	if info := must[os.FileInfo](t)(os.Stat(path)); info.Mode().Perm() != 0o600 || info.Size() > 1000 {
		t.Errorf("mode %v, %d bytes", info.Mode(), info.Size())
	}
	if got := run(t, "capinfos", "-c", path); !strings.Contains(got, "Number of packets:   0") {
		t.Errorf("capinfos: %s", got)
	}
	if _, err := record.Create(filepath.Join(dir, "none", "x.pcapng"), record.Options{}); !errors.Is(err, os.ErrNotExist) || strings.Count(err.Error(), "none") != 1 {
		t.Errorf("in no folder: %v", err)
	}
}

// A message in memory alone, without sockets' files: names of any sort do no harm.
func TestPipes(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	one := must[*socket.Socket](t)(socket.FromConn(a))
	two := must[*socket.Socket](t)(socket.FromConn(b))
	path := filepath.Join(t.TempDir(), "pipe.pcapng")
	r := must[*record.Recorder](t)(record.Create(path, record.Options{}))
	p := r.Begin(record.Info{Pair: 9, Ends: [2]*socket.Socket{one, two}, Texts: [2]string{"a \"name\"\x1b[31m", ""}})
	p.Data(t.Context(), outcome.B, join.Message, nil)
	p.Data(t.Context(), outcome.B, join.Urgent, []byte("!"))
	p.End(outcome.Result{How: outcome.Idle}, nil)
	try(t, r.Close())
	good(t, path)
	got := tshark(t, path, "frame.comment || tcp.flags.urg == 1", "tcp.flags.urg", "tcp.len", "frame.comment")
	if len(got) != 3 || !strings.Contains(got[0], `client="a \"name\"\x1b[31m"`) || !strings.Contains(got[0], "an empty message") ||
		!strings.HasPrefix(got[1], "1|1|") || !strings.Contains(got[2], "end=idle") {
		t.Errorf("got %q", got)
	}
}

// A pair both of whose sides wait for room is recorded as it spoke.
func TestMustOfBothSides(t *testing.T) {
	file := &slow{may: make(chan struct{})}
	r := must[*record.Recorder](t)(record.New(file, record.Options{Queue: 20_000, Must: true}))
	p := pairOf(t, r)
	var sides sync.WaitGroup
	for side, letter := range []string{"a", "b"} {
		sides.Go(func() {
			for range 200 {
				p.Data(t.Context(), outcome.Side(side), join.Bytes, bytes.Repeat([]byte(letter), 1000*(1+side)))
			}
		})
	}
	over := make(chan struct{})
	go func() {
		sides.Wait()
		close(over)
	}()
	for done := false; !done; {
		select {
		case file.may <- struct{}{}:
			runtime.Gosched()
		case <-over:
			done = true
		}
	}
	close(file.may)
	try(t, r.Close())
	c := must[*capture.Capture](t)(capture.Read(t.Context(), bytes.NewReader(file.Bytes()), capture.Options{}))
	if len(c.Conversations) != 1 {
		t.Fatalf("%d conversations", len(c.Conversations))
	}
	for side, want := range []string{strings.Repeat("a", 200_000), strings.Repeat("b", 400_000)} {
		got := ""
		for _, e := range c.Conversations[0].Events {
			if int(e.From) == side {
				got += string(e.Data)
			}
		}
		if got != want {
			t.Errorf("side %d sent %d bytes, of which %d are its own; want %d", side, len(got), strings.Count(got, want[:1]), len(want))
		}
	}
}
