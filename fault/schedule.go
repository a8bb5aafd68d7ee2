package fault

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"zocalo/internal/nearest"
)

// A Schedule is what a file says: faults, each with its times, and perhaps a seed.
type Schedule struct {
	Seed   *uint64 // nil where the file has none
	Faults []Fault
}

// ParseSchedule reads a schedule in TOML. Each [[fault]] has do, a fault in the words of [Parse], and may have the rest by itself:
//
//	seed = 42
//
//	[[fault]]
//	do = "down:latency=100ms~20ms,normal"
//	after = "5s"      # since the pair began
//	for = "2s"
//	every = "10s"
//	times = 3
//	pairs = [1, "3-5"] # or "50%"
//	clock = "plan"    # all pairs at once, since the first began
//	name = "slow"
//
// Unknown keys are refused. An error is a [*ScheduleError].
func ParseSchedule(text []byte) (*Schedule, error) {
	var file struct {
		Seed  *uint64 `toml:"seed"`
		Fault []struct {
			Do    string `toml:"do"`
			Name  string `toml:"name"`
			After any    `toml:"after"`
			For   any    `toml:"for"`
			Every any    `toml:"every"`
			Times *int   `toml:"times"`
			Clock string `toml:"clock"`
			Pairs any    `toml:"pairs"`
		} `toml:"fault"`
	}
	d := toml.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&file); err != nil {
		return nil, scheduleError(err)
	}
	s := &Schedule{Seed: file.Seed}
	for i, f := range file.Fault {
		var options []string
		option := func(key string, v any) {
			if v != nil {
				options = append(options, fmt.Sprintf("%s=%v", key, v))
			}
		}
		option("after", f.After)
		option("for", f.For)
		option("every", f.Every)
		if f.Times != nil {
			option("times", *f.Times)
		}
		if f.Clock != "" {
			option("clock", f.Clock)
		}
		pairs, isList := f.Pairs.([]any)
		if !isList && f.Pairs != nil {
			pairs = []any{f.Pairs}
		}
		for _, p := range pairs {
			option("pairs", p)
		}
		spec := strings.Join(append([]string{f.Do}, options...), ",")
		if f.Name != "" {
			spec = f.Name + "@" + spec
		}
		at := func(err error) error {
			line, column := tableAt(text, i)
			return &ScheduleError{line, column, err}
		}
		if f.Do == "" {
			return nil, at(errors.New(`do is missing: write do = "latency=100ms"`))
		}
		if strings.ContainsAny(f.Name, "@,") {
			return nil, at(fmt.Errorf("name %q: it must not contain @ or a comma", f.Name))
		}
		fault, err := Parse(spec)
		if err != nil {
			return nil, at(err)
		}
		s.Faults = append(s.Faults, fault)
	}
	return s, nil
}

// A ScheduleError says what is wrong with a schedule, and where.
type ScheduleError struct {
	Line, Column int // from 1; 0 where it is not known
	Err          error
}

// Error begins with the place.
func (e *ScheduleError) Error() string {
	return fmt.Sprintf("line %d, column %d: %v", e.Line, e.Column, e.Err)
}

// Unwrap returns what is wrong.
func (e *ScheduleError) Unwrap() error { return e.Err }

var scheduleKeys = []string{"seed", "fault"}
var faultKeys = []string{"do", "name", "after", "for", "every", "times", "clock", "pairs"}

// scheduleKinds say what the values of keys must be whose type the reader checks.
var scheduleKinds = map[string]string{
	"seed": "a whole number, 0 or more", "times": "a whole number, 1 or more", "fault": "a table: write [[fault]]",
	"do": `text in quotes, such as "latency=100ms"`, "name": "text in quotes", "clock": `"pair" or "plan"`,
}

func scheduleError(err error) error {
	var strict *toml.StrictMissingError
	if errors.As(err, &strict) && len(strict.Errors) > 0 {
		first := &strict.Errors[0]
		line, column := first.Position()
		key := first.Key()
		known := scheduleKeys
		if len(key) > 1 {
			known = faultKeys
		}
		return &ScheduleError{line, column, nearest.Unknown("key", key[len(key)-1], known)}
	}
	var decode *toml.DecodeError
	if errors.As(err, &decode) {
		line, column := decode.Position()
		key := decode.Key()
		if len(key) > 0 {
			if kind, known := scheduleKinds[key[len(key)-1]]; known {
				return &ScheduleError{line, column, fmt.Errorf("%s: it must be %s", key[len(key)-1], kind)}
			}
		}
		return &ScheduleError{line, column, errors.New(strings.TrimPrefix(decode.Error(), "toml: "))}
	}
	return &ScheduleError{1, 1, err}
}

// tableAt finds the do of a [[fault]], by its number from 0, or the table where it has none.
func tableAt(text []byte, number int) (line, column int) {
	n, found := 0, -1
	for l := range strings.Lines(string(text)) {
		n++
		trimmed := strings.TrimSpace(l)
		switch {
		case strings.HasPrefix(trimmed, "[["):
			if found++; found == number {
				line, column = n, 1+strings.Index(l, "[")
			}
		case found == number && strings.HasPrefix(trimmed, "do"):
			if key, _, ok := strings.Cut(trimmed, "="); ok && strings.TrimSpace(key) == "do" {
				return n, 1 + strings.Index(l, "do")
			}
		}
	}
	return max(line, 1), max(column, 1)
}
