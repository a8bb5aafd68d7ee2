package iperf3

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"zocalo"
	"zocalo/address"
	"zocalo/bench"
	"zocalo/internal/testenv"
	"zocalo/server"
	"zocalo/socket"
)

// parsed is the address that a text is.
func parsed(text string) address.Address {
	a, err := address.Parse(text)
	if err != nil {
		panic(err)
	}
	return a
}

// Several stock clients at once, over TCP and UDP, which a stock server would
// turn away.
func TestSeveralStockClients(t *testing.T) {
	n, told := serveOn(t, &Server{}, "tcp:127.0.0.1:0")
	all := []string{"-t 1 -b 20M", "-t 1 -b 20M -R", "-u -t 1 -b 1M -l 1000 -P 2", "-u -t 1 -b 1M -l 1000 -R", "-t 1 -b 20M --bidir", "-u -t 1 -b 1M -l 1000"}
	untilAgreed(t, func() (problem string) {
		var wait sync.WaitGroup
		for _, args := range all {
			wait.Go(func() {
				if _, err := stockClient(t, n, strings.Fields(args)...); err != nil {
					t.Errorf("%s: %v", args, err)
				}
			})
		}
		wait.Wait()
		for range all {
			e := next(t, told)
			if e.err != nil {
				t.Error(e.err)
			}
			problem += checkEnds(e.report)
		}
		return problem
	})
}

// Tests in which nothing moves do not keep others out.
func TestSilentTestsGiveWay(t *testing.T) {
	n, told := serveOn(t, &Server{MaxTests: 2}, "tcp:127.0.0.1:0")
	for range 2 {
		silent := strangerOn(t, n)
		c := newCookie()
		silent.write(t, c[:])
		silent.state(t, paramExchange)
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		_, err := (&Client{Address: parsed("tcp:" + n.String()), Test: Test{Bytes: 1000}}).Run(t.Context())
		if err == nil {
			break
		}
		if !strings.Contains(err.Error(), "busy") || time.Now().After(end) {
			t.Fatal(err)
		}
	}
	if e := next(t, told); !errors.Is(e.err, errSilent) && e.err != nil {
		t.Errorf("the first end is %v", e.err)
	}
}

func TestBusy(t *testing.T) {
	n, told := serveOn(t, &Server{MaxTests: 1}, "tcp:127.0.0.1:0")
	first := strangerOn(t, n)
	c := newCookie()
	first.write(t, c[:])
	first.state(t, paramExchange)
	_, err := (&Client{Address: parsed("tcp:" + n.String())}).Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "busy") {
		t.Errorf("the second client got %v", err)
	}
	if _, err := stockClient(t, n, "-t", "1"); err == nil || !strings.Contains(err.Error(), "busy") {
		t.Errorf("the stock client got %v", err)
	}
	first.s.Close()
	next(t, told)
	if _, err := stockClient(t, n, "-n", "1M"); err != nil {
		t.Errorf("once the first was gone: %v", err)
	}
}

// The flows of datagrams of all tests are bounded, which no listener does.
func TestTooManyDatagramFlows(t *testing.T) {
	n, told := serveOn(t, &Server{MaxConns: 4}, "tcp:127.0.0.1:0")
	ask := func() stranger {
		p := strangerOn(t, n)
		c := newCookie()
		p.write(t, c[:])
		p.state(t, paramExchange)
		p.json(t, `{"udp":true,"parallel":3,"len":1000,"time":1,"bandwidth":100000}`)
		return p
	}
	first := ask()
	first.state(t, createStreams)
	if second := ask(); second.refused(t) != codeFlows {
		t.Error("the second was refused for something else")
	} else {
		second.s.Close()
	}
	first.s.Close()
	next(t, told)
	next(t, told)
	third := ask() // those of the first are given back
	third.state(t, createStreams)
	third.s.Close()
	next(t, told)
}

