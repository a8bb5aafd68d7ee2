package main

import (
	"context"
	"fmt"

	"zocalo/bench"
	"zocalo/process"
)

// compare compares two addresses, in each of the usual modes or the one that was asked
// for.
func (b *benching) compare(ctx context.Context, first, second string) error {
	var sides [2]bench.Contender
	for i, text := range []string{first, second} {
		a, err := b.address(text)
		if err != nil {
			return err
		}
		sides[i] = bench.Contender{Name: text, Dial: dialling(a)}
	}
	if first == second { // to see what alternating runs make of no difference
		sides[0].Name, sides[1].Name = first+" (first)", second+" (second)"
	}
	modes := []bench.Mode{b.options.Mode}
	if b.options.Mode == "" {
		modes = []bench.Mode{bench.RoundTrip, bench.Stream}
	}
	var found []*bench.Comparison
	for _, mode := range modes {
		o := b.options
		o.Mode = mode
		c, err := bench.Compare(ctx, sides[0], sides[1], o, b.maxTime)
		if err != nil && ctx.Err() != nil {
			break
		}
		if err != nil {
			return benchError(err)
		}
		found = append(found, c)
	}
	if len(found) == 0 {
		return b.nothing(ctx)
	}
	for i, c := range found {
		if err := b.printNext(i, c, c.WriteText); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		b.sayf("zocalo: interrupted: the comparison covers the runs until then")
		return interruption(ctx)
	}
	return nil
}

// relayCost measures what a relay costs.
func (b *benching) relayCost(ctx context.Context, args []string) error {
	words, err := process.Words(b.relay)
	if err != nil {
		return usagef("--relay: %w", err)
	}
	run := bench.RelayRun{Command: words, Time: b.maxTime}
	if len(args) > 0 {
		run.To = args[0]
	}
	cost, err := bench.MeasureRelay(ctx, run, b.options)
	switch {
	case err != nil && ctx.Err() != nil:
		return b.nothing(ctx)
	case err != nil:
		return fmt.Errorf("--relay: %w", benchError(err))
	}
	if err = b.printResult(cost, cost.WriteText); err == nil && cost.Interrupted {
		b.sayf("zocalo: interrupted: the figures cover the run until then")
		err = interruption(ctx)
	}
	return err
}
