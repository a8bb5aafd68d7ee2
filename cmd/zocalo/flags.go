package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"zocalo/address"
	"zocalo/codec"
	"zocalo/internal/nearest"
	"zocalo/relay"
	"zocalo/server"
	"zocalo/socket"
)

// A flagValue is the value of a flag that is read, and checked, as those of
// addresses' options are.
type flagValue[T any] struct {
	to *T
	codec.Codec[T]
}

// value is the value of a flag that sets to, which is at first initial.
func value[T any](to *T, initial T, c codec.Codec[T]) pflag.Value {
	*to = initial
	return flagValue[T]{to, c}
}

// Set implements pflag.Value.
func (v flagValue[T]) Set(text string) error {
	set, err := v.Parse(text)
	if err == nil {
		*v.to = set
	}
	return err
}

func (v flagValue[T]) String() string { return v.Format(*v.to) }
func (v flagValue[T]) Type() string   { return v.Placeholder }

// The codecs of what many flags are.
var (
	// aTime may be 0, and is then no default that the help would show.
	aTime = codec.Codec[time.Duration]{Placeholder: "duration", Parse: codec.ParseDuration, Format: func(d time.Duration) string {
		if d == 0 {
			return "0"
		}
		return d.String()
	}}
	// drainTime has what ends at once for 0, which is the default of the library.
	drainTime = codec.Codec[time.Duration]{Placeholder: "duration", Format: func(d time.Duration) string {
		return aTime.Format(d.Round(time.Millisecond))
	}, Parse: func(text string) (time.Duration, error) {
		d, err := codec.ParseDuration(text)
		return max(d, time.Nanosecond), err
	}}
	someTime = codec.Codec[time.Duration]{Placeholder: "duration", Format: aTime.Format, Parse: func(text string) (time.Duration, error) {
		d, err := codec.ParseDuration(text)
		if err == nil && d == 0 {
			err = errors.New("it must be more than 0")
		}
		return d, err
	}}
	aPath = choice[relay.Path]("auto", "fast", "general")
)

func atLeast(least int) codec.Codec[int] { return codec.AtLeast(codec.Integer.Or("int"), least) }

func inRange(least, most int) codec.Codec[int] {
	c := atLeast(least)
	parse := c.Parse
	c.Parse = func(text string) (int, error) {
		n, err := parse(text)
		if err == nil && n > most {
			err = fmt.Errorf("it must be at most %d", most)
		}
		return n, err
	}
	return c
}

// choice is a word for each of the first values of a type.
func choice[T ~int](words ...string) codec.Codec[T] {
	return codec.Codec[T]{Placeholder: "string", Format: func(v T) string { return words[v] }, Parse: func(text string) (T, error) {
		i := slices.Index(words, text)
		if i < 0 {
			last := len(words) - 1
			return 0, fmt.Errorf("it must be %s or %s", strings.Join(words[:last], ", "), words[last])
		}
		return T(i), nil
	}}
}

// arguments checks how many there are.
func arguments(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		usage := strings.TrimSuffix(cmd.UseLine(), " [flags]")
		switch {
		case len(args) < least:
			return usagef("an argument is missing: write %s", usage)
		case len(args) > most:
			return usagef("unexpected argument %.80q: write %s", args[most], usage)
		}
		return nil
	}
}

// flagError is a mistake of usage, in our words; an unknown flag is told with
// the nearest known.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var invalid *pflag.InvalidValueError
	var lacking *pflag.ValueRequiredError
	var malformed *pflag.InvalidSyntaxError
	var number *strconv.NumError
	switch {
	case errors.As(err, &lacking):
		f := lacking.GetFlag()
		err = fmt.Errorf("--%s needs a value: write --%s %s", f.Name, f.Name, valueWord(f))
	case errors.As(err, &malformed):
		err = fmt.Errorf("%.80q is not a flag: flags are --NAME or --NAME=VALUE", malformed.GetSpecifiedFlag())
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() != "":
		err = fmt.Errorf("unknown flag: -%s: '%s --help' lists the flags", unknown.GetSpecifiedName(), cmd.CommandPath())
	case errors.As(err, &unknown):
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		hint := fmt.Sprintf("'%s --help' lists the flags", cmd.CommandPath())
		if near := nearest.Word(unknown.GetSpecifiedName(), names); near != "" {
			hint = "did you mean --" + near + "?"
		} else if unknown.GetSpecifiedName() == "csv" && slices.Contains(names, "json") {
			hint = "--json has all that is printed, for programs"
		}
		err = fmt.Errorf("unknown flag: --%.80s: %s", unknown.GetSpecifiedName(), hint)
	case errors.As(err, &invalid):
		f, cause := invalid.GetFlag(), invalid.Unwrap()
		if errors.As(err, &number) {
			cause = errors.New("it must be a number")
			switch {
			case f.Value.Type() == "bool":
				cause = errors.New("it must be true or false")
			case errors.Is(number, strconv.ErrRange):
				cause = errors.New("it is out of range")
			}
		}
		err = fmt.Errorf("--%s %s: %w", f.Name, invalid.GetValue(), cause)
	}
	return usageError{err}
}

