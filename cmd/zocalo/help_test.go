package main

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// The help of each verb fits a terminal, begins with an example, and names no type
// of Go.
func TestHelpFits(t *testing.T) {
	types := regexp.MustCompile(`(?m)^ +(-\w, )?--[\w-]+ (stringArray|strings|string|int|duration)\b|\[=(true|false)\]`)
	var each func(cmd *cobra.Command)
	each = func(cmd *cobra.Command) {
		var out strings.Builder
		cmd.SetOut(&out)
		cmd.InitDefaultHelpFlag()
		if err := cmd.Help(); err != nil {
			t.Error(err)
		}
		text := out.String()
		if cmd.HasExample() && !strings.HasPrefix(text, cmd.Example) {
			t.Errorf("the help of %s does not begin with its example", cmd.CommandPath())
		}
		if found := types.FindString(text); found != "" {
			t.Errorf("the help of %s has %q", cmd.CommandPath(), found)
		}
		for line := range strings.Lines(text) {
			if utf8.RuneCountInString(strings.TrimRight(line, "\n")) > helpColumns && cmd.Name() != "completion" && (cmd.Parent() == nil || cmd.Parent().Name() != "completion") {
				t.Errorf("the help of %s has a line of more than %d columns: %s", cmd.CommandPath(), helpColumns, line)
			}
		}
		for _, sub := range cmd.Commands() {
			each(sub)
		}
	}
	each((&app{}).root())
}
