package main

import (
	"cmp"
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"zocalo/bench"
	"zocalo/bench/iperf3"
	"zocalo/internal/units"
	"zocalo/server"
	"zocalo/socket"
)

// iperf3Flags are those that mean nothing against a server of iperf3, whose
// protocol moves data and does nothing else.
var iperf3Flags = []string{"proxy-from-env", "round-trip", "connect", "loaded", "relay", "against", "depth", "batch", "verify", "histogram"}

// measureIperf3 measures against a server of iperf3.
func (b *benching) measureIperf3(ctx context.Context, cmd *cobra.Command, text string) error {
	if err := refuse(cmd, "does not apply to "+text+": iperf3's protocol only moves data", iperf3Flags...); err != nil {
		return err
	}
	c, err := iperf3.ParseClient(text)
	if err != nil {
		return usageError{err}
	}
	o, test := &b.options, &c.Test
	test.Direction, test.Flows, test.Size, test.Interval = o.Direction, o.Flows, o.Size, o.Interval
	test.Duration, test.Blocks = o.Duration, o.Count
	if test.Endless = b.endless; b.endless {
		test.Duration = 0
	}
	if test.Bytes > 0 && (test.Duration > 0 || test.Blocks > 0) || test.Duration > 0 && test.Blocks > 0 {
		return usagef("bytes=, --count and --duration each end the test: give only one")
	}
	test.SetWarmUp(b.warmUp)
	if o.Rate > 0 {
		if test.Size == 0 {
			return usagef("--rate %v counts messages, and needs --size with %s: or give bits per second, for example %s,rate=10M", o.Rate, text, text)
		}
		test.Rate = int64(o.Rate * float64(test.Size) * 8 / float64(test.Flows))
	}
	if test.Interval > 0 && test.Interval < bench.MinInterval {
		return usagef("--interval %v: it must be at least %s", test.Interval, units.Set(bench.MinInterval))
	}
	if err := test.Check(); err != nil {
		return usageError{err}
	}
	if test.Interval == 0 && !b.quiet && b.liveWidth() > 0 {
		test.Interval = time.Second
	}
	if cmd.Flags().Changed("patience") {
		c.Patience = o.Patience
	}
	c.OnInterval = func(i bench.Interval) { b.interval(bench.Stream, i) }
	report, err := c.Run(ctx)
	b.endLive()
	switch {
	case report == nil && ctx.Err() != nil:
		return b.nothing(ctx)
	case report == nil:
		return wrongUsage(err)
	}
	var failure error // what was measured until then is told all the same
	if ctx.Err() == nil {
		failure = wrongUsage(err)
	}
	if report.Output != "" && !b.json {
		b.sayf("the server printed:")
		for line := range strings.Lines(report.Output) {
			b.sayf("%s", strings.TrimRight(line, "\r\n"))
		}
	}
	if err := b.finish(ctx, []*bench.Result{report.Result(text, o.Program)}); failure == nil {
		return err
	}
	return failure
}

// serveIperf3 is a server of iperf3 on an address, with what ends it at once.
func (b *benching) serveIperf3(ctx context.Context, text string) (serve func() error, abort func(), l *passive, err error) {
	tcp, s, err := iperf3.ParseServer(text)
	if err != nil {
		return nil, nil, nil, usageError{err}
	}
	own, err := b.serving.at(tcp)
	if err != nil {
		return nil, nil, nil, err
	}
	if l, err = b.listenOn(ctx, tcp, &own.Lists, false); err != nil {
		return nil, nil, nil, err
	}
	s.Once = s.Once || b.once
	s.MaxTime, s.MaxRate = cmp.Or(s.MaxTime, b.limitTime), cmp.Or(s.MaxRate, b.limitRate)
	s.MaxConns, s.MaxConnsPerPeer, s.Allow, s.Deny, s.Log, s.OnTest = own.MaxConns, own.MaxPerPeer, own.Allow, own.Deny, b.log, b.servedIperf3
	return func() error { return s.Serve(ctx, server.Listener(l)) }, s.Abort, l, nil
}

// servedIperf3 says how a client's test went.
func (b *benching) servedIperf3(client socket.Name, r *iperf3.Report, err error) {
	if r == nil || b.quiet {
		return
	}
	end := ""
	if err != nil {
		end = ", ended early"
	}
	if t := r.Near.Received(); t.Bytes > 0 {
		b.sayf("%v sent %s in %s, %s%s", client, units.Size(t.Bytes), units.Time(t.Elapsed), units.Rate(t.BitsPerSecond()), end)
	}
	if t := r.Near.Sent(); t.Bytes > 0 {
		b.sayf("%v received %s in %s, %s%s", client, units.Size(t.Bytes), units.Time(t.Elapsed), units.Rate(t.BitsPerSecond()), end)
	}
}
