package replay

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"zocalo/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

func patterns(texts ...string) (all []*Pattern) {
	for _, t := range texts {
		p, err := ParsePattern(t)
		if err != nil {
			panic(err)
		}
		all = append(all, p)
	}
	return all
}

func TestComparison(t *testing.T) {
	date := patterns(`Date: [^\r]*\r\n`, `id=[0-9]+`)
	for name, test := range map[string]struct {
		ignore    []*Pattern
		want, got string
		verdict   verdict // once nothing more comes
		at, came  int     // where it differs
	}{
		"the same":                      {nil, "hello", "hello", complete, 5, 5},
		"more":                          {nil, "hello", "hello world", complete, 5, 5},
		"less":                          {nil, "hello", "hel", undecided, 3, 3},
		"other":                         {nil, "hello", "help!", differs, 3, 3},
		"dates":                         {date, "200\r\nDate: Mon\r\n\r\nbody", "200\r\nDate: Tuesday\r\n\r\nbody", complete, 22, 26},
		"a date, and then another body": {date, "Date: Mon\r\nbody", "Date: Tuesday\r\nbOdy", differs, 12, 16},
		"no date":                       {date, "Date: Mon\r\nbody", "body", differs, 0, 0},
		"a date that was not there":     {date, "body", "Date: Mon\r\nbody", differs, 0, 0},
		"part of a date":                {date, "Date: Mon\r\nbody", "Date: Tu", differs, 0, 0},
		"an id at the end":              {date, "id=7", "id=123", complete, 4, 6},
		"two ids":                       {date, "id=7 id=8 x", "id=123 id=9 x", complete, 11, 13},
	} {
		for _, step := range []int{1, 3, 1 << 10} {
			c := newComparison(test.ignore, []byte(test.want), nil)
			v := undecided
			for at := 0; at < len(test.got) && v != complete; at += step {
				c.got = append(c.got, test.got[at:min(len(test.got), at+step)]...)
				if v = c.look(false); v == differs && test.ignore == nil {
					break
				}
			}
			if v != complete {
				v = c.look(true)
			}
			if v != test.verdict || c.at != test.at || c.passed != test.came {
				t.Errorf("%s, %d at once: %d at %d and %d, want %d at %d and %d", name, step, v, c.at, c.passed, test.verdict, test.at, test.came)
			}
		}
	}
}

// A long answer takes no time that grows with its square.
func TestComparisonForgetsWhatAgrees(t *testing.T) {
	want := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	c := newComparison(patterns("x+"), want, nil)
	for at := 0; at < len(want); at += 4096 {
		c.got = append(c.got, want[at:at+4096]...)
		c.look(false)
		if len(c.got) != 0 {
			t.Fatalf("%d bytes are kept that agree", len(c.got))
		}
	}
	if c.look(true) != complete {
		t.Error("it does not agree with itself")
	}
}

func TestPatternsOfBytes(t *testing.T) {
	for _, test := range []struct {
		pattern, text string
		want          []span
	}{
		{`(?s)\x09\xd0..`, "\x00\x09\xd0\x0a\xc3\xa9", []span{{1, 5}}},
		{`\x{d0}+`, "a\xd0\xd0b\xd0", []span{{1, 3}, {4, 5}}},
		{`é.`, "aéxb", []span{{1, 4}}},
		{`\\xd0`, `a\xd0`, []span{{1, 5}}}, // a backslash, and then letters
	} {
		if got := ignored(patterns(test.pattern), []byte(test.text)); !slices.Equal(got, test.want) {
			t.Errorf("%s in %q: %v, want %v", test.pattern, test.text, got, test.want)
		}
	}
	if _, err := ParsePattern("a("); err == nil || err.Error() != "missing closing ): a(" {
		t.Error(err)
	}
}

func FuzzComparison(f *testing.F) {
	f.Add([]byte("a id=1 b"), []byte("a id=22 b"), 3)
	f.Fuzz(func(t *testing.T, want, got []byte, step int) {
		if step < 1 {
			return
		}
		for _, ignore := range [][]*Pattern{nil, patterns(`id=[0-9]*`, `a.*b`)} {
			c := newComparison(ignore, want, nil)
			for at := 0; at < len(got); at += step {
				c.got = append(c.got, got[at:min(len(got)-at, step)+at]...)
				if c.look(false) == complete {
					break
				}
				if step > len(got) {
					break
				}
			}
			v := c.look(true)
			if ignore == nil && (v == complete) != bytes.HasPrefix(got, want) {
				t.Fatalf("%q %q: %d", want, got, v)
			}
			if bytes.Equal(want, got) && v != complete {
				t.Fatalf("%q does not agree with itself: %d", want, v)
			}
		}
	})
}

func TestDump(t *testing.T) {
	d := &Difference{Why: Differs, Answer: 2, From: 1, RecordedOffset: 10, CameOffset: 12}
	d.around([]byte("0123456789abcdefghij"), []byte("xx0123456789abXdefghijk\x00\xff"), agreement{want: 12, got: 14})
	d.RecordedOffset, d.CameOffset = 12, 14
	want := `recorded                                 came
000004 34 35 36 37 38 39 61 62 456789ab  000006 34 35 36 37 38 39 61 62 456789ab
00000c 63 64 65 66 67 68 69 6a cdefghij! 00000e 58 64 65 66 67 68 69 6a Xdefghij
                                       ! 000016 6b 00 ff                k..
`
	if got := d.Dump(); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	for line := range strings.Lines(d.Dump()) {
		if len(line) > 81 {
			t.Errorf("a line of %d columns", len(line)-1)
		}
	}
}