// A stranger is a client that speaks for itself.
type stranger struct{ s *socket.Socket }

func strangerOn(t *testing.T, n socket.Name) stranger {
	t.Helper()
	s, err := zocalo.Dial(t.Context(), "tcp:"+n.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	s.SetDeadline(time.Now().Add(patience))
	return stranger{s}
}

func (p stranger) write(t *testing.T, b []byte) {
	t.Helper()
	if _, err := p.s.Write(b); err != nil {
		t.Fatal(err)
	}
}

func (p stranger) json(t *testing.T, text string) {
	t.Helper()
	p.write(t, append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...))
}

func (p stranger) state(t *testing.T, want state) {
	t.Helper()
	var b [1]byte
	if _, err := io.ReadFull(p.s, b[:]); err != nil || state(b[0]) != want {
		t.Fatalf("%v, %v; want %v", state(b[0]), err, want)
	}
}

// refused reads the code of an error.
func (p stranger) refused(t *testing.T) int {
	t.Helper()
	p.state(t, serverError)
	var b [8]byte
	if _, err := io.ReadFull(p.s, b[:]); err != nil {
		t.Fatal(err)
	}
	return int(binary.BigEndian.Uint32(b[:]))
}

func TestParametersRefused(t *testing.T) {
	n, told := serveOn(t, &Server{}, "tcp:127.0.0.1:0")
	for text, code := range map[string]int{
		`nonsense`: codeParameters,
		`{"tcp":true,"parallel":1,"len":1000,"time":"soon"}`:                                  codeParameters,
		`{"tcp":true,"parallel":129,"len":1000,"time":1}`:                                     codeFlows,
		`{"tcp":true,"parallel":-1,"len":1000,"time":1}`:                                      codeFlows,
		`{"tcp":true,"parallel":1e300,"len":1000,"time":1}`:                                   codeParameters,
		`{"tcp":true,"parallel":1,"len":2000000,"time":1}`:                                    codeBlockSize,
		`{"udp":true,"parallel":1,"len":15,"time":1}`:                                         codeUDPBlockSize,
		`{"udp":true,"parallel":1,"len":65508,"time":1}`:                                      codeUDPBlockSize,
		`{"tcp":true,"parallel":1,"len":1000,"time":86401}`:                                   codeDuration,
		`{"tcp":true,"parallel":1,"len":1000,"time":18446744073709551615}`:                    codeDuration,
		`{"tcp":true,"parallel":1,"len":1000,"time":1,"omit":-1}`:                             codeOmit,
		`{"tcp":true,"parallel":1,"len":1000,"time":1,"window":1000000000}`:                   codeWindow,
		`{"tcp":true,"parallel":1,"len":1000,"time":1,"MSS":10000}`:                           codeSegment,
		`{"tcp":true,"parallel":1,"len":1000,"time":1,"TOS":256}`:                             codeTOS,
		`{"tcp":true,"parallel":1,"len":1000,"time":1,"burst":1001}`:                          codeBurst,
		`{"sctp":true,"parallel":1,"len":1000,"time":1}`:                                      18,
		`{"tcp":true,"parallel":1,"len":1000,"reverse":1,"bidirectional":1}`:                  25,
		`{"tcp":true,"parallel":1,"len":1000,"num":-5}`:                                       codeParameters,
		`{"tcp":true,"parallel":1,"len":1000,"congestion":"` + strings.Repeat("x", 16) + `"}`: codeParameters,
	} {
		p := strangerOn(t, n)
		c := newCookie()
		p.write(t, c[:])
		p.state(t, paramExchange)
		p.json(t, text)
		if got := p.refused(t); got != code {
			t.Errorf("%s: code %d, want %d", text, got, code)
		}
		p.s.Close()
		if e := next(t, told); e.err == nil || e.report != nil {
			t.Errorf("%s: %+v", text, e)
		}
	}
}

