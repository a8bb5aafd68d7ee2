package iperf3

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"zocalo/bench"
)

// agree reports two ends' figures that are not within 5 % of each other.
func agree(what string, sent, received int64) (problem string) {
	if sent <= 0 || received <= 0 {
		return fmt.Sprintf("%s: %d sent, %d received; ", what, sent, received)
	}
	if d := float64(sent-received) / float64(sent); d > 0.05 || d < -0.05 {
		return fmt.Sprintf("%s: %d sent and %d received, which differ by %.1f %%; ", what, sent, received, 100*d)
	}
	return ""
}

// attempts is how often a test runs until both ends agree. What is under way
// when time is over is more than 5 % where a machine under load leaves a
// process waiting for a tenth of a second; an end that counts wrong does so
// each time.
const attempts = 6

// untilAgreed runs a test until it reports no problem.
func untilAgreed(t *testing.T, run func() (problem string)) {
	t.Helper()
	var problem string
	for range attempts {
		if problem = run(); problem == "" || t.Failed() {
			return
		}
		t.Log(problem)
	}
	t.Error(problem)
}

// perSecond is what a flow moved in a second of its own time, since the ends of
// a test that time ends do not stop at the same moment; of another test, all.
func perSecond(r *Report, f Flow, n int64) int64 {
	if r.Test.counted() || f.Elapsed <= 0 {
		return n
	}
	return int64(float64(n) / f.Elapsed.Seconds())
}

// checkEnds compares what both ends found.
func checkEnds(r *Report) (problem string) {
	if r == nil || r.Far == nil {
		return fmt.Sprintf("no figures of both ends: %+v", r)
	}
	for i, near := range r.Near.Flows {
		sent, received := near, r.Far.Flows[i]
		if received.Sends {
			sent, received = received, sent
		}
		if !r.Test.UDP && r.Test.Blocks > 0 && sent.Bytes+received.Bytes == 0 {
			continue // the other flow had sent all of it before
		}
		if !r.Test.UDP {
			problem += agree(fmt.Sprintf("flow %d", near.ID), perSecond(r, sent, sent.Bytes), perSecond(r, received, received.Bytes))
			continue
		}
		// A machine under load may lose datagrams; then both ends must agree on
		// how many.
		problem += agree(fmt.Sprintf("datagrams of flow %d", near.ID), perSecond(r, sent, sent.Packets), perSecond(r, received, received.Packets))
		if got := (received.Packets - received.Lost) * int64(r.Test.Size); got != received.Bytes {
			problem += fmt.Sprintf("flow %d: %d bytes in %d datagrams less %d; ", near.ID, received.Bytes, received.Packets, received.Lost)
		}
	}
	return problem
}

// rated keeps flows so slow that a loaded machine has time for them.
const rated = 80_000_000

var clientTests = map[string]Test{
	"forward":            {Duration: time.Second, Rate: rated},
	"as fast as it goes": {Duration: time.Second},
	"reverse":            {Duration: time.Second, Direction: bench.Reverse, Rate: rated},
	"both":               {Duration: time.Second, Direction: bench.Both, Rate: rated},
	"flows":              {Duration: time.Second, Flows: 3, Rate: rated},
	"bytes":              {Bytes: 3_000_001},
	"bytes back":         {Bytes: 3 << 20, Direction: bench.Reverse},
	"blocks":             {Blocks: 100, Size: 10000, Flows: 2},
	"options": {Duration: time.Second, Window: 128 << 10, Segment: 1200, NoDelay: true, Congestion: "cubic", TOS: 16,
		Size: 5000, Rate: rated, Burst: 3, ZeroCopy: true, WantsOutput: true},
	"omit":               {Duration: time.Second, Omit: time.Second, Rate: rated, Interval: 250 * time.Millisecond},
	"udp":                {UDP: true, Duration: time.Second, Rate: 8_000_000, Size: 1000},
	"udp 64":             {UDP: true, Duration: time.Second, Rate: 8_000_000, Size: 1000, Counters64: true},
	"udp reverse":        {UDP: true, Duration: time.Second, Rate: 8_000_000, Size: 1000, Direction: bench.Reverse, Flows: 2},
	"udp both":           {UDP: true, Duration: time.Second, Rate: 8_000_000, Size: 1000, Direction: bench.Both, DontCut: true},
	"udp omit":           {UDP: true, Duration: time.Second, Omit: time.Second, Rate: 8_000_000, Size: 1000},
	"udp back omit":      {UDP: true, Duration: time.Second, Omit: time.Second, Rate: 8_000_000, Size: 1000, Direction: bench.Reverse},
	"udp bytes":          {UDP: true, Bytes: 500_000, Rate: 8_000_000, Size: 1000},
	"udp large, default": {UDP: true, Duration: time.Second, Rate: 8_000_000},
}

