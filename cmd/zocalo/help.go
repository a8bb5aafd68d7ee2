package main

import (
	"errors"

	"github.com/spf13/cobra"
)

// verbOf finds the verb that is named, or the whole command if none is.
func verbOf(root *cobra.Command, args []string) (*cobra.Command, error) {
	cmd, rest, err := root.Find(args)
	if err == nil && len(rest) > 0 {
		err = unknownVerb(cmd, rest)
	}
	if err != nil {
		return nil, usageError{err}
	}
	return cmd, nil
}

// strictHelp makes help and completion refuse what is none of their words,
// where cobra prints help and says that all went well.
func strictHelp(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		switch cmd.Name() {
		case "help":
			cmd.Run = nil
			cmd.RunE = func(cmd *cobra.Command, args []string) error {
				of, err := verbOf(cmd.Root(), args)
				if err != nil {
					return err
				}
				of.InitDefaultHelpFlag()
				return of.Help()
			}
		case "completion":
			cmd.Args = nil
			cmd.RunE = func(_ *cobra.Command, args []string) error {
				if len(args) == 0 {
					return usageError{errors.New("no shell was given: write completion bash, fish, powershell or zsh")}
				}
				return usagef("unknown shell %q: there are bash, fish, powershell and zsh", args[0])
			}
		}
	}
}
