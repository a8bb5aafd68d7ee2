package codec

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// The codecs of the usual values.
var (
	// Flag is on or off: a word alone, or =1, =0, =on, =off, =true, =false.
	Flag = Codec[bool]{"", parseFlag, formatFlag}
	// Integer is a whole number, in decimal or after 0x.
	Integer = Codec[int]{"NUMBER", parseInteger, strconv.Itoa}
	// Size is a number of bytes: 65536, 64KiB, 1MB.
	Size = Codec[int]{"SIZE", parseSizeInt, FormatSize[int]}
	// Duration is a time with its unit: 500ms, 5s, 1m30s; a bare number is
	// seconds.
	Duration = Codec[time.Duration]{"DURATION", ParseDuration, FormatDuration}
	// Text is any text.
	Text = Codec[string]{"TEXT", func(s string) (string, error) { return s, nil }, func(s string) string { return s }}
)

// Or returns a codec like c whose placeholder is p.
func (c Codec[T]) Or(p string) Codec[T] {
	c.Placeholder = p
	return c
}

// AtLeast returns a codec like c that refuses numbers below least.
func AtLeast[T int | time.Duration](c Codec[T], least T) Codec[T] {
	parse := c.Parse
	c.Parse = func(text string) (T, error) {
		v, err := parse(text)
		if err == nil && v < least {
			return 0, fmt.Errorf("it must be at least %s", c.Format(least))
		}
		return v, err
	}
	return c
}

// Between returns a codec like c that refuses numbers outside.
func Between(c Codec[int], least, most int) Codec[int] {
	parse := c.Parse
	c.Parse = func(text string) (int, error) {
		n, err := parse(text)
		if err == nil && (n < least || n > most) {
			return 0, fmt.Errorf("%d is not from %d to %d", n, least, most)
		}
		return n, err
	}
	return c
}

func parseFlag(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "1", "on", "true", "yes":
		return true, nil
	case "0", "off", "false", "no":
		return false, nil
	}
	return false, fmt.Errorf("%q is neither on (1, true, yes) nor off (0, false, no)", text)
}

func formatFlag(v bool) string {
	if v {
		return "1"
	}
	return "0"
}

func parseInteger(text string) (int, error) {
	digits, base := text, 10
	if hex, ok := strings.CutPrefix(strings.ToLower(text), "0x"); ok {
		digits, base = hex, 16
	}
	n, err := strconv.ParseInt(digits, base, 32)
	if err != nil || base == 16 && digits[0] < '0' {
		return 0, fmt.Errorf("%q is not a whole number of at most 32 bits", text)
	}
	return int(n), nil
}

// ParseDuration reads a duration with its unit, as time.ParseDuration; a bare
// number is seconds. Negative ones are refused.
func ParseDuration(text string) (time.Duration, error) {
	unit := text
	if _, err := strconv.ParseFloat(text, 64); err == nil {
		unit += "s"
	}
	d, err := time.ParseDuration(unit)
	if err == nil && d < 0 {
		return 0, errors.New("it must not be negative")
	}
	if err != nil {
		return 0, fmt.Errorf("%q is not a duration such as 500ms, 5s or 1m", text)
	}
	return d, nil
}

// FormatDuration writes a duration so that ParseDuration reads it again: "500ms",
// "1m", "1h30m".
func FormatDuration(d time.Duration) string {
	text := d.String()
	for _, none := range [...]string{"m0s", "h0m"} {
		if short, ok := strings.CutSuffix(text, none); ok {
			text = short + none[:1]
		}
	}
	return text
}

var sizeUnits = []struct {
	suffix string
	factor int64
}{
	{"kib", 1 << 10}, {"mib", 1 << 20}, {"gib", 1 << 30}, {"tib", 1 << 40},
	{"kb", 1e3}, {"mb", 1e6}, {"gb", 1e9}, {"tb", 1e12},
	{"k", 1 << 10}, {"m", 1 << 20}, {"g", 1 << 30}, {"b", 1}, {"", 1},
}

// ParseSize reads a number of bytes: a whole number, or any with KiB, MiB, GiB
// (or k, m, g) for powers of 1024 and kB, MB, GB for powers of 1000, in any case.
func ParseSize(text string) (int64, error) {
	lower := strings.ToLower(text)
	for _, u := range sizeUnits {
		digits, ok := strings.CutSuffix(lower, u.suffix)
		if !ok {
			continue
		}
		if n, err := strconv.ParseUint(digits, 10, 63); err == nil && int64(n) <= math.MaxInt64/u.factor {
			return int64(n) * u.factor, nil
		}
		if f, err := strconv.ParseFloat(digits, 64); err == nil && u.factor > 1 && f >= 0 && f*float64(u.factor) < math.MaxInt64 {
			return int64(f * float64(u.factor)), nil
		}
		break
	}
	return 0, fmt.Errorf("%q is not a size such as 65536, 64KiB or 1MB", text)
}

func parseSizeInt(text string) (int, error) {
	n, err := ParseSize(text)
	if err == nil && n > math.MaxInt32 {
		err = fmt.Errorf("%q is more than 2 GiB", text)
	}
	return int(n), err
}

// FormatSize writes a number of bytes so that ParseSize reads it again, with
// the largest binary unit that divides it.
func FormatSize[T int | int64](n T) string {
	for _, u := range []struct {
		suffix string
		factor T
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n >= u.factor && n%u.factor == 0 {
			return strconv.FormatInt(int64(n/u.factor), 10) + u.suffix
		}
	}
	return strconv.FormatInt(int64(n), 10)
}

// A Codec turns values of type T to the text of the address language and
// back.
type Codec[T any] struct {
	Placeholder string // what follows "=", for people; "" for a flag
	Parse       func(string) (T, error)
	Format      func(T) string
}
