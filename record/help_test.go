package record_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"zocalo"
	"zocalo/address"
	"zocalo/echo"
	"zocalo/internal/testenv"
	"zocalo/record"
	"zocalo/relay"
	"zocalo/server"
	"zocalo/socket"

	_ "zocalo/iso"
)

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func try(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// run runs a program, and returns what it writes.
func run(t *testing.T, program string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), testenv.Program(t, program), args...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "LC_ALL=C.UTF-8")
	var problems bytes.Buffer
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, problems.Bytes())
	}
	return strings.TrimRight(string(out), "\n")
}

// decodeAs is what tshark takes some port for, if told so.
var decodeAs = "tcp.port==1,tpkt"

// tshark reads a file, with every checksum checked, and returns a line for each packet that
// the filter lets pass.
func tshark(t *testing.T, file, filter string, fields ...string) []string {
	t.Helper()
	args := []string{"-n", "-r", file, "-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE",
		"-d", decodeAs, "-Y", filter, "-T", "fields", "-E", "separator=|"}
	for _, f := range fields {
		args = append(args, "-e", f)
	}
	out := run(t, "tshark", args...)
	if out == "" {
		return nil
	}
	return strings.Split(out, "\n")
}

// good fails unless every reader finds nothing wrong with a file.
func good(t *testing.T, file string) {
	t.Helper()
	const wrong = "_ws.malformed || tcp.checksum.status == 0 || udp.checksum.status == 0 || ip.checksum.status == 0 || " +
		"tcp.analysis.lost_segment || tcp.analysis.ack_lost_segment || tcp.analysis.retransmission || tcp.analysis.window_full || tcp.analysis.out_of_order"
	for _, line := range tshark(t, file, wrong, "frame.number", "_ws.col.Info") {
		t.Error("tshark finds fault with", line)
	}
	if info := run(t, "capinfos", file); !strings.Contains(info, "nanoseconds (9)") || !strings.Contains(info, "Strict time order:   True") {
		t.Errorf("capinfos: %s", info)
	}
	run(t, "editcap", file, filepath.Join(t.TempDir(), "copied.pcapng"))
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("its mode is %v, %v", info.Mode(), err)
	}
}

// A recorded is a relay that is recorded.
type recorded struct {
	*testing.T
	*relay.Relay
	rec  *record.Recorder
	at   string
	file string
	over chan error
	stop context.CancelFunc
}

// listening starts a relay that is recorded.
func listening(t *testing.T, from string, o record.Options, to string, change ...func(*relay.Relay)) *recorded {
	t.Helper()
	file := filepath.Join(t.TempDir(), "talk.pcapng")
	r := &recorded{T: t, Relay: &relay.Relay{}, file: file, over: make(chan error, 1)}
	r.rec = must[*record.Recorder](t)(record.Create(file, o))
	r.From = must[address.Address](t)(address.Parse(from))
	r.To = []address.Address{must[address.Address](t)(address.Parse(to))}
	at := make(chan string, 1)
	r.Listening = func(l *zocalo.Listener, a address.Address) error {
		at <- strings.Replace(a.Scheme.Name, "-listen", "", 1) + ":" + l.Name().String()
		return nil
	}
	for _, f := range change {
		f(r.Relay)
	}
	r.rec.Hook(&r.Hooks)
	ctx, stop := context.WithCancel(r.rec.Wire(t.Context()))
	r.stop = stop
	go func() { r.over <- r.Relay.Run(ctx) }()
	select {
	case r.at = <-at:
	case err := <-r.over:
		r.rec.Close()
		t.Fatal(err)
	}
	t.Cleanup(func() { r.end() })
	return r
}

// end ends the relay and closes the recording.
func (r *recorded) end() {
	r.Helper()
	if r.stop == nil {
		return
	}
	r.stop()
	r.stop = nil
	if err := <-r.over; err != nil {
		r.Error(err)
	}
	if err := r.rec.Close(); err != nil {
		r.Error(err)
	}
}

// ended waits until so many pairs are over.
func (r *recorded) ended(n int64) {
	r.Helper()
	for end := time.Now().Add(20 * time.Second); r.Totals().Ended < n; {
		if time.Now().After(end) {
			r.Fatalf("%d pairs have ended, and not %d", r.Totals().Ended, n)
		}
		time.Sleep(time.Millisecond)
	}
}

func dial(t *testing.T, at string) *socket.Socket {
	t.Helper()
	s := must[*socket.Socket](t)(zocalo.Dial(t.Context(), at))
	s.SetDeadline(time.Now().Add(20 * time.Second)) // a test that fails does so soon
	t.Cleanup(func() { s.Close() })
	return s
}

// echoAt echoes what comes to a listener, and returns its address.
func echoAt(t *testing.T, listen string) string {
	t.Helper()
	l := must[*zocalo.Listener](t)(zocalo.Listen(t.Context(), listen))
	t.Cleanup(func() { l.Close() })
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	if one := l.Sockets()[0]; !one.Properties().Connected {
		go echo.Datagrams(ctx, one)
	} else {
		go (&server.Server{Handler: func(ctx context.Context, c *socket.Socket) { echo.Connection(ctx, c) }}).Serve(ctx, l)
	}
	scheme, _, _ := strings.Cut(listen, ":")
	return strings.Replace(scheme, "-listen", "", 1) + ":" + l.Name().String()
}

// says writes text and reads the same.
func says(t *testing.T, s *socket.Socket, text string) {
	t.Helper()
	must[int](t)(io.WriteString(s, text))
	b := make([]byte, max(len(text), 1))
	if s.Properties().Bounded {
		n := must[int](t)(s.Read(b))
		b = b[:n]
	} else {
		must[int](t)(io.ReadFull(s, b))
	}
	if string(b[:len(text)]) != text {
		t.Fatalf("said %d bytes, heard others", len(text))
	}
}

func same(t *testing.T, got []string, want ...string) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
