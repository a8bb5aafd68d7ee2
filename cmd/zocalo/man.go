package main

import (
	"bytes"

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
