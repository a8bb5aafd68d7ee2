package address

import (
	"fmt"
	"strconv"
	"strings"
)

// A SyntaxError says that a text is no address.
type SyntaxError struct {
	Text    string // what was read
	Problem string // what is wrong, and what to do
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("address %s: %s", quote(e.Text), e.Problem) }

// An UnknownSchemeError says that no scheme, or no layer, has that name.
type UnknownSchemeError struct {
	Word    string
	Layer   bool     // it stands where layers do
	Nearest string   // what may have been meant: a scheme, or a whole address; "" if nothing comes near
	Plain   bool     // Nearest is the whole, before which a scheme is missing
	Instead string   // what is here in place of another tool's word
	Known   []string // every scheme, sorted
}

func (e *UnknownSchemeError) Error() string {
	what := "scheme"
	if e.Layer {
		what = "layer"
	}
	if e.Instead != "" {
		return fmt.Sprintf("%s is not a %s here: %s", quote(e.Word), what, e.Instead)
	}
	if e.Nearest != "" {
		return fmt.Sprintf("unknown %s %s: did you mean %s?", what, quote(e.Word), e.Nearest)
	}
	if e.Layer {
		return fmt.Sprintf("unknown layer %s: the layers are %s", quote(e.Word), strings.Join(e.Known, ", "))
	}
	return fmt.Sprintf("unknown scheme %s: 'zocalo explain' lists them all", quote(e.Word))
}

// An UnknownOptionError says that a scheme has no option of that name.
type UnknownOptionError struct {
	Word    string
	Scheme  string
	Nearest string   // what may have been meant, "" if nothing comes near
	Known   []string // the options that the scheme takes, sorted
	Takers  []string // the schemes that do take an option of that name, sorted
}

func (e *UnknownOptionError) Error() string {
	switch {
	case len(e.Takers) > mostNear:
		return fmt.Sprintf("%s takes no option %s, which is for %s and others", e.Scheme, e.Word, strings.Join(e.Takers[:mostNear], ", "))
	case len(e.Takers) > 0:
		return fmt.Sprintf("%s takes no option %s, which is for %s", e.Scheme, e.Word, strings.Join(e.Takers, ", "))
	case e.Nearest != "":
		return fmt.Sprintf("unknown option %s of %s: did you mean %s?", quote(e.Word), e.Scheme, e.Nearest)
	}
	return fmt.Sprintf("unknown option %s: 'zocalo explain %s:' lists those of %s", quote(e.Word), e.Scheme, e.Scheme)
}

// An OptionError says that an option exists but cannot stand as it does: its
// value, its side, or what it is beside.
type OptionError struct {
	Option  string
	Scheme  string
	Problem string // what is wrong, and what to do
}

func (e *OptionError) Error() string {
	return fmt.Sprintf("option %s of %s: %s", e.Option, e.Scheme, e.Problem)
}

// A SideError says that an address cannot be passive, or cannot be active,
// where it must.
type SideError struct {
	Scheme  string
	Passive bool   // the side that was wanted
	Reason  string // why it cannot
}

func (e *SideError) Error() string {
	side := "connect"
	if e.Passive {
		side = "listen"
	}
	return fmt.Sprintf("%s cannot %s here: %s", e.Scheme, side, e.Reason)
}

// quote writes what a user typed so that it stays within a line, and within
// reason.
func quote(text string) string { return fmt.Sprintf("%.80q", text) }

// printable is text as it may stand in a line for people: itself, or quoted
// if it has anything that does not print.
func printable(text string) string {
	if q := strconv.Quote(text); q[1:len(q)-1] != text {
		return q
	}
	return text
}
