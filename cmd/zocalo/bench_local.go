package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"zocalo/bench"
)

// local measures every kind of socket on this machine.
func (b *benching) local(ctx context.Context, cmd *cobra.Command) error {
	if err := refuse(cmd, "needs an address: without one, every kind is measured the same way",
		"proxy-from-env", "stream", "round-trip", "rate", "connect", "loaded", "reverse", "both", "flows", "depth", "batch", "count", "interval", "jsonl", "histogram", "plot"); err != nil {
		return err
	}
	machine := bench.ThisMachine(b.options.Program)
	var rows []bench.LocalRow
	err := bench.Local(ctx, bench.LocalKinds(), b.options, func(r bench.LocalRow) {
		rows = append(rows, r)
		if !b.quiet && b.liveWidth() > 0 {
			b.showLine(fmt.Sprintf("%d of %d kinds measured", len(rows), len(bench.LocalKinds())))
		}
	})
	b.endLive()
	if err != nil && ctx.Err() == nil {
		return benchError(err)
	}
	if len(rows) == 0 {
		return b.nothing(ctx)
	}
	err = b.printResult(struct {
		Machine bench.Machine    `json:"machine"`
		Kinds   []bench.LocalRow `json:"kinds"`
	}{machine, rows}, func(w io.Writer) error { return bench.WriteLocal(w, rows, machine) })
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
