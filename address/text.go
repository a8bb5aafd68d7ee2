package address

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// WriteText writes the explanation for people, in lines of at most width
// columns where the words allow it; with a width of 0 or less lines are as
// long as what they say.
func (e Explanation) WriteText(w io.Writer, width int) error {
	p := page{width: width}
	p.line(printable(e.Address))
	p.line("")
	p.entry(2, 10, e.Scheme, e.Doc)
	p.entry(2, 10, "side", sideText(e.Side))
	for i, part := range e.Endpoint {
		label := ""
		if i == 0 {
			label = "endpoint"
		}
		p.entry(2, 10, label, part.text())
	}
	for i, l := range e.Layers {
		label := ""
		if i == 0 {
			label = "layers"
		}
		p.entry(2, 10, label, l.Name+": "+l.Doc)
	}
	e.writeKinds(&p)

	given := 0
	for given < len(e.Options) && e.Options[given].Given {
		given++
	}
	p.options("options given", e.Options[:given])
	for _, l := range e.Layers {
		p.options("options of "+l.Name+" at their defaults", slices.DeleteFunc(slices.Clone(e.Options[given:]), func(o OptionExplanation) bool { return o.Layer != l.Name }))
	}
	p.options("options at their defaults", slices.DeleteFunc(slices.Clone(e.Options[given:]), func(o OptionExplanation) bool { return o.Layer != "" }))
	_, err := w.Write(p.b.Bytes())
	return err
}

func (e Explanation) writeKinds(p *page) {
	for i, k := range e.Kinds {
		p.entry(2, 10, "socket", k.Call)
		if i+1 < len(e.Kinds) && k.promises() == e.Kinds[i+1].promises() {
			continue // said once, after the last of them
		}
		p.entry(2, 10, "promises", k.promises())
	}
}

// promises lists the six properties: those that the kind has, then those that
// it has not.
func (k KindExplanation) promises() string {
	urgent := fmt.Sprintf("urgent (%d bytes)", k.Urgent)
	if k.Urgent == 1 {
		urgent = "urgent (1 byte)"
	}
	var has, lacks []string
	for _, p := range []struct {
		has         bool
		name, lacks string
	}{
		{k.Reliable, "reliable", "not reliable"},
		{k.Ordered, "ordered", "not ordered"},
		{k.Unduplicated, "unduplicated", "not unduplicated"},
		{k.Connected, "connected", "not connected"},
		{k.Bounded, "bounded", "not bounded"},
		{k.Urgent > 0, urgent, "not urgent"},
	} {
		if p.has {
			has = append(has, p.name)
		} else {
			lacks = append(lacks, p.lacks)
		}
	}
	return strings.Join(append(has, lacks...), ", ")
}

func sideText(side string) string {
	switch side {
	case "passive":
		return "passive: it waits there for peers"
	case "active":
		return "active: it connects to what is there, or opens it"
	}
	return "active or passive, as the verb says"
}

func (p EndpointPart) text() string {
	text := p.Name + ": not given"
	if p.Value != "" {
		text = p.Name + ": " + printable(p.Value)
	}
	if p.Meaning != "" {
		text += " (" + p.Meaning + ")"
	}
	return text
}

// page is text that is laid out for a width.
type page struct {
	b     bytes.Buffer
	width int
}

func (p *page) line(text string) { p.b.WriteString(text + "\n") }

// options writes a table under a title, and nothing for no options.
func (p *page) options(title string, options []OptionExplanation) {
	if len(options) == 0 {
		return
	}
	p.line("")
	p.line(title)
	column := 0
	for _, o := range options {
		column = max(column, utf8.RuneCountInString(o.label()))
	}
	column = min(column, 24) + 2
	for _, o := range options {
		p.entry(2, column, o.label(), o.text())
	}
}

// label is the option as given, or as it could be.
func (o OptionExplanation) label() string {
	switch {
	case o.Placeholder == "" && (!o.Given || o.Value == flagOn):
		return o.Name
	case o.Given:
		return o.Name + "=" + printable(escape(o.Value))
	}
	return o.Name + "=" + o.Placeholder
}

func (o OptionExplanation) text() string {
	var notes []string
	if o.Constant != "" {
		notes = append(notes, o.Constant)
	}
	if o.Since != "" {
		notes = append(notes, o.Since)
	}
	if o.Privilege != "" {
		notes = append(notes, "needs "+o.Privilege)
	}
	if o.Side != "" {
		notes = append(notes, o.Side+" side only")
	}
	if o.Default != "" {
		notes = append(notes, "default: "+o.Default)
	}
	if o.Silently != "" {
		notes = append(notes, "silently: "+o.Silently)
	}
	if len(notes) == 0 {
		return o.Doc
	}
	return o.Doc + " [" + strings.Join(notes, "; ") + "]"
}

// entry writes a label and, from a column after indent, text in as many lines
// as it takes. A label that reaches into the column has a line of its own.
func (p *page) entry(indent, column int, label, text string) {
	line := strings.Repeat(" ", indent) + label
	length := indent + utf8.RuneCountInString(label)
	from := indent + column
	if length >= from {
		p.line(line)
		line, length = "", 0
	}
	line += strings.Repeat(" ", from-length)
	length = from
	for i, word := range strings.Split(text, " ") {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case p.width > 0 && length+1+n > p.width:
			p.line(line)
			line, length = strings.Repeat(" ", from), from
		default:
			line += " "
			length++
		}
		line += word
		length += n
	}
	p.line(strings.TrimRight(line, " "))
}
