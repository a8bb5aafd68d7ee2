package socket_test

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"zocalo/socket/option"
	"zocalo/socket/scheme"
)

var update = flag.Bool("update", false, "write docs/options.md anew")

// ofSystem matches the names of what the system defines.
var ofSystem = regexp.MustCompile(`^(SO|IP|IPV6|TCP|UDP|MPTCP|MCAST|PACKET|O)_[A-Z0-9_]+$`)

// Each option of the system says what it is, since when, and what it does if
// nothing is given; docs/options.md is the list of them all.
func TestOptionsDocumented(t *testing.T) {
	const page = "../docs/options.md"
	var b strings.Builder
	b.WriteString(`# Options of the system's sockets

Every option of package socket/option that is one of the system's: its word in an address, its constant, the first kernel that has it, what
it needs, and what the system does about it in silence. Those marked * are for programs alone, as ` + "`option.ReceivePacketInfo.Set(s, true)`" + `.
` + "`zocalo explain ADDRESS`" + ` shows those that an address takes, with their defaults. This page is made from the options themselves, by
` + "`go test ./socket -run TestOptionsDocumented -update`" + `.

| option | constant | since | what it does | needs | in silence it |
|---|---|---|---|---|---|
`)
	inAddress := map[*option.Spec]bool{}
	for _, s := range scheme.All() {
		for _, o := range s.Options {
			inAddress[o] = true
		}
	}
	names := map[string]string{}
	of := 0
	for _, o := range option.Specs() {
		if o.Doc == "" || strings.ContainsAny(o.Doc, "\n|") || strings.HasSuffix(o.Doc, ".") {
			t.Errorf("%s: the documentation %q is not one line without a full stop", o.Name, o.Doc)
		}
		if o.Apply != nil && o.Default == "" {
			t.Errorf("%s has no default", o.Name)
		}
		if o.Constant == "" {
			continue // read by this program alone
		}
		of++
		if !ofSystem.MatchString(o.Constant) {
			t.Errorf("%s: %q is no constant of the system", o.Name, o.Constant)
		}
		if !regexp.MustCompile(`^Linux \d+\.\d+`).MatchString(o.Since) {
			t.Errorf("%s (%s): since %q names no version of Linux", o.Name, o.Constant, o.Since)
		}
		for _, name := range append([]string{o.Name}, o.Aliases...) {
			if other, taken := names[name]; taken && other != o.Constant {
				t.Errorf("%s is %s and %s", name, other, o.Constant)
			}
			names[name] = o.Constant
		}
		mark := ""
		if !inAddress[o] {
			mark = " *"
		}
		doc := o.Doc
		switch {
		case o.Apply == nil && o.Current != nil:
			doc += " (only read)"
		case o.Apply != nil && o.Current == nil:
			doc += " (only set)"
		}
		value := ""
		if o.Value != "" {
			value = "=" + o.Value
		}
		fmt.Fprintf(&b, "| `%s%s`%s | %s | %s | %s | %s | %s |\n", o.Name, value, mark, o.Constant, o.Since, doc, o.Privilege, o.Silently)
	}
	if of < 50 {
		t.Errorf("only %d options of the system were found", of)
	}
	if runtime.GOOS != "linux" {
		return // where the list is shorter
	}
	if *update {
		check(t, os.WriteFile(page, []byte(b.String()), 0o644))
	}
	got, err := os.ReadFile(page)
	check(t, err)
	if string(got) != b.String() {
		t.Errorf("%s is not what the options say: go test ./socket -run TestOptionsDocumented -update", page)
	}
}
