package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"zocalo"
	"zocalo/address"
	"zocalo/bench"
	"zocalo/bench/iperf3"
	"zocalo/socket"
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
	size          socketSize
	options       bench.Options
	warmUp        time.Duration

	histogram bool
	csv       bool
	plot      string
	maxTime   time.Duration
	shorter   bool // --interval was given: a line for each
}

// socketSize is a size as the address language writes it.
type socketSize int64

func (s *socketSize) Set(text string) error {
	n, err := socket.ParseSize(text)
	*s = socketSize(n)
	return err
}

func (s *socketSize) String() string { return socket.FormatSize(int64(*s)) }
func (s *socketSize) Type() string   { return "size" }

func (a *app) benchVerb() *cobra.Command {
	b := &benching{app: a}
	cmd := &cobra.Command{
		Use:   "bench [ADDRESS]",
		Short: "Measure any socket: throughput, round trips, connections, loss",
		Long: `bench measures the socket at ADDRESS, of any kind, against 'zocalo bench --serve
ADDRESS' at the other end or, for round trips and connections, any echo server.
Without a mode it measures round trips and then throughput. Without an address
it measures every kind of socket on this machine, beside a pipe and a copy in
memory.

iperf3:HOST speaks iperf3's protocol: with any server of that, and with --serve
to any of its clients, many at once.

It prints what both ends counted, percentiles as far as there are samples for
them, what the processor spent, and the conditions of the run. A note says what
a reader must know: that both ends disagree, or that the generator itself was
the bottleneck. docs/bench.md says what each figure means.

Exit status 1 says that it could not be measured, or that content arrived
changed; 130 that it was interrupted: the figures are then of what there was.`,
		Example: `  zocalo bench
  zocalo bench --serve tcp:any:5201 udp:any:5201
  zocalo bench tcp:host:5201 --stream --flows 4 --duration 30s
  zocalo bench tcp:host:7 --round-trip --histogram
  zocalo bench tcp:host:5201 --rate 5000 --plot latency.svg
  zocalo bench udp:host:5201 --stream --rate 10000 --size 1200
  zocalo bench iperf3:host --reverse --flows 4
  zocalo bench iperf3:host,udp,rate=100M --size 1400
  zocalo bench --serve iperf3:any
  zocalo bench tcp:host:5201 --against tcp:host:5201,nodelay --round-trip
  zocalo bench --relay 'socat TCP-LISTEN:{from.port},fork TCP:{to.host}:{to.port}'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			b.shorter = cmd.Flags().Changed("interval")
			return b.run(cmd, args)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&b.serve, "serve", false, "be the other end, on any number of addresses")
	f.BoolVar(&b.stream, "stream", false, "measure throughput")
	f.BoolVar(&b.roundTrip, "round-trip", false, "measure requests and answers, each request after the answer before")
	f.Float64Var(&b.rate, "rate", 0, "measure requests sent at this fixed rate a second, counted from when each was due; with --stream, messages")
	f.BoolVar(&b.connect, "connect", false, "measure how long connecting takes")
	f.BoolVar(&b.loaded, "loaded", false, "measure round trips without, then with, a stream beside them")
	f.StringVar(&b.relay, "relay", "", "measure what this `COMMAND` costs as a relay: {from} is where it listens, {to} where it connects")
	f.StringVar(&b.against, "against", "", "compare with this `ADDRESS`, in alternating runs")
	f.BoolVar(&b.reverse, "reverse", false, "the server sends the stream")
	f.BoolVar(&b.both, "both", false, "both ends send")
	f.IntVarP(&b.options.Flows, "flows", "P", 1, "sockets at once")
	f.VarP(&b.size, "size", "s", "octets of a message or a write (default 128KiB, 64 for round trips, what the kind takes where it keeps messages)")
	f.IntVar(&b.options.Depth, "depth", 1, "requests under way at once on each flow")
	f.IntVar(&b.options.Batch, "batch", 0, "messages given to the system at once, where there are no connections (default 64, or 1 with a rate)")
	f.BoolVar(&b.options.Verify, "verify", false, "check the content of all that arrives")
	f.DurationVarP(&b.options.Duration, "duration", "t", 0, "how long to measure (default 10s)")
	f.Int64VarP(&b.options.Count, "count", "n", 0, "how many messages, requests or connections to measure")
	f.DurationVar(&b.warmUp, "warm-up", 0, "what comes before and is not measured (default a twentieth of the duration, at most 500ms; none with --count)")
	f.DurationVarP(&b.options.Interval, "interval", "i", 0, "print a line for each interval")
	f.DurationVar(&b.options.Patience, "patience", 5*time.Second, "how long to wait for an end that says nothing")
	f.BoolVar(&b.histogram, "histogram", false, "draw the distribution of times")
	f.BoolVar(&b.csv, "csv", false, "print results as CSV, a figure a line")
	f.StringVar(&b.plot, "plot", "", "draw percentiles, and how it went over time, into this `FILE.svg`")
	f.DurationVar(&b.maxTime, "max-time", time.Minute, "end a comparison after so long, decided or not")
	b.serving.flags(cmd)
	return cmd
}

// run does what the flags ask for.
func (b *benching) run(cmd *cobra.Command, args []string) error {
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
		return usagef("%d addresses: give one, and another with --against", len(args))
	case b.relay != "":
		return b.relayCost(ctx, args)
	case len(args) == 0 && b.against != "":
		return usagef("--against compares with an address, which is missing")
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
		return usagef("%s exclude each other: give one", strings.Join(modes, " and "))
	case b.reverse && b.both:
		return usagef("--reverse and --both exclude each other: give one")
	case b.csv && b.json:
		return usagef("--csv and --json exclude each other: give one")
	case cmd.Flags().Changed("rate") && !(b.rate > 0):
		return usagef("--rate %v: it must be more than 0", b.rate)
	case cmd.Flags().Changed("duration") && b.options.Duration <= 0, b.options.Duration < 0:
		return usagef("--duration %v: it must be more than 0", b.options.Duration)
	case cmd.Flags().Changed("count") && b.options.Count <= 0:
		return usagef("--count %d: it must be at least 1", b.options.Count)
	case b.options.Flows < 1:
		return usagef("--flows %d: it must be at least 1", b.options.Flows)
	case b.options.Depth < 1:
		return usagef("--depth %d: it must be at least 1", b.options.Depth)
	case cmd.Flags().Changed("size") && b.size < 1:
		return usagef("--size %v: it must be at least 1", &b.size)
	case b.options.Interval < 0 || b.warmUp < 0 || b.options.Patience <= 0:
		return usagef("a time must not be negative, and --patience must be more than 0")
	}
	for _, flag := range []string{"max-conns", "drain", "allow", "deny"} {
		if cmd.Flags().Changed(flag) {
			return usagef("--%s is for --serve", flag)
		}
	}
	if b.relay != "" && b.against != "" {
		return usagef("--relay and --against exclude each other: give one")
	}
	if b.relay != "" || b.against != "" {
		for _, flag := range []string{"histogram", "csv", "plot", "interval"} {
			if cmd.Flags().Changed(flag) {
				return usagef("--%s shows one run, and --against and --relay make many", flag)
			}
		}
		if b.maxTime <= 0 {
			return usagef("--max-time %v: it must be more than 0", b.maxTime)
		}
	}
	if cmd.Flags().Changed("max-time") && b.against == "" && b.relay == "" {
		return usagef("--max-time is for --against and --relay")
	}
	o := &b.options
	o.Rate, o.Size, o.WarmUp, o.Program = b.rate, int(b.size), b.warmUp, "zocalo "+version
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
	a, err := address.Parse(text)
	if err != nil {
		return usageError{err}
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
		o.OnInterval = b.interval
		if len(modes) > 1 && mode == bench.Stream {
			o.Depth = 1
		}
		r, err := bench.Run(ctx, dialling(a), o)
		b.endLive()
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return b.nothing(ctx)
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

// dialling connects to an address, again and again.
func dialling(a address.Address) bench.Dial {
	return func(ctx context.Context) (*socket.Socket, error) { return zocalo.DialAddress(ctx, a) }
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
	for i, r := range results {
		if err := b.printResult(r, i > 0); err != nil {
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
		b.sayf("zocalo: interrupted: the figures are of what there was until then")
		return interruption(ctx)
	}
	if status != statusOK {
		return statusError(status)
	}
	return nil
}

func (b *benching) printResult(r *bench.Result, again bool) error {
	switch {
	case b.json:
		return b.printJSON(r)
	case b.csv:
		var text strings.Builder
		if err := r.WriteCSV(&text, !again); err != nil {
			return err
		}
		return b.print(text.String())
	}
	var text strings.Builder
	if again {
		text.WriteString("\n")
	}
	if err := r.WriteText(&text, b.histogram); err != nil {
		return err
	}
	return b.print(text.String())
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
