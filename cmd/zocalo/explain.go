package main

import (
	"strings"

	"github.com/spf13/cobra"

	"zocalo/address"
)

func (a *app) explainVerb() *cobra.Command {
	return &cobra.Command{
		Use:   "explain ADDRESS",
		Short: "Say what an address means, with every option it may have",
		Example: `  zocalo explain tcp:localhost:5346
  zocalo explain TCP-LISTEN:8080,fork,reuseaddr
  zocalo explain --json unix:/run/x.sock`,
		ValidArgsFunction: completeAddresses(1),
		Args:              cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			parsed, err := address.Parse(args[0])
			if err != nil {
				return usageError{err}
			}
			e := address.Explain(parsed)
			if a.json {
				return a.printJSON(e)
			}
			var b strings.Builder
			if err := e.WriteText(&b, a.width()); err != nil {
				return err
			}
			return a.print(b.String())
		},
	}
}
