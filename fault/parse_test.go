package fault

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]Fault{
		"down:latency=100ms~20ms,normal":          {Direction: Down, Effect: Latency{Mean: 100 * time.Millisecond, Jitter: 20 * time.Millisecond, Shape: Normal}},
		"latency=0.5,corr=25%,reorder":            {Effect: Latency{Mean: 500 * time.Millisecond, Correlation: 0.25, Reorder: true}},
		"up:loss=ge(1%,30%)":                      {Direction: Up, Effect: Loss{Gilbert: &GilbertElliott{0.01, 0.3, 1, 0}}},
		"loss=ge(1%, 30%, 0%, 0.1%)":              {Effect: Loss{Gilbert: &GilbertElliott{0.01, 0.3, -1, 0.001}}},
		"loss=burst(5%,10),pause=1s":              {Effect: Loss{Share: 0.05, Burst: 10, Pause: time.Second}},
		"both:rate=1MB/s,burst=64KiB,queue=1MiB":  {Effect: Rate{1e6, 64 << 10, 1 << 20}},
		"slices=100~50,10ms":                      {Effect: Slices{100, 50, 10 * time.Millisecond}},
		"slow-open=1s":                            {Effect: SlowOpen{time.Second}},
		"slow-close=1s":                           {Effect: SlowClose{time.Second}},
		"stall,after=5s,for=2s,every=10s,times=3": {Effect: Stall{}, Timing: Timing{After: 5 * time.Second, For: 2 * time.Second, Every: 10 * time.Second, Times: 3}},
		"timeout=0":                               {Effect: Timeout{}},
		"limit=1kB":                               {Effect: Limit{1000}},
		"reset":                                   {Effect: Reset{}},
		"reset=5":                                 {Effect: Reset{After: 5 * time.Second}},
		"reset=5kB":                               {Effect: Reset{Bytes: 5000}},
		"corrupt=0.1%":                            {Effect: Corrupt{0.001}},
		"duplicate=0.01":                          {Effect: Duplicate{0.01}},
		"reorder=5%,3,hold=1s":                    {Effect: Reorder{0.05, 3, time.Second}},
		"truncate=100,10%":                        {Effect: Truncate{0.1, 100}},
		"mtu=1400":                                {Effect: MTU{1400}},
		"cut@partition,clock=plan,pairs=1,pairs=3-5,pairs=7-": {Name: "cut", Effect: Partition{}, Timing: Timing{Together: true}, Pairs: []Range{{1, 1}, {3, 5}, {7, 0}}},
		"up:down,pairs=50%": {Direction: Up, Effect: Outage{}, Share: 0.5},
		"blackhole":         {Effect: Blackhole{}},
	} {
		got, err := Parse(text)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("Parse(%q) = %#v, %v", text, got, err)
		}
		if again, err := Parse(got.String()); err != nil || !reflect.DeepEqual(got, again) {
			t.Errorf("%q is %q, and that %#v, %v", text, got, again, err)
		}
	}
	words, examples := Words()
	for i, example := range examples {
		if f, err := Parse(example); err != nil || f.Effect.word() != words[i] {
			t.Errorf("the example %q is %v, %v", example, f, err)
		}
	}
	if len(words) != len(effectWords) {
		t.Errorf("there are %d effects, and %d words", len(words), len(effectWords))
	}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                           "empty",
		"latncy=1s":                  "did you mean latency?",
		"bandwidth=1MB":              "here it is rate",
		"delay=100ms":                "here it is latency",
		"xyzzy":                      "there are latency, rate",
		"dwn:latency=1s":             "did you mean down?",
		"sideways:stall":             "there are both, up, down",
		"latency":                    "such as latency=100ms~20ms,normal",
		"latency=fast":               "not a duration",
		"latency=1s~":                "not a duration",
		"latency=1s,nromal":          "did you mean normal?",
		"latency=1s,normal":          "shape of a jitter",
		"latency=1s~1s,corr=100%":    "below 100%",
		"latency=1s,aftr=2s":         "did you mean after?",
		"latency=1s,after=2s,after=": "twice",
		"latency=1s,,":               "between two commas",
		"latency=file(":              "parentheses",
		"latency=file(/nowhere)":     "no such file",
		"rate=10Mbit":                "bytes per second",
		"rate=x":                     "not a size",
		"loss=30":                    "write 30%",
		"loss=ge(1%)":                "not one of",
		"loss=101%":                  "not from 0% to 100%",
		"loss=burst(1%,x)":           "number of messages",
		"loss=burst(100%,2)":         "less than all",
		"loss=NaN":                   "not a share",
		"slices=0":                   "less than 1",
		"slices=10~10":               "less than the size",
		"stall=5s":                   "takes no value",
		"stall,every=5s":             "needs for=",
		"stall,for=5s,every=5s":      "longer than",
		"stall,times=2":              "needs every=",
		"stall,times=x":              "not a whole number",
		"stall,clock=wall":           "neither pair nor plan",
		"stall,pairs=0":              "pair number",
		"stall,pairs=5-2":            "pair number",
		"stall,toxicity=1":           "here it is pairs=50%",
		"reset=soon":                 "neither a time",
		"@stall":                     "name before @",
	} {
		var spec *SpecError
		if _, err := Parse(text); !errors.As(err, &spec) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("Parse(%q) = %v; want something about %q", text, err, want)
		}
	}
}

