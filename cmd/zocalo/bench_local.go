package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"zocalo/bench"
)

// local measures every kind of socket on this machine.
func (b *benching) local(ctx context.Context, cmd *cobra.Command) error {
	for _, flag := range []string{"stream", "round-trip", "rate", "connect", "loaded", "reverse", "both", "flows", "depth", "batch", "count", "interval", "histogram", "csv", "plot"} {
		if cmd.Flags().Changed(flag) {
			return usagef("--%s needs an address: without one, every kind is measured in the same way", flag)
		}
	}
	machine := bench.ThisMachine(b.options.Program)
	var rows []bench.LocalRow
	err := bench.Local(ctx, bench.LocalKinds(), b.options, func(r bench.LocalRow) {
		rows = append(rows, r)
		if !b.quiet && b.liveWidth() > 0 {
			b.mu.Lock()
			defer b.mu.Unlock()
			fmt.Fprintf(b.err, "\r%d of %d kinds measured\x1b[K", len(rows), len(bench.LocalKinds()))
		}
	})
	b.endLive()
	if err != nil && ctx.Err() == nil {
		return benchError(err)
	}
	if len(rows) == 0 {
		return b.nothing(ctx)
	}
	if b.json {
		err = b.printJSON(struct {
			Machine bench.Machine    `json:"machine"`
			Kinds   []bench.LocalRow `json:"kinds"`
		}{machine, rows})
	} else {
		var text strings.Builder
		if err = bench.WriteLocal(&text, rows, machine); err == nil {
			err = b.print(text.String())
		}
	}
	switch {
	case err != nil:
		return err
	case ctx.Err() != nil:
		b.sayf("zocalo: interrupted: not every kind was measured")
		return interruption(ctx)
	}
	for _, r := range rows {
		if r.Stream != nil && r.Stream.Corrupt()+r.RoundTrip.Corrupt() > 0 {
			return statusError(statusFailed)
		}
	}
	return nil
}