// Our client against the stock server.
func TestClientToStock(t *testing.T) {
	for name, test := range clientTests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			untilAgreed(t, func() string {
				server := stockServer(t)
				r, err := (&Client{Address: parsed(server.address), Test: test}).Run(t.Context())
				if err != nil {
					t.Fatalf("%v\n%s", err, server.output())
				}
				checkReport(t, r, test)
				if test.Bytes > 0 && test.Direction == bench.Reverse {
					// The stock server sends more than it was asked for, until it
					// hears that the test is over.
					if got := r.Near.Received().Bytes; got < test.Bytes {
						t.Errorf("%d bytes came, want %d", got, test.Bytes)
					}
					return ""
				}
				return checkEnds(r)
			})
		})
	}
}

func checkReport(t *testing.T, r *Report, test Test) {
	t.Helper()
	for _, e := range []*End{&r.Near, r.Far} {
		want := max(test.Flows, 1)
		if test.Direction == bench.Both {
			want *= 2
		}
		if len(e.Flows) != want {
			t.Errorf("%d flows, want %d", len(e.Flows), want)
		}
	}
	if test.Duration > 0 && (r.Elapsed < test.Duration || r.Elapsed > test.Duration+patience/2) {
		t.Errorf("it took %v", r.Elapsed)
	}
	if test.Bytes > 0 && test.Direction != bench.Reverse && r.Near.Sent().Bytes != test.Bytes {
		t.Errorf("%d bytes were sent, want %d", r.Near.Sent().Bytes, test.Bytes)
	}
	if test.Blocks > 0 && r.Near.Sent().Bytes != test.Blocks*int64(test.Size) {
		t.Errorf("%d bytes were sent, want %d blocks of %d", r.Near.Sent().Bytes, test.Blocks, test.Size)
	}
	if !test.UDP && r.Near.Sent().Bytes > 0 && (r.TCP == nil || r.Near.Flows[0].Retransmits < 0) {
		t.Error("nothing from the kernel")
	}
	if test.Congestion != "" && (r.Near.Congestion != test.Congestion || r.Far.Congestion != test.Congestion) {
		t.Errorf("congestion control %s, %s", r.Near.Congestion, r.Far.Congestion)
	}
	if test.WantsOutput && !strings.Contains(r.Output, "sec") {
		t.Errorf("the server printed %q", r.Output)
	}
	if test.Interval > 0 && test.Duration == time.Second && len(r.Intervals) < 4 {
		t.Errorf("intervals: %+v", r.Intervals)
	}
	if test.UDP {
		for _, f := range append(append([]Flow{}, r.Near.Flows...), r.Far.Flows...) {
			if f.Packets <= 0 || !f.Sends && (f.Lost < 0 || f.Lost > f.Packets) {
				t.Errorf("%+v", f)
			}
			if f.Sends && f.Packets*int64(r.Test.Size) != f.Bytes {
				t.Errorf("%d bytes sent in %d datagrams", f.Bytes, f.Packets)
			}
		}
	}
}

