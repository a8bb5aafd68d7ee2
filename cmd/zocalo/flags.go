package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"zocalo/address"
	"zocalo/codec"
	"zocalo/internal/nearest"
	"zocalo/server"
	"zocalo/service/verb"
	"zocalo/socket"
)

// value is the value of a flag that sets to, which is at first initial.
func value[T any](to *T, initial T, c codec.Codec[T]) pflag.Value {
	return verb.NewValue(to, initial, c)
}

// The codecs of what many flags are.
var (
	aTime    = verb.Time
	someTime = verb.SomeTime
)

// bind makes flags of a verb's options.
func bind(f *pflag.FlagSet, options *verb.Options) {
	for _, o := range options.All() {
		flag := f.VarPF(o, o.Name, o.Short, o.Usage)
		if o.IsFlag() {
			flag.NoOptDefVal = "true"
		}
	}
}

// declared makes flags of what declares options.
func declared(cmd *cobra.Command, declare ...func(*verb.Options)) *verb.Options {
	var options verb.Options
	for _, d := range declare {
		d(&options)
	}
	bind(cmd.Flags(), &options)
	return &options
}

func atLeast(least int) codec.Codec[int] { return verb.AtLeast(least) }

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
		hint := fmt.Sprintf("'%s --help' lists the flags", cmd.CommandPath())
		if !cmd.HasParent() { // as nc is called
			switch hint = "a verb comes first, such as zocalo talk HOST PORT"; unknown.GetSpecifiedName() {
			case "l", "k":
				hint = "a verb comes first: write zocalo listen PORT"
			case "z":
				hint = "a verb comes first: write zocalo talk --probe HOST PORT"
			}
		}
		err = fmt.Errorf("unknown flag: -%s: %s", unknown.GetSpecifiedName(), hint)
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
type lists struct{ verb.Lists }

func (l *lists) flags(cmd *cobra.Command) { declared(cmd, l.Declare) }

// serving are the flags of the verbs that serve many clients.
type serving struct{ verb.Serving }

func (s *serving) flags(cmd *cobra.Command) { declared(cmd, s.Declare) }

// at returns what holds at one address.
func (s serving) at(a address.Address) (serving, error) {
	own, err := s.At(a)
	return serving{own}, asked(err)
}

// serverOf makes the server that the flags ask for.
func (a *app) serverOf(s verb.Serving, handler func(context.Context, *socket.Socket)) *server.Server {
	return &server.Server{
		Handler: handler, MaxConns: s.MaxConns, MaxConnsPerPeer: s.MaxPerPeer, Drain: s.Drain, Allow: s.Allow, Deny: s.Deny, Log: a.log,
	}
}

// asked makes a mistake in what was asked for one of usage.
func asked(err error) error {
	if err != nil && verb.IsUsage(err) {
		return usageError{err}
	}
	return err
}
