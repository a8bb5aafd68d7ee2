package main

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"zocalo/check"
)

func (a *app) checkVerb() *cobra.Command {
	var figures bool
	var properties []string
	cmd := &cobra.Command{
		Use:   "check [KIND...]",
		Short: "Try every kind of socket on this machine, and print which properties it kept",
		Long: `check makes sockets of each kind, and tries what they promise: numbered messages
under load, two sends that stay two or not, an urgent octet, a receiver that
does not read, a queue that overflows, and more. It prints what was promised and
kept, what was promised and BROKEN, and what was not promised and was seen all
the same. Exit status 1 says that a promise was broken.

A KIND is a scheme of the address language, or socketpair, pipe or memory.
Without one, all kinds of the system's are tried: ` + strings.Join(check.Kinds(), ", ") + `.
The properties are ` + strings.Join(check.Properties(), ", ") + `.`,
		Example: `  zocalo check
  zocalo check tcp unix-seqpacket pipe --figures
  zocalo check udp -v
  zocalo check --json | jq '.kinds[] | {kind, available}'`,
		ValidArgsFunction: completeKinds,
		RunE: func(cmd *cobra.Command, kinds []string) error {
			ctx, stop := interruptible(cmd.Context())
			defer stop()
			return a.check(ctx, kinds, check.Options{Properties: properties}, figures)
		},
	}
	cmd.Flags().BoolVar(&figures, "figures", false, "print what was measured too")
	cmd.Flags().StringSliceVar(&properties, "property", nil, "try only these properties")
	return cmd
}

func (a *app) check(ctx context.Context, kinds []string, o check.Options, figures bool) error {
	report, err := check.Run(ctx, kinds, o)
	var unknown *check.UnknownError
	var kind *check.KindError
	switch {
	case errors.As(err, &unknown), errors.As(err, &kind):
		return usageError{err}
	case canceled(ctx, err):
		a.sayf("zocalo: interrupted: what was found out until then is not complete, and not printed")
		return interruption(ctx)
	case err != nil:
		return err
	}
	if a.json {
		err = a.printJSON(report)
	} else {
		var text strings.Builder
		if err = report.WriteTable(&text, check.TableOptions{Figures: figures, Details: a.verbose, Color: a.colours()}); err == nil {
			err = a.print(text.String())
		}
	}
	switch {
	case err != nil:
		return err
	case report.Broken(), report.Failed():
		return statusError(statusFailed)
	}
	return nil
}
