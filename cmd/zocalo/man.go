package main

import (
	"embed"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

// manPages are the manual pages, made of the verbs' own help by TestManPages
// (with -update): what makes them would else be a third of a megabyte of every
// run's memory.
//
//go:embed man/*.1 man/*.7
var manPages embed.FS

// addressesPage is the page on addresses, made by TestManAddresses.
const addressesPage = "zocalo-addresses.7"

// manVerb prints the manual pages, which are made of the same text as --help.
func (a *app) manVerb() *cobra.Command {
	var folder string
	cmd := &cobra.Command{
		Use:   "man [VERB | addresses]",
		Short: "Print the manual page of a verb, or write them all",
		Long: `man prints the manual page of zocalo, of a verb or of addresses, in the format of
man(1). --into writes all pages to a folder: in one on man's path, such as
/usr/local/share/man/man1, they make 'man zocalo-talk' work; the page on addresses
then goes to man7 beside it.`,
		Example: `  zocalo man talk | man -l -
  zocalo man --into /usr/local/share/man/man1`,
		Args: arguments(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := plainOnly(cmd, "pages of text"); err != nil {
				return err
			}
			if folder != "" && len(args) > 0 {
				return usagef("--into writes the pages of all verbs: omit %s", args[0])
			}
			return a.man(cmd.Root(), args, folder)
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return append(verbNames(cmd.Root()), "addresses"), cobra.ShellCompDirectiveNoFileComp
		},
	}
	cmd.Flags().StringVar(&folder, "into", "", "write the pages of all verbs to this `FOLDER`")
	return cmd
}

func (a *app) man(root *cobra.Command, args []string, folder string) error {
	if folder != "" {
		return writeManPages(folder)
	}
	if len(args) == 1 && args[0] == "addresses" {
		page, err := manPages.ReadFile("man/" + addressesPage)
		if err != nil {
			return err
		}
		return a.print(string(page))
	}
	cmd, err := verbOf(root, args)
	if err != nil {
		return err
	}
	page, err := manPages.ReadFile("man/" + strings.ReplaceAll(cmd.CommandPath(), " ", "-") + ".1")
	if err != nil {
		return usagef("%s has no manual page of its own", cmd.CommandPath())
	}
	return a.print(string(page))
}

// writeManPages writes all pages to a folder, which it makes if need be. Those of
// another section than that of a folder man1 go to the one beside it.
func writeManPages(folder string) error {
	pages, err := fs.Sub(manPages, "man")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	return fs.WalkDir(pages, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		page, err := fs.ReadFile(pages, name)
		if err != nil {
			return err
		}
		to := folder
		if section := filepath.Ext(name); filepath.Base(folder) == "man1" && section != ".1" {
			to = filepath.Join(filepath.Dir(folder), "man"+section[1:])
			if err := os.MkdirAll(to, 0o755); err != nil {
				return err
			}
		}
		return os.WriteFile(filepath.Join(to, name), page, 0o644)
	})
}
