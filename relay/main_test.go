package relay_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"zocalo"
	"zocalo/address"
	"zocalo/internal/poll"
	"zocalo/internal/testenv"
	_ "zocalo/iso"
	"zocalo/process"
	"zocalo/relay"
	"zocalo/socket"
	_ "zocalo/xns"
)

func init() { process.Register() }

func TestMain(m *testing.M) {
	process.Shim()
	child()
	testenv.Main(bothPaths{m}, poll.ClosePipes, func() {
		for _, f := range atEnd {
			f()
		}
	})
}

// testPath is the way through that bridges take which say nothing of it.
var testPath relay.Path

// bothPaths runs every test on both paths: Auto takes the fast one where it
// can.
type bothPaths struct{ *testing.M }

func (b bothPaths) Run() int {
	for _, testPath = range []relay.Path{relay.Auto, relay.General} {
		fmt.Println("path", testPath)
		if code := b.M.Run(); code != 0 {
			return code
		}
	}
	return 0
}

// patience is how long anything may take.
const patience = 30 * time.Second

// A journal is a log that tests look at.
type journal = testenv.Journal

// await waits until something holds.
func await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	testenv.Await(t, what, holds)
}

// A running is a relay that runs.
type running struct {
	*relay.Relay
	t         testing.TB
	journal   journal
	listening chan string // addresses to dial, in the order of the listeners
	ends      chan relay.Pair
	stop      context.CancelFunc
	done      chan struct{}
	err       error
}

func parse(t testing.TB, text string) address.Address {
	t.Helper()
	a, err := address.Parse(text)
	try(t, err)
	return a
}

// relays runs a relay between addresses until the test ends.
func relays(t testing.TB, change func(*relay.Relay), from string, to ...string) *running {
	t.Helper()
	r := &running{Relay: &relay.Relay{Config: relay.Config{From: parse(t, from)}}, t: t, listening: make(chan string, 8), ends: make(chan relay.Pair, 10_000), done: make(chan struct{})}
	for _, text := range to {
		r.To = append(r.To, parse(t, text))
	}
	r.Drain = patience
	r.Log = slog.New(slog.NewTextHandler(&r.journal, &slog.HandlerOptions{Level: slog.LevelDebug}))
	r.Listening = func(l *zocalo.Listener, a address.Address) error {
		r.listening <- a.Scheme.Name + ":" + l.Name().String() + carried(a)
		return nil
	}
	r.Ended = func(p relay.Pair) { r.ends <- p }
	r.Path = testPath
	if change != nil {
		change(r.Relay)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.stop = cancel
	go func() {
		defer close(r.done)
		r.err = r.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		r.Abort()
		<-r.done
		if t.Failed() {
			t.Logf("the log:\n%s", &r.journal)
		}
	})
	return r
}

// carried are the options of a listener that a client needs as well.
func carried(a address.Address) string {
	_, text := layerOptions(a.Scheme.Name)
	for _, s := range a.Settings {
		if slices.Contains([]string{"link", "expedited"}, s.Spec.Name) {
			text += "," + s.Spec.Name + "=" + s.Spec.Format(s.Value)
		}
	}
	return text
}

// address waits for the address of the next listener.
func (r *running) address() string {
	r.t.Helper()
	select {
	case a := <-r.listening:
		return a
	case <-r.done:
		r.t.Fatalf("the relay ended: %v", r.err)
	case <-time.After(patience):
		r.t.Fatal("nothing listens")
	}
	return ""
}

// ended waits for the next pair that is over.
func (r *running) ended() relay.Pair {
	r.t.Helper()
	select {
	case p := <-r.ends:
		return p
	case <-time.After(patience):
		r.t.Fatal("no pair ends")
	}
	return relay.Pair{}
}

// over waits for the end of the relay.
func (r *running) over() error {
	r.t.Helper()
	select {
	case <-r.done:
	case <-time.After(patience):
		r.t.Fatal("the relay does not end")
	}
	return r.err
}

// listen listens until the test ends.
func listen(t testing.TB, text string) *zocalo.Listener {
	t.Helper()
	l, err := zocalo.Listen(t.Context(), text)
	try(t, err)
	t.Cleanup(func() { l.Close() })
	return l
}

func addressOf(t testing.TB, text string, l *zocalo.Listener) string {
	a := parse(t, text)
	return a.Scheme.Name + ":" + l.Name().String() + carried(a)
}

// dial connects until the test ends.
func dial(t testing.TB, text string) *socket.Socket {
	t.Helper()
	s, err := zocalo.Dial(t.Context(), text)
	try(t, err)
	t.Cleanup(func() { s.Close() })
	try(t, s.SetDeadline(time.Now().Add(patience)))
	return s
}

func accept(t testing.TB, l *zocalo.Listener) *socket.Socket {
	t.Helper()
	s, err := l.Accept(t.Context())
	try(t, err)
	t.Cleanup(func() { s.Close() })
	try(t, s.SetDeadline(time.Now().Add(patience)))
	return s
}

func try(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func writes(t testing.TB, s io.Writer, text string) {
	t.Helper()
	if _, err := io.WriteString(s, text); err != nil {
		t.Fatal(err)
	}
}

// wants fails unless the next bytes are these.
func wants(t testing.TB, s io.Reader, text string) {
	t.Helper()
	b := make([]byte, len(text))
	if n, err := io.ReadFull(s, b); err != nil || string(b) != text {
		t.Fatalf("read %q, %v, want %q", b[:n], err, text)
	}
}

// wantsMessage fails unless the next message is this one.
func wantsMessage(t testing.TB, s io.Reader, text string) {
	t.Helper()
	b := make([]byte, 1<<17)
	if n, err := s.Read(b); err != nil || string(b[:n]) != text {
		t.Fatalf("read the message %.60q (%d bytes), %v, want %.60q", b[:n], n, err, text)
	}
}

func wantsErr(t testing.TB, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Fatalf("error %v, want %v", got, want)
	}
}

func wantsEOF(t testing.TB, s io.Reader) {
	t.Helper()
	if n, err := s.Read(make([]byte, 1)); err != io.EOF {
		t.Fatalf("read %d, %v, want end-of-file", n, err)
	}
}

func inTemp(t testing.TB, name string) string { return filepath.Join(t.TempDir(), name) }

func mentions(err error, words ...string) bool {
	return err != nil && !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(err.Error(), w) })
}
