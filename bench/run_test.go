package bench

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"zocalo"
	"zocalo/echo"
	"zocalo/server"
	"zocalo/socket"
)

// echoServer runs the echo server of package server, and returns how to
// reach it.
func echoServer(t *testing.T, text string) Dial {
	t.Helper()
	l, err := zocalo.Listen(t.Context(), text)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	t.Cleanup(func() { cancel(); group.Wait(); l.Close() })
	if l.Sockets()[0].Properties().Connected {
		srv := &server.Server{Handler: func(ctx context.Context, c *socket.Socket) { echo.Connection(ctx, c) }}
		group.Go(func() { srv.Serve(ctx, l) })
	} else {
		group.Go(func() { echo.Datagrams(ctx, l.Sockets()[0]) })
	}
	name := l.Name().String()
	scheme, _, _ := strings.Cut(text, ":")
	return func(ctx context.Context) (*socket.Socket, error) { return zocalo.Dial(ctx, scheme+":"+name) }
}

// TestEchoServer measures round trips against an echo server that knows
// nothing of the protocol, and says what it cannot serve.
func TestEchoServer(t *testing.T) {
	dir := t.TempDir()
	for _, text := range []string{"tcp:127.0.0.1:0", "udp:127.0.0.1:0", "unix-seqpacket:" + dir + "/q", "unix-dgram:" + dir + "/d"} {
		dial := echoServer(t, text)
		for _, o := range []Options{{Mode: RoundTrip, Count: 50, Verify: true}, {Mode: AtRate, Rate: 5000, Count: 50, Verify: true}, {Mode: RoundTrip, Depth: 5, Count: 50, Verify: true}} {
			r := measure(t, dial, o)
			if r.Latency.Count() != 50 || r.Conditions.Service != "an echo server" || r.Corrupt() != 0 || r.Far != nil {
				t.Errorf("%s %s: %d times, %s, %d corrupt", text, o.Mode, r.Latency.Count(), r.Conditions.Service, r.Corrupt())
			}
		}
		if _, err := Run(t.Context(), dial, Options{Mode: Stream, Count: 5}); !errors.Is(err, ErrNoServer) {
			t.Errorf("%s: a stream to an echo server: %v", text, err)
		}
	}
}

