package main

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// verbOf finds the verb that is named, or the whole command if none is.
func verbOf(root *cobra.Command, args []string) (*cobra.Command, error) {
	cmd, rest, err := root.Find(args)
	if err == nil && len(rest) > 0 {
		if err = unknownVerb(cmd, rest); !cmd.HasSubCommands() {
			err = fmt.Errorf("%.80q is one argument too many: write zocalo help %s", rest[0], cmd.Name())
		}
	}
	if err != nil {
		return nil, usageError{err}
	}
	return cmd, nil
}

// strictHelp makes help and completion refuse words they do not know,
// where cobra prints help and says that all went well. What --help refuses is
// found in unknown, since cobra takes no error of it.
func strictHelp(root *cobra.Command, unknown *error) {
	help := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		if rest := cmd.Flags().Args(); cmd.HasSubCommands() && len(rest) > 0 {
			*unknown = usageError{unknownVerb(cmd, rest)}
			return
		}
		help(cmd, args)
	})
	cobra.AddTemplateFunc("flagUsages", flagUsages)
	cobra.AddTemplateFunc("filled", filled)
	root.SetHelpTemplate(helpTemplate)
	root.SetUsageTemplate(usageTemplate)
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	root.Flags().Bool("version", false, "print the version")
	helpFlags(root)
	for _, cmd := range root.Commands() {
		switch cmd.Name() {
		case "help":
			cmd.Use, cmd.Short, cmd.Long = "help [VERB]", "Print the help of a verb", "help prints the help of a verb, as 'zocalo VERB --help' does."
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
			cmd.Short = "Print a script that completes words in a shell"
			cmd.Long = "completion prints a script for a shell, which then completes verbs, flags, addresses and\ntheir options. The help of each shell's verb says how to load it."
			cmd.Args = nil
			for _, shell := range cmd.Commands() {
				shell.Args = arguments(0, 0)
				shell.Short = "Print the completion script for " + shell.Name()
				shell.Long = strings.Replace(shell.Long, "Generate the autocompletion script for", "This is the completion script for", 1)
				shell.PreRunE = func(cmd *cobra.Command, _ []string) error { return plainOnly(cmd, "a script") }
			}
			cmd.RunE = func(_ *cobra.Command, args []string) error {
				if len(args) == 0 {
					return usageError{errors.New("no shell was given: write completion bash, fish, powershell or zsh")}
				}
				return usagef("unknown shell %q: it must be bash, fish, powershell or zsh", args[0])
			}
		}
	}
}

// helpFlags gives each verb its flag for help, in words other than cobra's.
func helpFlags(cmd *cobra.Command) {
	cmd.Flags().BoolP("help", "h", false, "print this help")
	for _, sub := range cmd.Commands() {
		helpFlags(sub)
	}
}

// plainOnly refuses --json for a verb that prints what is for no program.
func plainOnly(cmd *cobra.Command, what string) error {
	if !cmd.Flags().Changed("json") {
		return nil
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" "), " ")
	return usagef("%s prints %s: omit --json", name, what)
}

// helpColumns is how wide help is.
const helpColumns = 80

// The help of a verb: examples, what it does, how it is written, flags.
const (
	helpTemplate = `{{if .HasExample}}{{.Example}}

{{end}}{{with or .Long .Short}}{{filled .}}

{{end}}{{.UsageString}}`

	usageTemplate = `Usage:{{if .Runnable}}
  {{.UseLine}}{{end}}{{range .Aliases}}
  zocalo {{.}} is short for it{{end}}{{if .HasAvailableSubCommands}}
  {{.CommandPath}} VERB ...

Verbs:{{range .Commands}}{{if (or .IsAvailableCommand (eq .Name "help"))}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{end}}{{if .HasAvailableLocalFlags}}

Flags:
{{flagUsages .LocalFlags}}{{end}}{{if .HasAvailableInheritedFlags}}

Flags of every verb:
{{flagUsages .InheritedFlags}}{{end}}
`
)

// typeWords are what stands for a value in place of its type in Go, each as long
// as that at most.
var typeWords = map[string]string{"stringArray": "TEXT", "strings": "LIST", "string": "TEXT", "int": "N", "duration": "TIME"}

var (
	flagType  = regexp.MustCompile(`(?m)^( +(?:-\w, )?--[\w-]+ )(stringArray|strings|string|int|duration)\b`)
	flagUnset = regexp.MustCompile(`(?m)^( +(?:-\w, )?--[\w-]+)(\[=(?:true|false)\])`)
)

// flagUsages lists flags with their defaults.
func flagUsages(flags *pflag.FlagSet) string {
	text := strings.TrimRight(flags.FlagUsagesWrapped(helpColumns), "\n")
	text = flagType.ReplaceAllStringFunc(text, func(found string) string {
		parts := flagType.FindStringSubmatch(found)
		word := typeWords[parts[2]]
		return parts[1] + word + strings.Repeat(" ", len(parts[2])-len(word))
	})
	return flagUnset.ReplaceAllStringFunc(text, func(found string) string {
		parts := flagUnset.FindStringSubmatch(found)
		return parts[1] + strings.Repeat(" ", len(parts[2]))
	})
}

// filled is text with its paragraphs in lines of helpColumns, but for those that
// are indented.
func filled(text string) string {
	paragraphs := strings.Split(strings.TrimSpace(text), "\n\n")
	for i, p := range paragraphs {
		if strings.HasPrefix(p, " ") {
			continue
		}
		var b strings.Builder
		column := 0
		for _, word := range strings.Fields(p) {
			n := utf8.RuneCountInString(word)
			switch {
			case column == 0:
			case column+1+n > helpColumns:
				b.WriteByte('\n')
				column = 0
			default:
				b.WriteByte(' ')
				column++
			}
			b.WriteString(word)
			column += n
		}
		paragraphs[i] = b.String()
	}
	return strings.Join(paragraphs, "\n\n")
}
