package verb

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"zocalo/codec"
	"zocalo/relay"
	"zocalo/server"
)

// coded is a value that is read, and checked, as those of addresses' options are.
type coded[T any] struct {
	to *T
	codec.Codec[T]
}

// NewValue returns a value that sets to, which is at first initial.
func NewValue[T any](to *T, initial T, c codec.Codec[T]) Value {
	*to = initial
	return coded[T]{to, c}
}

// Set implements [Value].
func (v coded[T]) Set(text string) error {
	set, err := v.Parse(text)
	if err == nil {
		*v.to = set
	}
	return err
}

func (v coded[T]) String() string { return v.Format(*v.to) }
func (v coded[T]) Type() string   { return v.Placeholder }

// The codecs of what many options are.
var (
	// Time may be 0, and is then no default that help would show.
	Time = codec.Codec[time.Duration]{Placeholder: "duration", Parse: codec.ParseDuration, Format: func(d time.Duration) string {
		if d == 0 {
			return "0"
		}
		return codec.FormatDuration(d)
	}}
	// DrainTime has what ends at once for 0, which is the default of the library.
	DrainTime = codec.Codec[time.Duration]{Placeholder: "duration", Format: func(d time.Duration) string {
		return Time.Format(d.Round(time.Millisecond))
	}, Parse: func(text string) (time.Duration, error) {
		d, err := codec.ParseDuration(text)
		return max(d, time.Nanosecond), err
	}}
	// SomeTime must be more than 0.
	SomeTime = codec.Codec[time.Duration]{Placeholder: "duration", Format: Time.Format, Parse: func(text string) (time.Duration, error) {
		d, err := codec.ParseDuration(text)
		if err == nil && d == 0 {
			err = errors.New("it must be more than 0")
		}
		return d, err
	}}
	paths = Choice[relay.Path]("auto", "fast", "general")

	// patience is for how long, or -1 for ever.
	patience = codec.Codec[time.Duration]{Placeholder: "TIME", Format: func(d time.Duration) string {
		if d < 0 {
			return "forever"
		}
		return Time.Format(d)
	}, Parse: func(text string) (time.Duration, error) {
		if text == "forever" {
			return -1, nil
		}
		d, err := codec.ParseDuration(text)
		if err != nil {
			err = errors.New("it must be a time, such as 30s, or forever")
		}
		return d, err
	}}

	// rate is bytes a second.
	rate = codec.Codec[int64]{Placeholder: "SIZE", Format: codec.FormatSize[int64], Parse: func(text string) (int64, error) {
		n, err := codec.ParseSize(strings.TrimSuffix(text, "/s"))
		if err == nil && n == 0 {
			err = errors.New("it must be more than 0")
		}
		return n, err
	}}

	// integer may be negative.
	integer = codec.Codec[int]{Placeholder: "int", Format: codec.Integer.Format, Parse: func(text string) (int, error) {
		n, err := codec.Integer.Parse(text)
		if err != nil {
			err = errors.New("it must be a number")
		}
		return n, err
	}}
)

// AtLeast is a whole number that is not below least.
func AtLeast(least int) codec.Codec[int] { return codec.AtLeast(codec.Integer.Or("int"), least) }

// Choice is a word for each of the first values of a type.
func Choice[T ~int](words ...string) codec.Codec[T] {
	return codec.Codec[T]{Placeholder: "WORD", Format: func(v T) string { return words[v] }, Parse: func(text string) (T, error) {
		i := slices.Index(words, text)
		if i < 0 {
			last := len(words) - 1
			return 0, fmt.Errorf("it must be %s or %s", strings.Join(words[:last], ", "), words[last])
		}
		return T(i), nil
	}}
}

// A listValue is the value of an option for a list, which may be given again.
type listValue struct {
	to    **server.List
	words []string
}

// NewListValue returns the value of a list of peers.
func NewListValue(to **server.List) Value { return &listValue{to: to} }

// Set implements [Value].
func (l *listValue) Set(text string) (err error) {
	l.words = append(l.words, strings.Split(text, ",")...)
	*l.to, err = server.ParseList(l.words)
	return err
}

func (l *listValue) String() string { return strings.Join(l.words, ",") }
func (l *listValue) Type() string   { return "strings" }
