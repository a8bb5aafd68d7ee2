// Package units writes durations, sizes, rates, counts and shares for people: one way
// for all that is printed in sentences and tables. What people type (the value of a
// flag, an option or a filter) keeps the form in which it is typed, see package codec,
// and JSON has plain numbers.
package units

import (
	"math"
	"strconv"
	"strings"
	"time"

	"zocalo/codec"
)

// Time is a duration that was measured, in three digits: "12.3 µs", "1.30 ms",
// "90.0 s"; from two minutes up in two units, "2 min 5 s".
func Time(d time.Duration) string {
	text, _ := written(d)
	return text
}

// Set is a duration that somebody has set, such as a timeout: [Time] without zeros
// after the last digit that counts, "5 s", "500 ms", "1 min".
func Set(d time.Duration) string {
	if d == time.Minute {
		return "1 min"
	}
	text, long := written(d)
	number, unit, _ := strings.Cut(text, " ")
	if long || !strings.Contains(number, ".") {
		return text
	}
	return strings.TrimSuffix(strings.TrimRight(number, "0"), ".") + " " + unit
}

// Word is a duration in one word, as flags and filters take it, for a column or an
// attribute: "12.3µs", "5s", "2m5s", "26h".
func Word(d time.Duration) string {
	text, long := written(d)
	switch {
	case d == time.Minute:
		return "1m"
	case !long:
		return joined(Set(d))
	case strings.Contains(text, " s"):
		return codec.FormatDuration(d.Round(time.Second))
	}
	return codec.FormatDuration(d.Round(time.Minute))
}

func joined(text string) string { return strings.ReplaceAll(text, " ", "") }

// written is a duration in three digits, and whether it has two units.
func written(d time.Duration) (text string, long bool) {
	v := float64(d)
	switch {
	case d == 0:
		return "0 s", false
	case d < 0:
		text, long = written(-max(d, -math.MaxInt64))
		return "-" + text, long
	case d < time.Microsecond:
		return strconv.FormatInt(int64(d), 10) + " ns", false
	case v < 999.5e3:
		return digits(v/1e3) + " µs", false
	case v < 999.5e6:
		return digits(v/1e6) + " ms", false
	case d < 2*time.Minute:
		return digits(v/1e9) + " s", false
	}
	for _, u := range [...]struct {
		of, to      time.Duration
		large, most string
	}{{time.Minute, time.Second, " min", " s"}, {time.Hour, time.Minute, " h", " min"}, {24 * time.Hour, time.Hour, " d", " h"}} {
		whole := d.Round(u.to)
		if u.of == time.Minute && whole >= 2*time.Hour || u.of == time.Hour && whole >= 48*time.Hour {
			continue
		}
		text = Count(int64(whole/u.of)) + u.large
		if rest := whole % u.of / u.to; rest > 0 {
			text += " " + strconv.FormatInt(int64(rest), 10) + u.most
		}
		break
	}
	return text, true
}

// Rate is a rate in bits per second, such as "9.41 Gbit/s".
func Rate(bits float64) string {
	if bits == 0 {
		return "0 bit/s"
	}
	for _, p := range decimal {
		if bits >= p.factor*0.9995 {
			return digits(bits/p.factor) + " " + p.name + "bit/s"
		}
	}
	return digits(bits) + " bit/s"
}

// RateWord is [Rate] in one word, for a column.
func RateWord(bits float64) string { return joined(Rate(bits)) }

// RateSet is a rate that somebody has set: [Rate] without zeros after the last digit that counts.
func RateSet(bits float64) string {
	number, unit, _ := strings.Cut(Rate(bits), " ")
	if strings.Contains(number, ".") {
		number = strings.TrimSuffix(strings.TrimRight(number, "0"), ".")
	}
	return number + " " + unit
}

var decimal = [...]struct {
	factor float64
	name   string
}{{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}}

// Size is a number of bytes in three digits: "1 byte", "512 bytes", "12.3 MiB".
func Size[T int | int64 | uint64](n T) string {
	if n < 1<<10 {
		return Plural(n, "byte")
	}
	v, prefixes := float64(n), "KMGTPE"
	for v /= 1 << 10; v >= 1023.5 && len(prefixes) > 1; v /= 1 << 10 {
		prefixes = prefixes[1:]
	}
	if v >= 999.5 { // four digits, such as 1 020 KiB
		return Count(int64(v+0.5)) + " " + prefixes[:1] + "iB"
	}
	return digits(v) + " " + prefixes[:1] + "iB"
}

// Count is a whole number with its thousands apart, such as "12 345".
func Count[T int | int64 | uint64](n T) string {
	text := strconv.FormatUint(uint64(n), 10)
	if n < 0 {
		text = strconv.FormatInt(int64(n), 10)
	}
	for at := len(text) - 3; at > 0 && text[at-1] != '-'; at -= 3 {
		text = text[:at] + " " + text[at:]
	}
	return text
}

// Plural is a number with its noun, such as "1 flow" or "12 345 messages".
func Plural[T int | int64 | uint64](n T, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return Count(n) + " " + noun + "s"
}

// Number is a figure in three digits or more, its thousands apart: "0.12", "12.3", "12 345".
func Number(v float64) string {
	if v >= 999.5 && v < math.MaxInt64 {
		return Count(int64(v + 0.5))
	} else if v >= math.MaxInt64 {
		return strconv.FormatFloat(v, 'g', 3, 64)
	}
	return digits(v)
}

// Percent is a share, 0 to 1, in up to three digits: "98%", "1.23%".
func Percent(share float64) string {
	v, _ := strconv.ParseFloat(strconv.FormatFloat(100*share, 'g', 3, 64), 64) // rounded
	return strconv.FormatFloat(v, 'f', -1, 64) + "%"
}

// digits are three significant ones.
func digits(v float64) string {
	switch {
	case v >= 99.95:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 9.995:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}
