package bench

import (
	"maps"
	"slices"
	"strconv"
	"time"
)

// RateText is a rate in bits per second for people, such as "12.3 Gbit/s".
func RateText(bits float64) string { return scaled(bits, "bit/s") }

// scaled is a number with its unit and a decimal prefix, in three digits.
func scaled(v float64, unit string) string {
	for _, p := range []struct {
		factor float64
		name   string
	}{{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if v >= p.factor*0.9995 {
			return digits(v/p.factor) + " " + p.name + unit
		}
	}
	return digits(v) + " " + unit
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

// TimeText is a duration for people in three digits, such as "12.3 µs".
func TimeText(d time.Duration) string {
	v := float64(d)
	switch {
	case d < time.Microsecond:
		return strconv.FormatInt(int64(d), 10) + " ns"
	case v < 999.5e3:
		return digits(v/1e3) + " µs"
	case v < 999.5e6:
		return digits(v/1e6) + " ms"
	}
	return digits(v/1e9) + " s"
}

// grouped is a whole number with its thousands apart, such as "12 345".
func grouped(n int64) string {
	text := strconv.FormatInt(n, 10)
	for at := len(text) - 3; at > 0 && text[at-1] != '-'; at -= 3 {
		text = text[:at] + " " + text[at:]
	}
	return text
}

// percentText is a share, 0 to 1, as a percentage in up to three digits.
func percentText(share float64) string {
	if share == 0 {
		return "0%"
	}
	return strconv.FormatFloat(100*share, 'g', 3, 64) + "%"
}

// plural is a number with its noun.
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return grouped(int64(n)) + " " + noun + "s"
}

// sortedKeys are the keys of a map, in order.
func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