// Our client against our server: what both agree on is no proof, but a
// regression shows.
func TestClientToOwn(t *testing.T) {
	n, told := serveOn(t, &Server{}, "tcp:127.0.0.1:0")
	for name, test := range clientTests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.Duration /= 4
			untilAgreed(t, func() string {
				r, err := (&Client{Address: parsed("tcp:" + n.String()), Test: test}).Run(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				checkReport(t, r, test)
				if e := next(t, told); e.err != nil || e.report == nil || e.report.Far == nil {
					t.Errorf("the server's report: %+v", e)
				}
				return checkEnds(r)
			})
		})
	}
}

// The stock client against our server.
func TestStockToServer(t *testing.T) {
	for name, c := range map[string]struct {
		args  string
		both  bool
		udp   bool
		flows int
	}{
		"forward":     {args: "-t 1 -b 80M", flows: 1},
		"fast":        {args: "-t 1", flows: 1},
		"reverse":     {args: "-t 1 -b 80M -R", flows: 1},
		"both":        {args: "-t 1 -b 80M --bidir", both: true, flows: 2},
		"flows":       {args: "-t 1 -b 40M -P 3", flows: 3},
		"flows back":  {args: "-t 1 -b 40M -P 3 -R", flows: 3},
		"bytes":       {args: "-n 3M", flows: 1},
		"bytes back":  {args: "-n 3M -R", flows: 1},
		"blocks":      {args: "-k 50 -l 10000", flows: 1},
		"options":     {args: "-t 1 -b 80M -w 128K -M 1200 -C cubic -Z -S 16 -N -i 0.5", flows: 1},
		"omit":        {args: "-t 1 -b 80M -O 1", flows: 1},
		"output":      {args: "-t 1 -b 80M --get-server-output", flows: 1},
		"udp":         {args: "-u -t 1 -b 8M -l 1000", udp: true, flows: 1},
		"udp default": {args: "-u -t 1", udp: true, flows: 1},
		"udp back":    {args: "-u -t 1 -b 8M -l 1000 -R", udp: true, flows: 1},
		"udp flows":   {args: "-u -t 1 -b 8M -l 1000 -P 3", udp: true, flows: 3},
		"udp both":    {args: "-u -t 1 -b 8M -l 1000 --bidir", udp: true, both: true, flows: 2},
		"udp 64":      {args: "-u -t 1 -b 8M -l 1000 --udp-counters-64bit -O 1", udp: true, flows: 1},
		"udp 64 back": {args: "-u -t 1 -b 8M -l 1000 --udp-counters-64bit -O 1 -R", udp: true, flows: 1},
		"udp bytes":   {args: "-u -n 500K -b 8M -l 1000 -R", udp: true, flows: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n, told := serveOn(t, &Server{}, "tcp:127.0.0.1:0")
			untilAgreed(t, func() (problem string) {
				s, err := stockClient(t, n, strings.Fields(c.args)...)
				if err != nil {
					t.Fatal(err)
				}
				if len(s.End.Streams) != c.flows {
					t.Errorf("%d flows, want %d", len(s.End.Streams), c.flows)
				}
				e := next(t, told)
				if e.err != nil {
					t.Fatal(e.err)
				}
				problem = checkEnds(e.report)
				if c.udp {
					if s.End.Sum.Packets <= 0 || s.End.Sum.Lost > s.End.Sum.Packets || s.End.Sum.Lost < 0 {
						t.Errorf("iperf3 says %+v", s.End.Sum)
					}
				} else {
					problem += agree("as iperf3 prints it", s.End.Sent.Bytes, s.End.Received.Bytes)
					if s.End.Sent.Retransmits == nil {
						t.Error("no retransmits")
					}
				}
				if c.both && !c.udp {
					problem += agree("back, as iperf3 prints it", s.End.BackSent.Bytes, s.End.BackReceived.Bytes)
				}
				if strings.Contains(c.args, "cubic") && (s.End.SenderCC != "cubic" || s.End.ReceiverCC != "cubic") {
					t.Errorf("congestion control %q, %q", s.End.SenderCC, s.End.ReceiverCC)
				}
				if strings.Contains(c.args, "get-server-output") && !strings.Contains(s.Output, "receiver") {
					t.Errorf("our output is %q", s.Output)
				}
				return problem
			})
		})
	}
}
