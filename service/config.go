package service

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A Config says which services there are.
type Config struct {
	// Services are in the order in which they are told of.
	Services []Service

	// User is who the process becomes once all listens, "" for nobody else; Group is
	// his own where it is "". It is for whoever runs the Set to do, see [DropPrivileges].
	User, Group string

	// Metrics is where Prometheus reads figures, as 127.0.0.1:9100, an address that listens;
	// "" is nowhere.
	Metrics string

	// Files are those that the Config was read from, and the patterns of those
	// that may come: what to watch.
	Files []string

	metricsAt, userAt, groupAt Place
}

// A Service is one of them, as text: what a command line would say.
type Service struct {
	Name string

	// Verb is "relay", "serve" or "echo". "" is serve where there is a Command, relay where
	// there is a To.
	Verb string

	// From are the addresses that peers come to: one, but for echo.
	From []string

	// To is for a relay: where to go.
	To []Target

	// Command is for serve: the program and its arguments.
	Command []string

	// Options are the verb's, by the names of its flags: "idle": {"5m"}. Those
	// that are on or off have "true" or "false".
	Options map[string][]string

	// counted is that there are metrics: all pairs are heard of.
	counted bool

	places map[string]Place // of the keys in a file; "" is the service's own
}

// A Target is where a relay may go.
type Target struct {
	Address string

	// Name is for which of the names that peers ask for, as in NAME=ADDRESS of a
	// command line: a host name, *.DOMAIN, "default"; "" where they ask for none.
	Name string

	// Weight is its share of new pairs beside the others', from 1 to 256; 0 is 1.
	Weight int

	// Backup takes part only while no other can be reached.
	Backup bool
}

// verb is what the service is.
func (s *Service) verb() string {
	switch {
	case s.Verb != "":
		return s.Verb
	case len(s.Command) > 0:
		return "serve"
	case len(s.To) > 0:
		return "relay"
	}
	return ""
}

// place is where a key of the service stands, or the service itself where it is not known.
func (s *Service) place(key string) Place {
	if p, known := s.places[key]; known {
		return p
	}
	return s.places[""]
}

// A Place is one in a file. The zero Place is none.
type Place struct {
	File         string
	Line, Column int // count from 1
}

// String is FILE:LINE:COLUMN, "" of none.
func (p Place) String() string {
	switch {
	case p.File == "":
		return ""
	case p.Line == 0:
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// A Problem is something that is wrong with a [Config].
type Problem struct {
	Place
	Service string // its name, "" where it is none's
	Text    string
}

// String is the problem as one line.
func (p Problem) String() string {
	text := p.Text
	if p.Service != "" {
		text = p.Service + ": " + text
	}
	if p.File != "" {
		text = p.Place.String() + ": " + text
	}
	return text
}

// Problems are all that is wrong with a [Config], by their places.
type Problems []Problem

// Error has a line for each.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i := range p {
		lines[i] = p[i].String()
	}
	return strings.Join(lines, "\n")
}

// sorted puts problems in the order of their places, each once, and returns nil for none.
func (p Problems) sorted() error {
	if len(p) == 0 {
		return nil
	}
	slices.SortStableFunc(p, func(a, b Problem) int {
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return slices.CompactFunc(p, func(a, b Problem) bool { return a.Place == b.Place && a.Text == b.Text && a.File != "" })
}
