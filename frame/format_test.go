package frame_test

import (
	"math"
	"strings"
	"testing"

	"zocalo/frame"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]frame.Format{
		"lines":       {Kind: frame.Lines},
		"len16":       {Kind: frame.Len16},
		"LEN32":       {Kind: frame.Len32},
		"varint":      {Kind: frame.Varint},
		"Netstring":   {Kind: frame.Netstring},
		"fixed:1":     {Kind: frame.Fixed, Size: 1},
		"fixed:188":   {Kind: frame.Fixed, Size: 188},
		"fixed:7B":    {Kind: frame.Fixed, Size: 7},
		"chunk:64KiB": {Kind: frame.Chunk, Size: 65536},
		"chunk:2kB":   {Kind: frame.Chunk, Size: 2000},
		"fixed:3MB":   {Kind: frame.Fixed, Size: 3000000},
		"fixed:1GiB":  {Kind: frame.Fixed, Size: frame.MaxSize},
	} {
		got, err := frame.Parse(text)
		if err != nil || got != want {
			t.Errorf("Parse(%q) = %+v, %v; want %+v", text, got, err, want)
		}
		again, err := frame.Parse(got.String())
		if err != nil || again != got {
			t.Errorf("Parse(%q) = %+v, %v; want %+v", got.String(), again, err, got)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	const list = "there are lines, len16, len32, varint, netstring, fixed:N, chunk:N"
	for text, want := range map[string]string{
		"":            list,
		"line":        `"line": did you mean lines?`,
		"netstrings":  "did you mean netstring?",
		"len23":       "did you mean len",
		"varnit":      "did you mean varint?",
		"fixd:3":      "did you mean fixed:N?",
		"zzzzzz":      `"zzzzzz": ` + list,
		"lines ":      "did you mean lines?",
		"lines:":      "lines takes no size: write lines alone",
		"len16:2":     "len16 takes no size",
		"fixed":       "needs a size in bytes: write fixed:N",
		"chunk":       "needs a size in bytes: write chunk:N",
		"fixed:":      "the size must be 1 to 1073741824 bytes",
		"fixed:0":     "the size must be",
		"fixed:-1":    "the size must be",
		"fixed:+1":    "the size must be",
		"fixed:1.5":   "the size must be",
		"fixed:KiB":   "the size must be",
		"fixed:1 KiB": "the size must be",
		"fixed:1:2":   "the size must be",

		"fixed:1073741825":         "the size must be",
		"fixed:2GiB":               "the size must be",
		"fixed:18446744073709":     "the size must be",
		"chunk:99999999999999999":  "the size must be",
		strings.Repeat("x", 1<<16): "unknown format",
	} {
		f, err := frame.Parse(text)
		if err == nil {
			t.Errorf("Parse(%.40q) = %v, want a refusal", text, f)
		} else if msg := err.Error(); !strings.Contains(msg, want) || strings.Contains(msg, "\n") || len(msg) > 250 {
			t.Errorf("Parse(%.40q): %q does not say %q in one short line", text, err, want)
		}
	}
}

func TestZeroFormat(t *testing.T) {
	var f frame.Format
	if f.String() != "" || f.Max() != 0 {
		t.Errorf("the zero format is %q, carries %d", f, f.Max())
	}
}

func TestNotAFormat(t *testing.T) {
	for _, f := range []frame.Format{
		{},
		{Kind: 200},
		{Kind: frame.Lines, Size: 1},
		{Kind: frame.Fixed},
		{Kind: frame.Fixed, Size: -1},
		{Kind: frame.Chunk, Size: frame.MaxSize + 1},
	} {
		if r, err := frame.NewReader(nil, f, 0); err == nil || r != nil {
			t.Errorf("NewReader took %+v", f)
		}
		if w, err := frame.NewWriter(nil, f, 0); err == nil || w != nil {
			t.Errorf("NewWriter took %+v", f)
		}
		if b, err := f.Append([]byte("x"), []byte("y")); err == nil || string(b) != "x" {
			t.Errorf("%+v appended to %q, %v", f, b, err)
		}
		if f.Max() != 0 {
			t.Errorf("%+v claims to carry messages", f)
		}
	}
}

func TestLimits(t *testing.T) {
	for _, c := range []struct {
		format string
		limit  int
		ok     bool
	}{
		{"lines", 0, true},
		{"lines", 1, true},
		{"lines", -1, false},
		{"lines", math.MaxInt, true},
		{"netstring", math.MaxInt, true},
		{"len16", math.MaxInt, true},
		{"fixed:8", 0, true},
		{"fixed:8", 8, true},
		{"fixed:8", 7, false},
		{"chunk:8", 7, false},
		{"chunk:8", 9, true},
		{"fixed:2MiB", 0, true}, // more than DefaultLimit
	} {
		_, rerr := frame.NewReader(nil, parse(t, c.format), c.limit)
		_, werr := frame.NewWriter(nil, parse(t, c.format), c.limit)
		if (rerr == nil) != c.ok || (werr == nil) != c.ok {
			t.Errorf("%s with limit %d: reader %v, writer %v", c.format, c.limit, rerr, werr)
		}
	}
}

func TestMax(t *testing.T) {
	for text, want := range map[string]int{
		"lines":   math.MaxInt,
		"len16":   65535,
		"len32":   int(min(uint64(math.MaxInt), math.MaxUint32)),
		"fixed:9": 9,
		"chunk:9": 9,
	} {
		if got := parse(t, text).Max(); got != want {
			t.Errorf("Max of %s = %d, want %d", text, got, want)
		}
	}
}
