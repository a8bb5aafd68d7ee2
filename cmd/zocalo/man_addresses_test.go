package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"zocalo/address"
	"zocalo/socket/option"
	"zocalo/socket/scheme"
)

// TestManAddresses holds the manual page of addresses against the schemes, layers
// and options that there are. With -update it writes it anew.
func TestManAddresses(t *testing.T) {
	const name = "man/" + addressesPage
	want := manAddresses()
	if *update {
		must(t, os.WriteFile(name, []byte(want), 0o644))
		return
	}
	if got, err := manPages.ReadFile(name); err != nil || string(got) != want {
		t.Errorf("%s is not what the schemes and options say: go test ./cmd/zocalo -run TestMan -update", name)
	}
}

// roff is text as a manual page has it.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		text = `\&` + text
	}
	return text
}

func manAddresses() string {
	var b strings.Builder
	item := func(head string, sentences ...string) {
		fmt.Fprintf(&b, ".TP\n%s\n", head)
		for _, s := range sentences {
			if s != "" {
				b.WriteString(roff(strings.ToUpper(s[:1])+s[1:]) + ".\n")
			}
		}
	}
	b.WriteString(`.nh
.TH "ZOCALO-ADDRESSES" "7" "Nov 2026" "zocalo ` + version + `" "Zócalo"
.SH NAME
zocalo\-addresses \- how zocalo(1) writes where a socket is
.SH SYNOPSIS
\fISCHEME\fR:\fIENDPOINT\fR[,\fIOPTION\fR[=\fIVALUE\fR]]...
.SH DESCRIPTION
An address is one word. \fISCHEME\fR://\fIENDPOINT\fR is the same. With \-listen after the scheme it is the side that waits,
with \-connect the one that connects; without, the verb decides. A comma within an endpoint or a value is written twice.
An option that is a flag needs no value; =0 switches it off. Times are seconds, or have a unit: 500ms, 1m.
Sizes are bytes, or have a unit: 64KiB, 1MB.
.PP
Layers stand before the scheme that carries them, the outermost first: tls+tcp:host:443. An option that several of them have is
named by its layer: tls.alpn=h2.
.PP
Many spellings of socat(1) are taken. \fBzocalo explain\fR \fIADDRESS\fR says what an address means.
.SH SCHEMES
`)
	takers := map[*option.Spec][]string{}
	var specs []*option.Spec
	take := func(by string, options []*option.Spec) {
		for _, o := range options {
			if takers[o] == nil {
				specs = append(specs, o)
			}
			takers[o] = append(takers[o], by)
		}
	}
	schemes := scheme.All()
	for _, s := range schemes {
		side := ""
		switch {
		case s.NoListen:
			side = "it only connects"
		case s.NoDial:
			side = "it only listens"
		}
		head := `\fB` + roff(s.Name) + `\fR`
		if s.Endpoint != "" {
			head += `:\fI` + roff(s.Endpoint) + `\fR`
		}
		item(head, s.Doc, also(s.Aliases), side)
		take(s.Name, address.Options(s))
	}
	b.WriteString(".SH LAYERS\n")
	for _, l := range scheme.Layers() {
		short := ""
		if l.Short != "" {
			short = "Alone, " + l.Name + ": is " + l.Name + "+" + l.Short + ":"
		}
		item(`\fB`+roff(l.Name)+`\fR+`, l.Doc, also(l.Aliases), short)
		take(l.Name, l.Options)
	}
	b.WriteString(".SH OPTIONS\n")
	slices.SortStableFunc(specs, func(a, b *option.Spec) int { return strings.Compare(a.Name, b.Name) })
	for _, o := range specs {
		head := `\fB` + roff(o.Name) + `\fR`
		if o.Value != "" {
			head += `=\fI` + roff(o.Value) + `\fR`
		}
		of, side, needs := "", "", ""
		if n := len(takers[o]); n < len(schemes) {
			of = "of " + strings.Join(takers[o], ", ")
		}
		switch o.Only {
		case option.ActiveOnly:
			side = "only where it connects"
		case option.PassiveOnly:
			side = "only where it listens"
		}
		if o.Privilege != "" {
			needs = "it needs " + o.Privilege
		}
		item(head, o.Doc, "default: "+o.Default, also(o.Aliases), o.Since, needs, side, of)
	}
	b.WriteString(".SH SEE ALSO\nzocalo(1), zocalo\\-explain(1), socket(7), ip(7), tcp(7), udp(7), unix(7)\n")
	return b.String()
}

// also names other spellings.
func also(aliases []string) string {
	if len(aliases) == 0 {
		return ""
	}
	return "also written " + strings.Join(aliases, ", ")
}
