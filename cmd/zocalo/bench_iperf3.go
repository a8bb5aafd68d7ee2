package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"zocalo/address"
	"zocalo/bench"
	"zocalo/bench/iperf3"
	"zocalo/server"
	"zocalo/socket"
)

// iperf3Flags are those that mean nothing against a server of iperf3, whose
// protocol moves data and does nothing else.
var iperf3Flags = []string{"round-trip", "connect", "loaded", "relay", "against", "depth", "batch", "verify", "patience", "histogram"}

// measureIperf3 measures against a server of iperf3.
func (b *benching) measureIperf3(ctx context.Context, cmd *cobra.Command, text string) error {
	for _, flag := range iperf3Flags {
		if cmd.Flags().Changed(flag) {
			return usagef("--%s has no meaning with %s: its protocol moves data, and does nothing else", flag, text)
		}
	}
	tcp, test, err := iperf3.ParseAddress(text, false)
	if err != nil {
		return usageError{err}
	}
	o := &b.options
	test.Direction, test.Flows, test.Size, test.Interval = o.Direction, o.Flows, o.Size, o.Interval
	test.Duration, test.Blocks = o.Duration, o.Count
	if test.Octets > 0 && (test.Duration > 0 || test.Blocks > 0) || test.Duration > 0 && test.Blocks > 0 {
		return usagef("octets=, --count and --duration each end the test: give one")
	}
	test.SetWarmUp(b.warmUp)
	if o.Rate > 0 {
		if test.Size == 0 {
			return usagef("--rate %v of messages needs --size with %s: or give bits a second, as %s,rate=10M", o.Rate, text, text)
		}
		test.Rate = int64(o.Rate * float64(test.Size) * 8 / float64(test.Flows))
	}
	if test.Interval > 0 && test.Interval < bench.MinInterval {
		return usagef("intervals of %v: at least %v", test.Interval, bench.MinInterval)
	}
	if err := test.Check(); err != nil {
		return usageError{err}
	}
	if _, err := address.Parse(tcp); err != nil {
		return usageError{err}
	}
	if test.Interval == 0 && !b.quiet && b.liveWidth() > 0 {
		test.Interval = time.Second
	}
	c := &iperf3.Client{Address: tcp, Test: test, OnInterval: b.interval}
	report, err := c.Run(ctx)
	b.endLive()
	switch {
	case report == nil && ctx.Err() != nil:
		return b.nothing(ctx)
	case err != nil && (report == nil || ctx.Err() == nil):
		return wrongUsage(err)
	}
	if report.Output != "" && !b.json && !b.csv {
		b.sayf("the server printed:\n%s", report.Output)
	}
	return b.finish(ctx, []*bench.Result{report.Result(text, o.Program)})
}

// serveIperf3 is a server of iperf3 on an address, with what ends it at once.
func (b *benching) serveIperf3(ctx context.Context, text string) (serve func() error, abort func(), l *passive, err error) {
	tcp, _, err := iperf3.ParseAddress(text, true)
	if err != nil {
		return nil, nil, nil, usageError{err}
	}
	bounds, err := b.serving.server(b.app, nil)
	if err != nil {
		return nil, nil, nil, err
	}
	if l, err = b.listenOn(ctx, tcp); err != nil {
		return nil, nil, nil, err
	}
	if err := b.checkLists(bounds, l.kinds()...); err != nil {
		l.Close()
		return nil, nil, nil, err
	}
	s := &iperf3.Server{MaxConns: bounds.MaxConns, Allow: bounds.Allow, Deny: bounds.Deny, Log: b.log, OnTest: b.servedIperf3}
	return func() error { return s.Serve(ctx, server.Listener(l)) }, s.Abort, l, nil
}

// servedIperf3 says how a client's test went.
func (b *benching) servedIperf3(client socket.Name, r *iperf3.Report, err error) {
	if r == nil || b.quiet {
		return
	}
	end := ""
	if err != nil {
		end = ", and ended early"
	}
	if t := r.Near.Received(); t.Octets > 0 {
		b.sayf("%v sent %s in %s, %s%s", client, socket.FormatSize(t.Octets), bench.TimeText(t.Elapsed), bench.RateText(t.BitsPerSecond()), end)
	}
	if t := r.Near.Sent(); t.Octets > 0 {
		b.sayf("%v was sent %s in %s, %s%s", client, socket.FormatSize(t.Octets), bench.TimeText(t.Elapsed), bench.RateText(t.BitsPerSecond()), end)
	}
}
