package service

import (
	_ "embed"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

//go:embed example.toml
var example string

// Example returns a file of services with comments, in which nothing is wrong.
func Example() string { return example }

// Text returns the service as a file has it.
func (s *Service) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "[service.%s]\n", s.Name)
	if inferred := (&Service{To: s.To, Command: s.Command}).verb(); s.verb() != inferred {
		fmt.Fprintf(&b, "verb = %s\n", quoted(s.verb()))
	}
	writeList(&b, "from", s.From)
	if len(s.To) > 0 {
		b.WriteString("to = " + targetsText(s.To) + "\n")
	}
	if len(s.Command) > 0 {
		words := make([]string, len(s.Command))
		for i, w := range s.Command {
			words[i] = quoted(w)
		}
		b.WriteString("command = [" + strings.Join(words, ", ") + "]\n")
	}
	for _, o := range newOptions(s.verb()).All() {
		if words := s.Options[o.Name]; o.IsFlag() && len(words) > 0 {
			fmt.Fprintf(&b, "%s = %s\n", o.Name, words[len(words)-1])
		} else {
			writeList(&b, o.Name, words)
		}
	}
	return b.String()
}

func targetsText(to []Target) string {
	items := make([]string, len(to))
	for i, t := range to {
		items[i] = quoted(t.Address)
		if t.Name == "" && t.Weight == 0 && !t.Backup {
			continue
		}
		items[i] = "{ address = " + items[i]
		if t.Name != "" {
			items[i] += ", name = " + quoted(t.Name)
		}
		if t.Weight != 0 {
			items[i] += ", weight = " + strconv.Itoa(t.Weight)
		}
		if t.Backup {
			items[i] += ", backup = true"
		}
		items[i] += " }"
	}
	if len(items) == 1 && strings.HasPrefix(items[0], `"`) {
		return items[0]
	}
	return "[" + strings.Join(items, ", ") + "]"
}

// number is what needs no quotes.
var number = regexp.MustCompile(`^(0|[1-9][0-9]{0,17})$`)

func writeList(b *strings.Builder, key string, words []string) {
	items := make([]string, len(words))
	for i, w := range words {
		if items[i] = quoted(w); key != "from" && number.MatchString(w) {
			items[i] = w
		}
	}
	switch len(items) {
	case 0:
	case 1:
		fmt.Fprintf(b, "%s = %s\n", key, items[0])
	default:
		fmt.Fprintf(b, "%s = [%s]\n", key, strings.Join(items, ", "))
	}
}

// quoted is a text as TOML writes it.
func quoted(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range strings.ToValidUTF8(text, "\ufffd") {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteRune(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\t':
			b.WriteString(`\t`)
		case c < ' ' || c == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, c)
		default:
			b.WriteRune(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
