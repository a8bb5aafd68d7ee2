package bench

import (
	"testing"
	"time"
)

func TestWords(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{TimeText(0), "0 ns"}, {TimeText(999), "999 ns"}, {TimeText(1000), "1.00 µs"}, {TimeText(12345), "12.3 µs"}, {TimeText(999_600), "1.00 ms"},
		{TimeText(999_999_999), "1.00 s"}, {TimeText(90 * time.Second), "90.0 s"},
		{RateText(0), "0.00 bit/s"}, {RateText(999.7), "1.00 kbit/s"}, {RateText(1234e9), "1.23 Tbit/s"}, {RateText(9.994e6), "9.99 Mbit/s"},
		{grouped(0), "0"}, {grouped(-1234), "-1 234"}, {grouped(999), "999"}, {grouped(1234567), "1 234 567"},
		{percentText(0), "0%"}, {percentText(0.01234), "1.23%"}, {percentText(1), "100%"},
		{plural(1, "flow"), "1 flow"}, {plural(1000, "flow"), "1 000 flows"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}
