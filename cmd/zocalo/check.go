package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"zocalo/check"
	"zocalo/internal/units"
)

func (a *app) checkVerb() *cobra.Command {
	var figures bool
	var properties []string
	cmd := &cobra.Command{
		Use:   "check [KIND...]",
		Short: "Try every kind of socket here, and print the properties it keeps",
		Long: `check makes sockets of each kind and tests what they promise: whether numbered
messages are reliable, ordered and unduplicated under load, whether a connection
comes first, whether two messages stay two, whether an urgent byte overtakes. It
takes about five seconds. -v also prints what was sent and seen, and further
experiments: a receiver that does not read, a full backlog, blocking calls, and
more. Exit status 1 means that a promise was broken, or that something could not
be tested. A shortage on this host, for example of descriptors, never counts as
broken. Ctrl-C ends the run, and prints what was found until then.

A KIND is a scheme of an address, also with layers such as tls+tcp, or socketpair,
pipe or memory. Without one, every kind of this system is tried: ` + strings.Join(check.Kinds(), ", ") + `.
The properties are ` + strings.Join(check.Properties(), ", ") + `.`,
		Example: `  zocalo check
  zocalo check udp -v
  zocalo check tcp unix-seqpacket pipe --figures
  zocalo check --json | jq '.kinds[] | {kind, available}'`,
		ValidArgsFunction: completeKinds,
		RunE: func(cmd *cobra.Command, kinds []string) error {
			ctx, stop := interruptible(cmd.Context())
			defer stop()
			return a.check(ctx, kinds, check.Options{Properties: properties}, figures)
		},
	}
	cmd.Flags().BoolVar(&figures, "figures", false, "also print what was measured")
	cmd.Flags().StringSliceVar(&properties, "property", nil, "try only these properties")
	return cmd
}

func (a *app) check(ctx context.Context, kinds []string, o check.Options, figures bool) error {
	further := a.verbose || o.Properties != nil
	if o.Properties == nil && !figures && !a.verbose && !a.json {
		// Nothing shows the speed, which takes more time than all else.
		o.Properties = slices.DeleteFunc(check.Properties(), func(p string) bool { return p == "speed" })
	}
	o.Progress = a.checkProgress
	report, err := check.Run(ctx, kinds, o)
	a.eraseLive()
	var unknown *check.UnknownError
	var kind *check.KindError
	interrupted := err != nil && canceled(ctx, err)
	switch {
	case errors.As(err, &unknown), errors.As(err, &kind):
		return usageError{err}
	case err != nil && !interrupted:
		return err
	}
	err = a.printResult(report, func(w io.Writer) error {
		return report.WriteTable(w, check.TableOptions{Further: further, Figures: figures, Details: a.verbose, Color: a.colours()})
	})
	switch {
	case err != nil:
		return err
	case interrupted:
		a.sayf("zocalo: interrupted: this is what was found until then")
		return interruption(ctx)
	case report.Broken(), report.Failed():
		return statusError(statusFailed)
	case !further && !a.quiet && a.liveWidth() > 0:
		a.sayf("-v shows the further experiments, with what was sent and seen")
	}
	return nil
}

// checkProgress shows how a run goes: a line that changes, on a terminal, else
// one for each kind that is done.
func (a *app) checkProgress(p check.Progress) {
	switch {
	case a.quiet:
	case a.liveWidth() > 0:
		now := ""
		if p.Trying != "" {
			now = "; trying " + p.Kind.Kind + ": " + p.Trying
		}
		a.showLine(fmt.Sprintf("%d of %s done%s", p.Done, units.Plural(p.Kinds, "kind"), now))
	case p.Trying == "":
		a.sayf("%d of %d: %s: %s", p.Done, p.Kinds, p.Kind.Kind, checkSummary(p.Kind))
	}
}

// checkSummary is what was found about a kind, in a few words.
func checkSummary(k check.KindReport) string {
	if !k.Available {
		return "not on this machine"
	}
	n := map[check.Verdict]int64{}
	for _, f := range k.Findings {
		n[f.Verdict]++
	}
	text := units.Plural(n[check.Kept], "promise") + " kept"
	if n[check.Broken] > 0 {
		text += fmt.Sprintf(", %d BROKEN", n[check.Broken])
	}
	if n[check.Failed] > 0 {
		text += ", " + units.Plural(n[check.Failed], "experiment") + " failed"
	}
	return text
}
