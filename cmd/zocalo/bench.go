package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"zocalo/address"
	"zocalo/bench"
	"zocalo/bench/iperf3"
	"zocalo/codec"
	"zocalo/service/verb"
)

// benching is the verb bench.
type benching struct {
	*app
	serving

	serve bool
	// What is measured: one of these, or none for the usual.
	stream, roundTrip, connect, loaded bool
	rate                               float64
	relay, against                     string

	reverse, both bool
	options       bench.Options
	warmUp        time.Duration
	proxy         verb.ProxyFromEnv

	histogram bool
	plot      string
	maxTime   time.Duration
	shorter   bool // --interval was given: a line for each
	jsonl     bool // intervals are lines of JSON, as they end
	endless   bool // until it is interrupted
	once      bool // --serve ends after one client
	limitTime time.Duration
	limitRate int64
}

func (a *app) benchVerb() *cobra.Command {
	b := &benching{app: a}
	cmd := &cobra.Command{
		Use:     "bench [ADDRESS]",
		Aliases: []string{"b"},
		Short:   "Measure any socket: throughput, round trips, connections, loss",
		Long: `bench measures the socket at ADDRESS, of any kind, against 'zocalo bench --serve
ADDRESS' at the other end or, for round trips and connections, any echo server.
Without a mode it measures round trips and then throughput. Without an address
it measures every kind of socket on this machine, along with a pipe and a memory
copy.

iperf3:HOST speaks iperf3's protocol to any iperf3 server; with --serve, it
serves any number of iperf3 clients at once. A stream to a multicast group is
measured at every server that has joined it.

It prints what both ends counted, the percentiles that the samples support, CPU
time, and the conditions of the run. A note warns when the two ends disagree, or
when the generator itself was the bottleneck. docs/bench.md explains each figure.

Exit status 1 means that the measurement failed, or that data arrived corrupted;
130 that it was interrupted: the figures then cover the run until that point.`,
		Example: `  zocalo bench
  zocalo bench --serve tcp:any:5201 udp:any:5201
  zocalo bench tcp:host:5201 --stream --flows 4 --duration 30s
  zocalo bench tcp:host:7 --round-trip --histogram
  zocalo bench tcp:host:5201 --rate 5000 --plot latency.svg
  zocalo bench udp:host:5201 --stream --rate 10000 --size 1200
  zocalo bench iperf3:host --reverse --flows 4
  zocalo bench iperf3:host,udp,rate=100M --size 1400
  zocalo bench --serve iperf3:any --once --limit-time 1m
  zocalo bench udp4:239.1.2.3:5201,multicast-if=eth0 --stream --rate 1000
  zocalo bench tcp:host:5201 --against tcp:host:5201,nodelay --round-trip
  zocalo bench --relay 'socat TCP-L:{from.port},fork TCP:{to.host}:{to.port}'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			b.shorter = cmd.Flags().Changed("interval")
			return b.run(cmd, args)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&b.serve, "serve", false, "be the server, on any number of addresses")
	f.BoolVar(&b.stream, "stream", false, "measure throughput")
	f.BoolVar(&b.roundTrip, "round-trip", false, "measure round trips: each request waits for the previous answer")
	f.Float64Var(&b.rate, "rate", 0, "send this many requests per second, each timed from when it was due; with --stream, messages")
	f.BoolVar(&b.connect, "connect", false, "measure connection setup time")
	f.BoolVar(&b.loaded, "loaded", false, "measure round trips on an idle link, then next to a stream")
	f.StringVar(&b.relay, "relay", "", "measure the cost of this relay `COMMAND`: {from} is where it listens, {to} where it connects")
	f.StringVar(&b.against, "against", "", "compare with this `ADDRESS`, in alternating runs")
	f.BoolVar(&b.reverse, "reverse", false, "the server sends the stream")
	f.BoolVar(&b.both, "both", false, "both ends send")
	f.VarP(value(&b.options.Flows, 1, atLeast(1)), "flows", "P", "parallel sockets")
	f.VarP(value(&b.options.Size, 0, codec.AtLeast(codec.Size.Or("size"), 1)), "size", "s", "bytes per message or write (default 128KiB; 64 for round trips; for messages, the most the kind takes)")
	f.Var(value(&b.options.Depth, 1, atLeast(1)), "depth", "requests in flight on each flow")
	f.IntVar(&b.options.Batch, "batch", 0, "datagrams per system call, on connectionless kinds (default 64, or 1 with --rate)")
	f.BoolVar(&b.options.Verify, "verify", false, "check the content of everything received")
	f.VarP(value(&b.options.Duration, 0, benchTime(&b.endless)), "duration", "t", "how long to measure, or forever: until interrupted (default 10s)")
	f.Int64VarP(&b.options.Count, "count", "n", 0, "how many messages, requests or connections to measure")
	f.Var(value(&b.warmUp, 0, aTime), "warm-up", "time to run before measuring (default a twentieth of the duration, at most 500ms; none with --count)")
	f.VarP(value(&b.options.Interval, 0, aTime), "interval", "i", "print a line for each interval")
	f.BoolVar(&b.jsonl, "jsonl", false, "like --json, with each interval on a line of its own as it ends (every second unless --interval says)")
	f.BoolVar(&b.once, "once", false, "with --serve: exit when the first client is done")
	f.Var(value(&b.limitTime, 0, someTime), "limit-time", "with --serve: the longest run")
	f.Var(value(&b.limitRate, 0, bitRate), "limit-rate", "with --serve: bits per second of each flow and direction, or of an iperf3 test, such as 100M")
	f.Var(value(&b.options.Patience, 5*time.Second, someTime), "patience", "how long to wait for a silent peer")
	f.BoolVar(&b.histogram, "histogram", false, "draw the distribution of times")
	f.StringVar(&b.plot, "plot", "", "plot percentiles, and values over time, to this `FILE.svg`")
	f.Var(value(&b.maxTime, time.Minute, someTime), "max-time", "stop a comparison after this long, even if inconclusive")
	declared(cmd, b.proxy.Declare)
	b.serving.flags(cmd)
	return cmd
}

// run does what the flags ask for.
func (b *benching) run(cmd *cobra.Command, args []string) error {
	defer b.tell("bench", nil)()
	if b.serve {
		return b.server(cmd, args)
	}
	if err := b.complete(cmd); err != nil {
		return err
	}
	ctx, stop := interruptible(cmd.Context())
	defer stop()
	switch {
	case len(args) > 1:
		return usagef("%d addresses: give one, and the other with --against", len(args))
	case b.relay != "":
		return b.relayCost(ctx, args)
	case len(args) == 0 && b.against != "":
		return usagef("--against needs an address to compare with")
	case len(args) == 0:
		return b.local(ctx, cmd)
	case b.against != "":
		return b.compare(ctx, args[0], b.against)
	}
	if iperf3.IsAddress(args[0]) {
		return b.measureIperf3(ctx, cmd, args[0])
	}
	return b.measure(ctx, args[0])
}

// complete checks the flags, and makes options of them.
func (b *benching) complete(cmd *cobra.Command) error {
	var modes []string
	for _, m := range []struct {
		on   bool
		flag string
		mode bench.Mode
	}{
		{b.stream, "--stream", bench.Stream}, {b.roundTrip, "--round-trip", bench.RoundTrip}, {b.connect, "--connect", bench.Connect},
		{b.loaded, "--loaded", bench.Loaded}, {cmd.Flags().Changed("rate") && !b.stream, "--rate", bench.AtRate},
	} {
		if m.on {
			modes = append(modes, m.flag)
			b.options.Mode = m.mode
		}
	}
	switch {
	case len(modes) > 1:
		return usagef("%s cannot be combined: give one", strings.Join(modes, " and "))
	case cmd.Flags().Changed("rate") && !(b.rate > 0):
		return usagef("--rate %v: it must be more than 0", b.rate)
	case cmd.Flags().Changed("count") && b.options.Count <= 0:
		return usagef("--count %d: it must be at least 1", b.options.Count)
	}
	many := b.relay != "" || b.against != ""
	if b.jsonl {
		b.json = true
		if b.shorter = true; b.options.Interval == 0 {
			b.options.Interval = time.Second
		}
	}
	why, names := "is for --against and --relay", []string{"max-time"}
	if many {
		why, names = "shows one run, but --against and --relay make many", []string{"histogram", "plot", "interval", "jsonl"}
	}
	for _, err := range []error{
		refuse(cmd, "is for --serve", "max-conns", "drain", "allow", "deny", "once", "limit-time", "limit-rate"), exclusive(cmd, "relay", "against"),
		exclusive(cmd, "reverse", "both"), exclusive(cmd, "relay", "proxy-from-env"), refuse(cmd, why, names...),
	} {
		if err != nil {
			return err
		}
	}
	if err := b.checkPlot(); err != nil {
		return err
	}
	o := &b.options
	o.Rate, o.WarmUp, o.Program = b.rate, b.warmUp, "zocalo "+version
	if cmd.Flags().Changed("warm-up") && b.warmUp == 0 {
		o.WarmUp = -1
	}
	switch {
	case b.reverse:
		o.Direction = bench.Reverse
	case b.both:
		o.Direction = bench.Both
	}
	return nil
}

// measure measures one address, and prints what came out.
func (b *benching) measure(ctx context.Context, text string) error {
	a, err := b.address(text)
	if err != nil {
		return err
	}
	modes := []bench.Mode{b.options.Mode}
	if b.options.Mode == "" {
		modes = []bench.Mode{bench.RoundTrip, bench.Stream}
		if b.options.Direction != "" || b.options.Batch > 0 {
			modes = modes[1:] // what was asked for is a stream
		}
	}
	var results []*bench.Result
	for _, mode := range modes {
		o := b.options
		o.Mode, o.Address = mode, text
		o.OnInterval = func(i bench.Interval) { b.interval(mode, i) }
		if len(modes) > 1 && mode == bench.Stream {
			o.Depth = 1
		}
		r, err := bench.Run(ctx, dialling(a), o)
		b.endLive()
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return b.nothing(ctx)
		case len(modes) > 1 && mode == bench.RoundTrip && errors.Is(err, bench.ErrGroup):
			continue
		case len(results) > 0 && errors.Is(err, bench.ErrNoServer):
			b.sayf("no throughput: %v", err)
			continue
		default:
			return benchError(err)
		}
		results = append(results, r)
		if ctx.Err() != nil {
			break
		}
	}
	return b.finish(ctx, results)
}

// address reads what to measure.
func (b *benching) address(text string) (address.Address, error) {
	a, err := parseAddress(text)
	if err != nil {
		return a, err
	}
	a, err = b.proxy.Through(a)
	return a, asked(err)
}

// benchError makes wrong options mistakes of usage.
func benchError(err error) error {
	var option *bench.OptionError
	if errors.As(err, &option) {
		return usageError{err}
	}
	return wrongUsage(err)
}

// nothing is how a run ends that was interrupted too early.
func (b *benching) nothing(ctx context.Context) error {
	b.sayf("zocalo: interrupted before anything was measured")
	return interruption(ctx)
}

// finish prints the results, and says by the status whether they are whole.
func (b *benching) finish(ctx context.Context, results []*bench.Result) error {
	status := statusOK
	if b.jsonl {
		b.events.flush() // intervals come before their result
	}
	for i, r := range results {
		var v any = r
		if b.jsonl {
			v = resultEvent{"result", r}
		}
		if err := b.printNext(i, v, func(w io.Writer) error { return r.WriteText(w, b.histogram) }); err != nil {
			return err
		}
		if r.Corrupt() > 0 {
			status = statusFailed
		}
	}
	if b.plot != "" {
		if err := b.writePlot(results); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		b.sayf("zocalo: interrupted: the figures cover the run until then")
		return interruption(ctx)
	}
	if status != statusOK {
		return statusError(status)
	}
	return nil
}

// A resultEvent is what --jsonl prints of a run that is over.
type resultEvent struct {
	Event string `json:"event"` // "result"
	*bench.Result
}

// benchTime is how long to measure; it may be without an end.
func benchTime(endless *bool) codec.Codec[time.Duration] {
	c := someTime
	c.Parse = func(text string) (time.Duration, error) {
		if *endless = text == "forever"; *endless {
			return bench.MaxDuration, nil
		}
		return someTime.Parse(text)
	}
	return c
}

// bitRate is bits a second.
var bitRate = codec.Codec[int64]{Placeholder: "BITS", Format: func(n int64) string { return strconv.FormatInt(n, 10) }, Parse: func(text string) (int64, error) {
	n, err := iperf3.ParseRate(text)
	if err == nil && n == 0 {
		err = errors.New("it must be more than 0")
	}
	return n, err
}}

// printNext prints the i-th result, after an empty line if it is not the first.
func (b *benching) printNext(i int, v any, write func(io.Writer) error) error {
	return b.printResult(v, func(w io.Writer) error {
		if i > 0 {
			io.WriteString(w, "\n")
		}
		return write(w)
	})
}

// checkPlot refuses a file that could not be drawn into, before the run.
func (b *benching) checkPlot() error {
	if b.plot == "" {
		return nil
	}
	if ext := filepath.Ext(b.plot); ext != ".svg" {
		return usagef("--plot %s: it draws SVG: write a name that ends in .svg", b.plot)
	}
	return checkOutput("--plot", b.plot)
}

// checkOutput refuses a flag's file that could not be written later, and changes none.
func checkOutput(flag, path string) error {
	if info, err := os.Stat(path); err == nil && !info.IsDir() && !info.Mode().IsRegular() {
		return nil // the reader of a named pipe would take the look for all there is
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		f, err = os.CreateTemp(filepath.Dir(path), ".zocalo") // whether one can be made
		if err == nil {
			defer os.Remove(f.Name())
		}
	}
	if err != nil {
		var cause *fs.PathError
		if errors.As(err, &cause) {
			err = cause.Err
		}
		return usagef("%s %s: %w: give a file in an existing folder that you can write to", flag, path, err)
	}
	return f.Close()
}

// writePlot draws the results into the file.
func (b *benching) writePlot(results []*bench.Result) error {
	var text strings.Builder
	if err := bench.WriteSVG(&text, results...); err != nil {
		return err
	}
	if err := os.WriteFile(b.plot, []byte(text.String()), 0o666); err != nil {
		return fmt.Errorf("--plot: %w", err)
	}
	return nil
}
