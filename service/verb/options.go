package verb

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"zocalo/internal/nearest"
)

// A Value is what an option sets, as text. It has the methods of the flags of the usual
// packages.
type Value interface {
	Set(text string) error
	String() string
	Type() string // what stands for it in help; "bool" for one that may go without
}

// An Option is a flag of a command line, or a key of a file.
type Option struct {
	Name  string
	Short string // one letter, "" for none
	Usage string // for people; `WORD` in it stands for the value
	Value Value

	// Many says that it may be given again, or as a list.
	Many bool

	// Own says that it is of a run of the command, and of no service: a file has no
	// such key.
	Own bool

	given bool
	words []string
}

// Set sets the option's value.
func (o *Option) Set(text string) error {
	if err := o.Value.Set(text); err != nil {
		return err
	}
	o.given, o.words = true, append(o.words, text)
	return nil
}

// Words are the texts that it was set to: the last one, or all where it may be given
// again.
func (o *Option) Words() []string {
	if n := len(o.words); n > 0 && !o.Many {
		return o.words[n-1:]
	}
	return o.words
}

// String is the value as text.
func (o *Option) String() string { return o.Value.String() }

// Type is what stands for the value in help.
func (o *Option) Type() string { return o.Value.Type() }

// IsFlag reports whether the option may go without a value, which then is true.
func (o *Option) IsFlag() bool { return o.Value.Type() == "bool" }

// Given reports whether somebody has set the option.
func (o *Option) Given() bool { return o.given }

// Options are those of one verb, in the order of their declaration.
type Options struct{ list []*Option }

// All returns the options.
func (o *Options) All() []*Option { return slices.Clone(o.list) }

// Lookup returns the option of that name, nil if there is none.
func (o *Options) Lookup(name string) *Option {
	for _, option := range o.list {
		if option.Name == name {
			return option
		}
	}
	return nil
}

// Names returns the names of those that a file may have.
func (o *Options) Names() (names []string) {
	for _, option := range o.list {
		if !option.Own {
			names = append(names, option.Name)
		}
	}
	return names
}

// Given reports whether somebody has set the option of that name.
func (o *Options) Given(name string) bool {
	option := o.Lookup(name)
	return option != nil && option.given
}

// Unknown is the error for a name that no option has.
func (o *Options) Unknown(name string) error { return nearest.Unknown("key", name, o.Names()) }

// Var declares an option of any value.
func (o *Options) Var(value Value, name, usage string) *Option {
	option := &Option{Name: name, Usage: usage, Value: value}
	o.list = append(o.list, option)
	return option
}

// A UsageError refuses what options and addresses say together. Options stand in its
// text as flags: --name.
type UsageError struct{ Err error }

// Error says what is wrong.
func (e *UsageError) Error() string { return e.Err.Error() }

// Unwrap returns what is wrong.
func (e *UsageError) Unwrap() error { return e.Err }

func usagef(format string, args ...any) error { return &UsageError{fmt.Errorf(format, args...)} }

// InFile returns the text of an error as those need it who write a file: options without
// dashes. The second is the option that it is about, nil where it names none.
func (o *Options) InFile(err error) (string, *Option) {
	text, first, about := err.Error(), -1, (*Option)(nil)
	for _, option := range o.list {
		at, flag := 0, "--"+option.Name
		for {
			i := strings.Index(text[at:], flag)
			if i < 0 {
				break
			}
			at += i
			if rest := text[at+len(flag):]; rest != "" && (rest[0] == '-' || rest[0] >= 'a' && rest[0] <= 'z') {
				at += len(flag) // of a longer name
				continue
			}
			if option.given && (first < 0 || at < first) {
				first, about = at, option
			}
			text = text[:at] + text[at+2:]
		}
	}
	return text, about
}

// refuse refuses options that say nothing where they stand.
func (o *Options) refuse(why string, names ...string) error {
	for _, name := range names {
		if o.Given(name) {
			return usagef("--%s %s", name, why)
		}
	}
	return nil
}

// exclusive refuses two of the options together.
func (o *Options) exclusive(names ...string) error {
	given := ""
	for _, name := range names {
		switch {
		case !o.Given(name):
		case given != "":
			return usagef("--%s and --%s cannot be combined: give one", given, name)
		default:
			given = name
		}
	}
	return nil
}

// flag is the value of an option that is on or off.
type flag struct{ to *bool }

func (f flag) Set(text string) error {
	switch strings.ToLower(text) {
	case "true", "1", "t":
		*f.to = true
	case "false", "0", "f":
		*f.to = false
	default:
		return errors.New("it must be true or false")
	}
	return nil
}

func (f flag) String() string { return fmt.Sprint(*f.to) }
func (flag) Type() string     { return "bool" }

// Flag declares an option that is on or off.
func (o *Options) Flag(to *bool, name, usage string) *Option { return o.Var(flag{to}, name, usage) }

// text is the value of an option that is any text.
type text struct{ to *string }

func (t text) Set(s string) error {
	*t.to = s
	return nil
}

func (t text) String() string { return *t.to }
func (text) Type() string     { return "string" }

// Text declares an option that is any text.
func (o *Options) Text(to *string, name, usage string) *Option { return o.Var(text{to}, name, usage) }

// texts are the values of an option that may be given again.
type texts struct{ to *[]string }

func (t texts) Set(s string) error {
	*t.to = append(*t.to, s)
	return nil
}

func (t texts) String() string { return strings.Join(*t.to, " ") }
func (texts) Type() string     { return "stringArray" }

// Texts declares an option that may be given again.
func (o *Options) Texts(to *[]string, name, usage string) {
	o.Var(texts{to}, name, usage).Many = true
}
