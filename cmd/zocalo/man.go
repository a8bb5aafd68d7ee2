package main

import (
	"bytes"
	"errors"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// manVerb prints the manual pages, which are made of the same text as --help.
func (a *app) manVerb() *cobra.Command {
	var folder string
	cmd := &cobra.Command{
		Use:   "man [VERB]",
		Short: "Print the manual page of a verb, or write those of all",
		Long: `man prints the manual page of zocalo, or of a verb, as man(1) reads it. With --into
it writes the pages of all verbs to a folder: those of a manual path, as
/usr/local/share/man/man1, make 'man zocalo-talk' work.`,
		Example: `  zocalo man talk | man -l -
  zocalo man --into /usr/local/share/man/man1`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if folder != "" && len(args) > 0 {
				return usagef("--into writes the pages of all verbs: leave %s away", args[0])
			}
			return a.man(cmd.Root(), args, folder)
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return verbNames(cmd.Root()), cobra.ShellCompDirectiveNoFileComp
		},
	}
	cmd.Flags().StringVar(&folder, "into", "", "write the pages of all verbs to this `FOLDER`")
	return cmd
}

func (a *app) man(root *cobra.Command, args []string, folder string) error {
	header := &doc.GenManHeader{Section: "1", Source: "zocalo " + version, Manual: "Zócalo"}
	root.DisableAutoGenTag = true
	if folder != "" {
		return doc.GenManTree(root, header, folder)
	}
	cmd, err := verbOf(root, args)
	if err != nil {
		return err
	}
	var page bytes.Buffer
	if err := doc.GenMan(cmd, header, &page); err != nil {
		return err
	}
	return a.print(page.String())
}

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