// The stock client prints why we refuse: the numbers are iperf3's.
func TestStockReadsRefusal(t *testing.T) {
	n, told := serveOn(t, &Server{}, "tcp:127.0.0.1:0")
	_, err := stockClient(t, n, "-t", "1", "--sctp")
	if err == nil || !strings.Contains(err.Error(), "no SCTP support") {
		t.Error(err)
	}
	if e := next(t, told); e.err == nil || !strings.Contains(e.err.Error(), "SCTP") {
		t.Error(e.err)
	}
}

// What is too long is refused before it is read.
func TestAnnouncedLength(t *testing.T) {
	n, told := serveOn(t, &Server{}, "tcp:127.0.0.1:0")
	p := strangerOn(t, n)
	c := newCookie()
	p.write(t, c[:])
	p.state(t, paramExchange)
	p.write(t, []byte{0xff, 0xff, 0xff, 0xff})
	if got := p.refused(t); got != codeParameters {
		t.Errorf("code %d", got)
	}
	p.s.Close()
	if e := next(t, told); e.err == nil || !strings.Contains(e.err.Error(), "4294967295 bytes are announced") {
		t.Error(e.err)
	}
}

// A client that vanishes ends its test and nothing else, wherever it was.
func TestClientVanishes(t *testing.T) {
	n, told := serveOn(t, &Server{}, "tcp:127.0.0.1:0")
	for _, at := range []string{"parameters", "flows", "datagrams", "running"} {
		t.Run(at, func(t *testing.T) {
			c := newCookie()
			p := strangerOn(t, n)
			p.write(t, c[:])
			p.state(t, paramExchange)
			switch at {
			case "flows":
				p.json(t, `{"tcp":true,"parallel":2,"len":1000,"time":100}`)
				p.state(t, createStreams)
			case "datagrams":
				p.json(t, `{"udp":true,"parallel":2,"len":1000,"time":100}`)
				p.state(t, createStreams)
			case "running":
				p.json(t, `{"tcp":true,"parallel":1,"len":1000,"time":100,"reverse":true}`)
				p.state(t, createStreams)
				strangerOn(t, n).write(t, c[:])
				p.state(t, testStart)
				p.state(t, testRunning)
			}
			p.s.Abort()
			if e := next(t, told); e.err == nil {
				t.Error("the server noticed nothing")
			}
		})
	}
	if _, err := (&Client{Address: parsed("tcp:" + n.String()), Test: Test{Bytes: 1000}}).Run(t.Context()); err != nil {
		t.Error(err)
	}
}

// A stock client that is killed is as any that vanishes.
func TestStockClientKilled(t *testing.T) {
	program := testenv.Program(t, "iperf3")
	n, told := serveOn(t, &Server{}, "tcp:127.0.0.1:0")
	for _, args := range []string{"", "-R", "-u", "-u -R", "--bidir"} {
		at := n.AddrPort()
		c := exec.Command(program, append([]string{"-c", at.Addr().String(), "-p", fmt.Sprint(at.Port()), "-t", "100", "--forceflush", "-b", "1M", "-i", "0.1"}, strings.Fields(args)...)...)
		out := &testenv.Journal{}
		c.Stdout = out
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(patience); !strings.Contains(out.String(), "bits/sec") && time.Now().Before(end); {
			time.Sleep(10 * time.Millisecond)
		}
		c.Process.Kill()
		c.Wait()
		if e := next(t, told); e.err == nil || e.report == nil || !e.report.Interrupted {
			t.Errorf("%s: %+v", args, e)
		}
	}
}

// A stock server that is killed ends our client's test with an error.
func TestServerVanishes(t *testing.T) {
	for _, test := range []Test{{}, {Direction: bench.Reverse}, {UDP: true, Size: 1000}} {
		test.Duration, test.Interval, test.Rate = 100*time.Second, 50*time.Millisecond, 1e6
		server := stockServer(t)
		c := &Client{Address: parsed(server.address), Test: test, OnInterval: func(bench.Interval) { server.kill() }}
		r, err := c.Run(t.Context())
		if err == nil || r == nil || r.Far != nil {
			t.Errorf("%+v, %v\n%s", r, err, server.output())
		}
	}
}

