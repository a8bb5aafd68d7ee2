package units

import (
	"math"
	"testing"
	"time"
)

func TestUnits(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{Time(0), "0 s"}, {Time(999), "999 ns"}, {Time(1000), "1.00 µs"}, {Time(12345), "12.3 µs"}, {Time(999_600), "1.00 ms"},
		{Time(999_999_999), "1.00 s"}, {Time(90 * time.Second), "90.0 s"}, {Time(119 * time.Second), "119 s"},
		{Time(2 * time.Minute), "2 min"}, {Time(125400 * time.Millisecond), "2 min 5 s"}, {Time(90 * time.Minute), "90 min"},
		{Time(2*time.Hour - time.Millisecond), "2 h"}, {Time(26 * time.Hour), "26 h"}, {Time(50*time.Hour + 20*time.Minute), "2 d 2 h"},
		{Time(-1500 * time.Millisecond), "-1.50 s"}, {Time(math.MinInt64), "-106 751 d 23 h"},
		{Set(5 * time.Second), "5 s"}, {Set(1500 * time.Millisecond), "1.5 s"}, {Set(100 * time.Millisecond), "100 ms"}, {Set(250 * time.Microsecond), "250 µs"},
		{Set(20 * time.Second), "20 s"}, {Set(10 * time.Minute), "10 min"}, {Set(time.Minute), "1 min"}, {Set(90 * time.Second), "90 s"}, {Word(time.Minute), "1m"}, {Number(1e20), "1e+20"}, {Set(0), "0 s"},
		{Word(5 * time.Second), "5s"}, {Word(125 * time.Second), "2m5s"}, {Word(26 * time.Hour), "26h"}, {Word(50*time.Hour + 20*time.Minute), "50h20m"}, {Word(10 * time.Minute), "10m"}, {Word(1234567), "1.23ms"},
		{Rate(0), "0 bit/s"}, {Rate(999.7), "1.00 kbit/s"}, {Rate(1234e9), "1.23 Tbit/s"}, {Rate(9.994e6), "9.99 Mbit/s"},
		{RateWord(16e6), "16.0Mbit/s"}, {RateSet(10e6), "10 Mbit/s"}, {RateSet(100e9), "100 Gbit/s"},
		{Size(0), "0 bytes"}, {Size(1), "1 byte"}, {Size(1000), "1 000 bytes"}, {Size(1024), "1.00 KiB"}, {Size(1020 << 10), "1 020 KiB"},
		{Size(int64(1)<<20 - 1), "1.00 MiB"}, {Size(12_897_484), "12.3 MiB"}, {Size(uint64(math.MaxUint64)), "16.0 EiB"},
		{Count(0), "0"}, {Count(-1234), "-1 234"}, {Count(999), "999"}, {Count(1234567), "1 234 567"}, {Count(uint64(math.MaxUint64)), "18 446 744 073 709 551 615"},
		{Plural(1, "flow"), "1 flow"}, {Plural(1000, "flow"), "1 000 flows"}, {Number(0.123), "0.12"}, {Number(12345.6), "12 346"}, {Number(999.6), "1 000"},
		{Percent(0), "0%"}, {Percent(0.01234), "1.23%"}, {Percent(1), "100%"}, {Percent(1e-8), "0.000001%"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}
