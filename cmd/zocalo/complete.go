package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"zocalo/address"
	"zocalo/check"
	"zocalo/process"
	"zocalo/socket/scheme"
	"zocalo/sockstat"
)

// completeAddresses completes addresses, the first most of them in the command
// line.
func completeAddresses(most int) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		if len(args) >= most {
			return nil, cobra.ShellCompDirectiveDefault
		}
		return addressesAfter(begun), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
}

// addressesAfter returns the addresses, or their beginnings, that begin as typed.
func addressesAfter(begun string) []string {
	comma := strings.LastIndexByte(begun, ',')
	word, endpoint, colon := strings.Cut(begun, ":")
	switch {
	case comma >= 0:
		a, err := address.Parse(begun[:comma])
		if err != nil {
			return nil
		}
		return optionsAfter(a, begun[:comma+1], begun[comma+1:])
	case !colon:
		return schemesAfter(begun)
	}
	a, err := address.Parse(word + ":x") // whatever it is
	if err != nil || !takesPath(a.Scheme) {
		return nil
	}
	return pathsAfter(word+":", endpoint)
}

// schemesAfter returns the schemes, and once one is typed its two sides.
func schemesAfter(begun string) []string {
	var words []string
	begun = strings.ToLower(begun)
	add := func(name, doc string, sides bool) {
		words = append(words, name+":\t"+doc)
		if sides && (begun == name || strings.HasPrefix(begun, name+"-")) {
			words = append(words, name+"-listen:\t"+doc+", the side that waits", name+"-connect:\t"+doc+", the side that connects")
		}
	}
	for _, s := range scheme.All() {
		add(s.Name, s.Doc, !s.NoListen && !s.NoDial)
	}
	for _, l := range scheme.Layers() {
		if l.Short != "" {
			add(l.Name, l.Doc, true)
		}
	}
	return words
}

// takesPath reports whether endpoints of a scheme are paths.
func takesPath(s *scheme.Scheme) bool { return strings.HasPrefix(s.Endpoint, "path") }

// mostPaths bounds how many files of a folder are offered.
const mostPaths = 500

// pathsAfter returns what is in the folder of a path that was begun.
func pathsAfter(before, begun string) []string {
	folder, base := filepath.Split(begun)
	open := folder
	if open == "" {
		open = "."
	}
	f, err := os.Open(open)
	if err != nil {
		return nil
	}
	defer f.Close()
	entries, _ := f.ReadDir(mostPaths)
	var words []string
	for _, e := range entries {
		name := e.Name()
		if !strings.HasPrefix(name, base) || base == "" && name[0] == '.' {
			continue
		}
		if e.IsDir() {
			name += "/"
		}
		words = append(words, before+address.Escape(folder+name))
	}
	return words
}

// optionsAfter returns the options of an address that it does not have yet, or the
// values of the one that was begun.
func optionsAfter(a address.Address, before, begun string) []string {
	passive, connects := a.Listen, a.Connect
	name, _, valued := strings.Cut(begun, "=")
	var words []string
	for _, o := range address.Explain(a).Options {
		switch {
		case valued && o.Name == name:
			for _, v := range optionValues(o) {
				words = append(words, before+name+"="+v)
			}
		case valued, o.Given, o.Side == "active" && passive, o.Side == "passive" && connects:
		case o.Placeholder == "":
			words = append(words, before+o.Name+"\t"+o.Doc)
		default:
			words = append(words, before+o.Name+"=\t"+o.Doc)
		}
	}
	return words
}

// frames are the formats of messages, those with a number up to it.
var frames = []string{"lines", "len16", "len32", "varint", "netstring", "fixed:", "chunk:"}

// optionValues returns the words that an option may be, nil where there are too
// many.
func optionValues(o address.OptionExplanation) []string {
	switch {
	case o.Name == "frame":
		return frames
	case o.Placeholder == "":
		return []string{"0", "1"}
	case strings.Contains(o.Placeholder, "|"):
		return strings.Split(o.Placeholder, "|")
	}
	return nil
}

// completeKinds completes the kinds that check tries.
func completeKinds(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	return slices.DeleteFunc(check.Kinds(), func(k string) bool { return slices.Contains(args, k) }), cobra.ShellCompDirectiveNoFileComp
}

// completeList completes the words after list: kinds, filters and the values of
// those that have words.
func completeList(_ *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	var words []string
	if key, _, valued := strings.Cut(begun, "="); valued {
		for _, v := range filterValues(strings.TrimSuffix(key, "!")) {
			words = append(words, key+"="+v)
		}
		return words, cobra.ShellCompDirectiveNoFileComp
	}
	for _, k := range listKinds {
		if !slices.Contains(args, k.word) {
			words = append(words, k.word)
		}
	}
	for _, key := range sockstat.FilterKeys() {
		words = append(words, key+"=")
	}
	return words, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// filterValues returns the words that the value of a filter may be.
func filterValues(key string) []string {
	switch key {
	case "state":
		return sockstat.StateWords()
	case "kind":
		var words []string
		for _, k := range sockstat.Kinds() {
			words = append(words, k.String())
		}
		return words
	case "type":
		return []string{"stream", "datagram", "seqpacket", "raw"}
	}
	return nil
}

// flagWords are the values of flags that are words, for every verb that has them.
var flagWords = map[string][]string{
	"log-format": {"text", "json"},
	"path":       {"auto", "fast", "general"},
	"frame":      frames,
	"stderr":     {"log", "socket", "discard"},
	"retry":      {"forever"},
	"repeat":     {"forever"},
	"link":       {"local", "hub:", "eth:", "udp:"},
	"limit":      limitWords(),
}

func limitWords() []string {
	var words []string
	for _, name := range process.LimitNames() {
		words = append(words, name+"=")
	}
	return words
}

// flagAddresses are the flags whose value is an address.
var flagAddresses = []string{"against", "listen"}

// completeFlags makes the flags of all verbs complete their values, but for those
// that are files.
func completeFlags(cmd *cobra.Command) {
	complete := func(f *pflag.Flag) {
		if _, done := cmd.GetFlagCompletionFunc(f.Name); done {
			return
		}
		words, known := flagWords[f.Name]
		directive := cobra.ShellCompDirectiveNoFileComp
		switch name := valueWord(f); {
		case known:
			if strings.HasSuffix(words[len(words)-1], "=") || strings.HasSuffix(words[len(words)-1], ":") {
				directive |= cobra.ShellCompDirectiveNoSpace
			}
			_ = cmd.RegisterFlagCompletionFunc(f.Name, cobra.FixedCompletions(words, directive))
		case slices.Contains(flagAddresses, f.Name):
			_ = cmd.RegisterFlagCompletionFunc(f.Name, completeAddresses(1<<30))
		case name == "FOLDER", strings.HasPrefix(name, "FILE"), f.Name == "dir", f.Name == "record":
		default:
			_ = cmd.RegisterFlagCompletionFunc(f.Name, cobra.NoFileCompletions)
		}
	}
	cmd.LocalFlags().VisitAll(complete)
	for _, sub := range cmd.Commands() {
		completeFlags(sub)
	}
}

// verbNames are the verbs of a command.
func verbNames(root *cobra.Command) []string {
	var names []string
	for _, cmd := range root.Commands() {
		names = append(names, cmd.Name())
	}
	return names
}