// TestConnectIsNoError sees that a server has nothing to say of clients that
// only connect.
func TestConnectIsNoError(t *testing.T) {
	var log strings.Builder // written by the server's goroutines, of which one is there at a time
	var mu sync.Mutex
	to := slog.New(slog.NewTextHandler(writerFunc(func(b []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return log.Write(b)
	}), nil))
	t.Run("connections", func(t *testing.T) {
		measure(t, serve(t, &Server{Log: to}, "tcp:127.0.0.1:0"), Options{Mode: Connect, Count: 50})
	})
	if log.Len() > 0 {
		t.Errorf("the server logged\n%s", log.String())
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func TestConnect(t *testing.T) {
	dial := serve(t, &Server{}, "tcp:127.0.0.1:0")
	r := measure(t, dial, Options{Mode: Connect, Count: 60, Flows: 3})
	if r.Latency.Count() != 60 || r.Latency.Min() <= 0 || r.Failed != 0 {
		t.Errorf("%d connections, least %d, %d failed", r.Latency.Count(), r.Latency.Min(), r.Failed)
	}
	var option *OptionError
	if _, err := Run(t.Context(), serve(t, &Server{}, "udp:127.0.0.1:0"), Options{Mode: Connect, Count: 5}); !errors.As(err, &option) {
		t.Errorf("connections of a kind without: %v", err)
	}
}

func TestLoaded(t *testing.T) {
	dial := serve(t, &Server{}, "unix:"+t.TempDir()+"/s")
	r := measure(t, dial, Options{Mode: Loaded, Duration: 200 * time.Millisecond, WarmUp: -1, Flows: 2})
	if r.Idle.Count() == 0 || r.Latency.Count() == 0 || r.Far.Received.Bytes == 0 || r.Far.Received.Bytes != r.Near.Sent.Bytes {
		t.Errorf("%d and %d round trips; sent %+v, received %+v", r.Idle.Count(), r.Latency.Count(), r.Near.Sent, r.Far.Received)
	}
}

// TestInterrupted ends runs early: they tell of what there was.
func TestInterrupted(t *testing.T) {
	dial := serve(t, &Server{}, "tcp:127.0.0.1:0")
	dgram := serve(t, &Server{}, "udp:127.0.0.1:0")
	for name, c := range map[string]struct {
		dial Dial
		o    Options
	}{
		"forward": {dial, Options{Mode: Stream}}, "reverse": {dial, Options{Mode: Stream, Direction: Reverse}}, "both": {dial, Options{Mode: Stream, Direction: Both}},
		"udp": {dgram, Options{Mode: Stream, Rate: 1000}}, "udp reverse": {dgram, Options{Mode: Stream, Direction: Reverse, Rate: 1000}},
		"trips": {dial, Options{Mode: RoundTrip}}, "depth": {dial, Options{Mode: RoundTrip, Depth: 4}}, "rate": {dial, Options{Mode: AtRate, Rate: 1000}},
		"connect": {dial, Options{Mode: Connect}}, "loaded": {dial, Options{Mode: Loaded}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			o := c.o
			o.Duration, o.WarmUp, o.Interval = time.Hour, -1, 20*time.Millisecond
			o.Patience = 20 * time.Second
			o.OnInterval = func(i Interval) {
				if i.Traffic.Messages > 0 {
					cancel()
				}
			}
			r, err := Run(ctx, c.dial, o)
			if err != nil {
				t.Fatal(err)
			}
			if !r.Interrupted || len(r.Remarks) == 0 || !strings.Contains(r.Remarks[0], "interrupted") {
				t.Errorf("interrupted %v, remarks %q", r.Interrupted, r.Remarks)
			}
		})
	}
}

// TestRefused sees that a server's refusal, and nobody, are told in words.
func TestRefused(t *testing.T) {
	dial := serve(t, &Server{MaxSize: 1000}, "tcp:127.0.0.1:0")
	if _, err := Run(t.Context(), dial, Options{Mode: Stream, Size: 2000, Count: 1}); err == nil || !strings.Contains(err.Error(), "1000 bytes") {
		t.Errorf("a size beyond the server's bound: %v", err)
	}
	silent, err := zocalo.Listen(t.Context(), "tcp:127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	toSilent := func(ctx context.Context) (*socket.Socket, error) {
		return zocalo.Dial(ctx, "tcp:"+silent.Name().String())
	}
	if _, err := Run(t.Context(), toSilent, Options{Mode: RoundTrip, Count: 1, Patience: 50 * time.Millisecond}); err == nil || !strings.Contains(err.Error(), "no answer to the greeting") {
		t.Errorf("a server that says nothing: %v", err)
	}
	for _, o := range []Options{
		{}, {Mode: "x"}, {Mode: RoundTrip, Direction: Reverse}, {Mode: Stream, Depth: 2}, {Mode: AtRate}, {Mode: RoundTrip, Rate: 5}, {Mode: Stream, Size: -1},
		{Mode: Stream, Size: maxFrame + 1}, {Mode: Stream, Flows: maxFlows + 1}, {Mode: Connect, Verify: true}, {Mode: Stream, Direction: "up"}, {Mode: Stream, Interval: time.Nanosecond}, {Mode: Stream, Duration: 25 * time.Hour},
	} {
		var option *OptionError
		if _, err := Run(t.Context(), dial, o); !errors.As(err, &option) {
			t.Errorf("%+v: %v, want an OptionError", o, err)
		}
	}
}

// TestServerGone sees that a run ends when its server does.
func TestServerGone(t *testing.T) {
	for _, mode := range []Options{{Mode: Stream}, {Mode: RoundTrip}, {Mode: RoundTrip, Depth: 3}, {Mode: Stream, Direction: Reverse}} {
		ctx, cancel := context.WithCancel(t.Context())
		s := &Server{}
		dial := func(context.Context) (*socket.Socket, error) {
			a, b, err := socket.Pair(socket.Unix, socket.Stream, 0)
			go func() { defer b.Close(); s.Handle(ctx, b) }()
			return a, err
		}
		mode.Duration, mode.WarmUp, mode.Interval, mode.Patience = time.Hour, -1, 20*time.Millisecond, 20*time.Second
		mode.OnInterval = func(Interval) { cancel() }
		if r, err := Run(t.Context(), dial, mode); err == nil {
			t.Errorf("%+v: the run goes on without a server: %+v", mode, r)
		}
		cancel()
	}
}

// TestManyClients serves several runs at once, each with its own figures.
func TestManyClients(t *testing.T) {
	for _, text := range []string{"tcp:127.0.0.1:0", "unix-dgram:" + t.TempDir() + "/d"} {
		dial := serve(t, &Server{}, text)
		var group sync.WaitGroup
		for i := range 5 {
			group.Go(func() {
				r, err := Run(t.Context(), dial, Options{Mode: Stream, Count: 500, Size: 1000 + i, Verify: true, Patience: 20 * time.Second})
				if err != nil {
					t.Error(err)
					return
				}
				if r.Far.Received.Bytes != r.Near.Sent.Bytes || r.Corrupt() > 0 {
					t.Errorf("%s, client %d: sent %+v, received %+v, %d corrupt", text, i, r.Near.Sent, r.Far.Received, r.Corrupt())
				}
			})
		}
		group.Wait()
	}
}

// TestOutputs sees that every output has the figures and the conditions.
func TestOutputs(t *testing.T) {
	dial := serve(t, &Server{Program: "the server"}, "tcp:127.0.0.1:0")
	for _, o := range []Options{{Mode: Stream, Direction: Both}, {Mode: RoundTrip}, {Mode: AtRate, Rate: 3000}, {Mode: Connect}, {Mode: Loaded}} {
		o.Duration, o.Address, o.Program = 200*time.Millisecond, "tcp:somewhere", "test 1.2"
		r := measure(t, dial, o)
		var text, picture strings.Builder
		if err := errors.Join(r.WriteText(&text, true), WriteSVG(&picture, r)); err != nil {
			t.Fatal(err)
		}
		line, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		var back Result
		if err := json.Unmarshal(line, &back); err != nil {
			t.Errorf("its own JSON is not read: %v", err)
		}
		for name, output := range map[string]string{"text": text.String(), "svg": picture.String(), "json": string(line)} {
			for _, want := range []string{"tcp:somewhere", "test 1.2", r.Conditions.Machine.Kernel, r.Conditions.Machine.Go} {
				if !strings.Contains(output, want) {
					t.Errorf("%s of %s lacks %q:\n%.600s", name, o.Mode, want, output)
				}
			}
		}
		for d := xml.NewDecoder(strings.NewReader(picture.String())); ; {
			if _, err := d.Token(); err == io.EOF {
				break
			} else if err != nil {
				t.Errorf("the picture is no XML: %v", err)
				break
			}
		}
		if strings.Contains(picture.String(), "NaN") || strings.Contains(picture.String(), "Inf") {
			t.Errorf("%s: numbers that are none in the picture", o.Mode)
		}
	}
}

func TestLocal(t *testing.T) {
	var rows []LocalRow
	err := Local(t.Context(), LocalKinds(), Options{Count: 20, Patience: 20 * time.Second, Program: "test"}, func(r LocalRow) { rows = append(rows, r) })
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != len(LocalKinds()) {
		t.Errorf("%d rows of %d kinds", len(rows), len(LocalKinds()))
	}
	for _, r := range rows {
		if r.Stream != nil && r.Stream.Conditions.FarMachine != nil && r.Stream.Conditions.FarMachine.Program != "test" {
			t.Errorf("the server of %s is of the program %q", r.Kind, r.Stream.Conditions.FarMachine.Program)
		}
	}
	var text strings.Builder
	if err := WriteLocal(&text, rows, ThisMachine("test")); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"tcp", "socketpair", "pipe", "memory copy", "CPU/byte"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, text.String())
		}
	}
	if err := Local(t.Context(), []string{"nosuch"}, Options{}, nil); err == nil {
		t.Error("an unknown kind is measured")
	}
}