// valueWord is what stands for a flag's value in a usage line.
func valueWord(f *pflag.Flag) string {
	name, _ := pflag.UnquoteUsage(f)
	if name == "" || strings.HasPrefix(name, "string") {
		name = "value"
	}
	return strings.ToUpper(name)
}

// refuse refuses flags that say nothing where they stand.
func refuse(cmd *cobra.Command, why string, names ...string) error {
	for _, name := range names {
		if cmd.Flags().Changed(name) {
			return usagef("--%s %s", name, why)
		}
	}
	return nil
}

// exclusive refuses two of the flags together.
func exclusive(cmd *cobra.Command, names ...string) error {
	given := ""
	for _, name := range names {
		switch {
		case !cmd.Flags().Changed(name):
		case given != "":
			return usagef("--%s and --%s cannot be combined: give one", given, name)
		default:
			given = name
		}
	}
	return nil
}

// lists are the flags that say who is served.
type lists struct{ allow, deny *server.List }

func (l *lists) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.Var(&listValue{to: &l.allow}, "allow", "accept only these peers: addresses, prefixes, uid:N, gid:N, cert:NAME")
	f.Var(&listValue{to: &l.deny}, "deny", "reject these peers")
}

// take takes what the options of a listener's address say of its peers.
func (l *lists) take(a address.Address) (err error) {
	text, given := address.Allow.In(a.Settings)
	switch {
	case given && l.allow != nil:
		return usagef("%v: allow and --allow cannot be combined: give one", a)
	case given:
		l.allow, err = server.ParseList([]string{text})
	}
	return err
}

// at returns what holds at one address: the flags, and the options of that
// address, which are no other's.
func (s serving) at(a address.Address) (serving, error) {
	if _, given := address.AcceptTimeout.In(a.Settings); given {
		return s, usagef("%v: accept-timeout is for verbs that wait for one peer, such as listen: omit it", a)
	}
	if n, given := address.MaxConns.In(a.Settings); given {
		s.maxConns = n
	}
	err := s.lists.take(a)
	return s, err
}

// A listValue is the value of a flag for a list, which may be given again.
type listValue struct {
	to    **server.List
	words []string
}

// Set implements pflag.Value.
func (l *listValue) Set(text string) (err error) {
	l.words = append(l.words, strings.Split(text, ",")...)
	*l.to, err = server.ParseList(l.words)
	return err
}

func (l *listValue) String() string { return strings.Join(l.words, ",") }
func (l *listValue) Type() string   { return "strings" }

// serving are the flags of the verbs that serve many clients.
type serving struct {
	lists
	maxConns   int
	maxPerPeer int
	drain      time.Duration
}

func (s *serving) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.Var(value(&s.maxConns, server.DefaultMaxConns, atLeast(1)), "max-conns", "connections served at once; further ones wait in the backlog")
	f.IntVar(&s.maxPerPeer, "max-conns-per-peer", 0, "connections per address, IPv6 /64 or unix user; -1 is no limit (default a tenth of --max-conns, no limit on loopback)")
	f.Var(value(&s.drain, server.DefaultDrain, drainTime), "drain", "how long open connections may continue after SIGINT or SIGTERM")
	s.lists.flags(cmd)
}

// server makes the server that the flags ask for.
func (s *serving) server(a *app, handler func(context.Context, *socket.Socket)) *server.Server {
	return &server.Server{
		Handler: handler, MaxConns: s.maxConns, MaxConnsPerPeer: s.maxPerPeer, Drain: s.drain, Allow: s.allow, Deny: s.deny, Log: a.log,
	}
}

// check refuses lists that cannot do their work for whoever comes to these
// listeners.
func (l *lists) check(listeners ...*passive) error {
	var sockets []*socket.Socket
	for _, p := range listeners {
		sockets = append(sockets, p.Sockets()...)
	}
	if err := (server.Lists{Allow: l.allow, Deny: l.deny}).Check(sockets...); err != nil {
		return usagef("--%w", err)
	}
	return nil
}