// The end of its context ends a client's test, at once and with what it found.
func TestInterrupted(t *testing.T) {
	n, told := serveOn(t, &Server{}, "tcp:127.0.0.1:0")
	ctx, stop := context.WithCancel(t.Context())
	c := &Client{Address: parsed("tcp:" + n.String()), Test: Test{Duration: 100 * time.Second, Rate: rated, Interval: 50 * time.Millisecond}}
	c.OnInterval = func(bench.Interval) { stop() }
	r, err := c.Run(ctx)
	if !errors.Is(err, context.Canceled) || r == nil || !r.Interrupted || r.Near.Sent().Bytes == 0 {
		t.Errorf("%+v, %v", r, err)
	}
	if e := next(t, told); e.err == nil || !strings.Contains(e.err.Error(), "client was stopped") {
		t.Errorf("the server says %v", e.err)
	}
}

// A client that waits for a whole block after the end of the test, as iperf3's
// does, is told that the stream is over.
func TestStreamsEnd(t *testing.T) {
	n, told := serveOn(t, &Server{}, "tcp:127.0.0.1:0")
	p := strangerOn(t, n)
	c := newCookie()
	p.write(t, c[:])
	p.state(t, paramExchange)
	p.json(t, `{"tcp":true,"parallel":1,"len":131072,"time":100,"reverse":true}`)
	p.state(t, createStreams)
	flow := strangerOn(t, n)
	flow.write(t, c[:])
	p.state(t, testStart)
	p.state(t, testRunning)
	if _, err := io.CopyN(io.Discard, flow.s, 1000); err != nil {
		t.Fatal(err)
	}
	end := testEnd
	p.write(t, []byte{byte(end)})
	if _, err := io.Copy(io.Discard, flow.s); err != nil {
		t.Error(err)
	}
	p.state(t, exchangeResults)
	p.s.Close()
	next(t, told)
}

// A server that ends tells the clients of the tests that run.
func TestServerEnds(t *testing.T) {
	l, err := zocalo.Listen(t.Context(), "tcp:127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- new(Server).Serve(ctx, server.Listener(l)) }()
	c := &Client{Address: parsed("tcp:" + l.Name().String()), Test: Test{Duration: 100 * time.Second, Rate: rated, Interval: 50 * time.Millisecond}}
	c.OnInterval = func(bench.Interval) { stop() }
	r, err := c.Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "the server was stopped") || r == nil {
		t.Errorf("%+v, %v", r, err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Over IPv6, and over kinds that iperf3 knows nothing of.
func TestOtherKinds(t *testing.T) {
	for _, where := range []string{"tcp6:[::1]:0", "mptcp:127.0.0.1:0", "unix:" + t.TempDir() + "/s"} {
		n, _ := serveOn(t, &Server{}, where)
		scheme, _, _ := strings.Cut(where, ":")
		for _, direction := range []bench.Direction{bench.Forward, bench.Both} {
			untilAgreed(t, func() string {
				r, err := (&Client{Address: parsed(scheme + ":" + n.String()), Test: Test{Duration: 200 * time.Millisecond, Rate: rated, Direction: direction}}).Run(t.Context())
				if err != nil {
					t.Fatalf("%s: %v", where, err)
				}
				return checkEnds(r)
			})
		}
		_, err := (&Client{Address: parsed(scheme + ":" + n.String()), Test: Test{UDP: true, Bytes: 100000, Rate: rated}}).Run(t.Context())
		if (err != nil) != (scheme == "unix") {
			t.Errorf("datagrams beside %s: %v", where, err)
		}
	}
}