// TestCompare tells apart what is slow by far.
func TestCompare(t *testing.T) {
	fast := serve(t, &Server{}, "unix:"+t.TempDir()+"/s")
	slow := func(ctx context.Context) (*socket.Socket, error) {
		s, err := fast(ctx)
		if err != nil {
			return nil, err
		}
		return socket.Wrap(slowWriter{s}, s.Kind()), nil
	}
	c, err := Compare(t.Context(), Contender{"fast", fast}, Contender{"slow", slow}, Options{Mode: RoundTrip, Count: 20, Patience: 20 * time.Second}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := c.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	if c.Verdict != Different || c.Ratio < 1 || c.Low <= 1 || !strings.HasPrefix(text.String(), "fast is ") {
		t.Errorf("%s, ratio %.3g (%.3g to %.3g) after %d pairs:\n%s", c.Verdict, c.Ratio, c.Low, c.High, c.Pairs, text.String())
	}
	// Within a bound that passes at once there is one pair, and no verdict.
	c, err = Compare(t.Context(), Contender{"one", fast}, Contender{"other", fast}, Options{Mode: RoundTrip, Count: 5, Patience: 20 * time.Second}, time.Nanosecond)
	if err != nil || c.Verdict != Undecided || c.Pairs != 1 || !strings.Contains(c.Words(), "Undecided: no difference") {
		t.Errorf("%+v, %v", c, err)
	}
}

// A slowWriter waits before each write.
type slowWriter struct{ socket.Endpoint }

func (s slowWriter) Write(b []byte) (int, error) {
	time.Sleep(2 * time.Millisecond)
	return s.Endpoint.Write(b)
}