func TestSamples(t *testing.T) {
	path := filepath.Join(t.TempDir(), "delays")
	if err := os.WriteFile(path, []byte("# from ping\n12.5\n 3ms # fast\n\n1s\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := Parse("latency=file(" + path + ")")
	if want := []time.Duration{12500 * time.Microsecond, 3 * time.Millisecond, time.Second}; err != nil || !reflect.DeepEqual(f.Effect.(Latency).Samples, want) {
		t.Errorf("the samples are %v, %v", f, err)
	}
	for text, want := range map[string]string{"": "no delays", "1\nx": "line 2", "-1": "line 1"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Parse("latency=file(" + path + ")"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is %v", text, err)
		}
	}
	if _, err := Parse("latency=file(/dev/zero)"); err == nil {
		t.Error("/dev/zero is a file of delays")
	}
}

func TestSchedule(t *testing.T) {
	s, err := ParseSchedule([]byte(`
seed = 42

[[fault]]
do = "down:latency=100ms~20ms,normal"
name = "slow"
after = "5s"
for = 2
every = "10s"
times = 3
clock = "plan"
pairs = [1, "3-5"]

[[fault]]
do = "loss=1%,after=1s"
pairs = "50%"
`))
	want := []string{"slow@down:latency=100ms~20ms,normal,after=5s,for=2s,every=10s,times=3,clock=plan,pairs=1,pairs=3-5", "loss=1%,after=1s,pairs=50%"}
	if err != nil || *s.Seed != 42 || len(s.Faults) != 2 || s.Faults[0].String() != want[0] || s.Faults[1].String() != want[1] {
		t.Errorf("the schedule is %v, %v", s, err)
	}
	for text, want := range map[string]string{
		"sede = 1":                              `line 1, column 1: unknown key "sede": did you mean seed?`,
		"[[fault]]\ndo = \"stall\"\nevry = 1":   `line 3, column 1: unknown key "evry": did you mean every?`,
		"\n[[fault]]\n  do = \"latncy=1s\"":     "line 3, column 3: ",
		"[[fault]]\nfor = 1":                    "line 1, column 1: do is missing",
		"[[fault]]\ndo = \"stall\"\n[[fault]]":  "line 3, column 1: do is missing",
		"seed = \"x\"":                          "line 1, column 8: seed: it must be a whole number, 0 or more",
		"seed = -1":                             "line 1, column 8: seed: it must be a whole number, 0 or more",
		"[[fault]]\ndo = 3":                     "line 2, column 6: do: it must be text in quotes",
		"[[fault]]\ndo=\"stall\"\nname=\"a,b\"": `line 2, column 1: name "a,b": it must not contain @ or a comma`,
		"seed = ":                               "line 1, column 7: ",
		"fault = 1":                             "line 1",
	} {
		_, err := ParseSchedule([]byte(text))
		var at *ScheduleError
		if !errors.As(err, &at) || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q is %v; want %s", text, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	_, examples := Words()
	for _, text := range append(examples, "a@up:loss=ge(1%,2%,3%,4%),after=1s,pairs=1-2", "reset=1B") {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "file(") {
			return
		}
		got, err := Parse(text)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		if again, err := Parse(got.String()); err != nil || again.String() != got.String() {
			t.Errorf("%q is %q, and that %q, %v", text, got, again, err)
		}
	})
}

func FuzzParseSchedule(f *testing.F) {
	f.Add([]byte("seed = 1\n[[fault]]\ndo = \"stall\"\nafter = 1.5\npairs = [1]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if strings.Contains(string(text), "file(") {
			return
		}
		if _, err := ParseSchedule(text); err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v", text, err)
		}
	})
}

func TestTiming(t *testing.T) {
	s := time.Second
	for _, test := range []struct {
		Timing
		now, since, until time.Duration
		holds             bool
	}{
		{Timing{}, 5 * s, 0, forever, true},
		{Timing{After: 5 * s}, 4 * s, 0, 5 * s, false},
		{Timing{After: 5 * s}, 5 * s, 5 * s, forever, true},
		{Timing{After: 5 * s, For: s}, 5 * s, 5 * s, 6 * s, true},
		{Timing{After: 5 * s, For: s}, 6 * s, 6 * s, forever, false},
		{Timing{For: s, Every: 10 * s}, 20 * s, 20 * s, 21 * s, true},
		{Timing{For: s, Every: 10 * s}, 21 * s, 21 * s, 30 * s, false},
		{Timing{For: s, Every: 10 * s, Times: 2}, 10 * s, 10 * s, 11 * s, true},
		{Timing{For: s, Every: 10 * s, Times: 2}, 11 * s, 11 * s, forever, false},
		{Timing{For: s, Every: 10 * s, Times: 2}, 25 * s, 11 * s, forever, false},
	} {
		if holds, since, until := test.at(test.now); holds != test.holds || until != test.until || since != test.since {
			t.Errorf("%+v at %v: %v since %v until %v", test.Timing, test.now, holds, since, until)
		}
	}
}

// What people call a fault does not break the log.
func TestNamesInLog(t *testing.T) {
	text := Event{Pair: 1, Direction: Up, Fault: "a\"b\\\n\x07é\xff", Did: Lost, Message: 3}.AppendJSON(nil)
	var got struct{ Fault string }
	if err := json.Unmarshal(text, &got); err != nil || got.Fault != "a\"b\\\n\x07é\ufffd" || bytes.Count(text, []byte("\n")) != 1 {
		t.Errorf("%s is %q, %v", text, got.Fault, err)
	}
}
