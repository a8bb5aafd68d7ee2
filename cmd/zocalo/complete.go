package main

import (
	"slices"

	"github.com/spf13/cobra"

	"zocalo/check"
	"zocalo/socket"
)

// completeAddresses completes the schemes of addresses, the first most of them
// in the command line; what follows the colon is the user's.
func completeAddresses(most int) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) >= most {
			return nil, cobra.ShellCompDirectiveDefault
		}
		var words []string
		for _, s := range socket.Schemes() {
			words = append(words, s.Name+":\t"+s.Doc)
		}
		return words, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
}

// completeKinds completes the kinds that check tries.
func completeKinds(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	return slices.DeleteFunc(check.Kinds(), func(k string) bool { return slices.Contains(args, k) }), cobra.ShellCompDirectiveNoFileComp
}

// verbNames are the verbs of a command.
func verbNames(root *cobra.Command) []string {
	var names []string
	for _, cmd := range root.Commands() {
		names = append(names, cmd.Name())
	}
	return names
}
