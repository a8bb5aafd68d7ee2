package check_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"zocalo/check"
	"zocalo/socket"
)

// The default run, on this machine: everything that it has keeps its promises.
func TestRun(t *testing.T) {
	report, err := check.Run(t.Context(), nil, check.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, k := range report.Kinds {
		kinds = append(kinds, k.Kind)
		if !k.Available {
			t.Logf("not on this machine: %s: %s", k.Kind, k.Reason)
			if k.Reason == "" || len(k.Findings) > 0 {
				t.Errorf("%s is missing, for reason %q, with %d findings", k.Kind, k.Reason, len(k.Findings))
			}
			continue
		}
		var found []string
		for _, f := range k.Findings {
			found = append(found, f.Property)
			switch f.Verdict {
			case check.Kept, check.NotPromised:
				if f.Word == "" || f.Seen == "" || f.Reason != "" {
					t.Errorf("%s: incomplete: %+v", k.Kind, f)
				}
			case check.Skipped:
				if f.Reason == "" {
					t.Errorf("%s %s: skipped without a reason", k.Kind, f.Property)
				}
			default:
				t.Errorf("%s %s: %s: sent %s; seen %s %s", k.Kind, f.Property, f.Verdict, f.Sent, f.Seen, f.Reason)
			}
		}
		if diff := cmp.Diff(check.Properties(), found); diff != "" {
			t.Errorf("%s: properties wanted (-) and found (+):\n%s", k.Kind, diff)
		}
	}
	if !slices.Equal(kinds, check.Kinds()) {
		t.Errorf("kinds %q, want %q", kinds, check.Kinds())
	}
	if report.Broken() {
		t.Error("a promise is broken")
	}
	isNarrow(t, report)
}

// isNarrow sees that all that is written of a report is at most 80 columns wide.
func isNarrow(t *testing.T, report check.Report) {
	var b strings.Builder
	if err := report.WriteTable(&b, check.TableOptions{Further: true, Figures: true, Details: true}); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(b.String()) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

// What the lecture says of the kinds, as the table shows it.
func TestWhatIsSeen(t *testing.T) {
	for _, test := range []struct{ kind, property, want string }{
		{"tcp", "bounded", "joined"},
		{"tcp", "urgent", "1 byte"},
		{"tcp", "slow", "waits"},
		{"tcp", "nobody", "refused"},
		{"tcp", "largest", "no limit"},
		{"tcp", "ways", "two"},
		{"tcp", "names", "paired"},
		{"tcp", "descriptors", "1"},
		{"udp", "connected", "not needed"},
		{"udp", "slow", "loses"},
		{"udp", "urgent", "refused"},
		{"udp", "largest", "65507"},
		{"unix", "reach", "local"},
		{"unix-dgram", "slow", "waits"},
		{"socketpair", "connected", "from birth"},
		{"pipe", "ways", "one"},
		{"pipe", "descriptors", "2"},
		{"pipe", "bounded", "joined"},
		{"memory", "descriptors", "none"},
		{"memory", "queue", "in order"},
	} {
		t.Run(test.kind+"/"+test.property, func(t *testing.T) {
			report := try(t, open(t, test.kind), test.property)
			f, _ := report.Finding(test.property)
			if f.Word != test.want {
				t.Errorf("%q, want %q: %+v", f.Word, test.want, f)
			}
		})
	}
}

func TestUDPLosesWhatNobodyReads(t *testing.T) {
	f, _ := try(t, open(t, "udp"), "reliable").Finding("reliable")
	if f.Verdict != check.NotPromised || !strings.HasPrefix(f.Word, "lost ") {
		t.Errorf("%+v", f)
	}
}

func TestMissingKind(t *testing.T) {
	src := &check.Source{Name: "nothing"}
	src.New = func() (*socket.Socket, error) { return nil, errors.New("none here") }
	report := try(t, src, "reliable")
	if f, _ := report.Finding("reliable"); f.Verdict != check.Failed {
		t.Errorf("%+v", f)
	}
	if _, err := check.Open(t.Context(), "raw6"); err == nil {
		t.Error("raw6 was opened, where a socket hears itself")
	}
}

func TestUnknownWords(t *testing.T) {
	for _, test := range []struct {
		kinds, properties []string
		want              string
	}{
		{[]string{"tpc"}, nil, `unknown kind "tpc": did you mean tcp?`},
		{[]string{"tcp", ""}, nil, `unknown kind ""`},
		{[]string{"fd"}, nil, `kind "fd"`},
		{[]string{"tcp"}, []string{"relyable"}, `unknown property "relyable": did you mean reliable?`},
	} {
		_, err := check.Run(t.Context(), test.kinds, check.Options{Properties: test.properties})
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("Run(%q, %q): %v, want one line with %s", test.kinds, test.properties, err, test.want)
		}
	}
}

func TestKindsInAnyCaseAndOnce(t *testing.T) {
	report, err := check.Run(t.Context(), []string{"MEMORY", "memory"}, check.Options{Properties: []string{"names"}})
	if err != nil || len(report.Kinds) != 1 || report.Kinds[0].Kind != "memory" || len(report.Kinds[0].Findings) != 1 {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestRunIsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := check.Run(ctx, nil, check.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Run after cancel: %v", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := check.Run(ctx, nil, check.Options{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Run with a deadline: %v", err)
	}
}

// What was found before the end of the context is in the report; what the end
// itself may have caused is not.
func TestInterruptedRunKeepsWhatItFound(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last check.Progress
	report, err := check.Run(ctx, []string{"memory"}, check.Options{Progress: func(p check.Progress) {
		if last = p; p.Trying == "urgent" {
			cancel()
		}
	}})
	var found []string
	for _, k := range report.Kinds {
		for _, f := range k.Findings {
			found = append(found, f.Property)
			if f.Verdict != check.Kept && f.Verdict != check.NotPromised {
				t.Errorf("%+v", f)
			}
		}
	}
	if diff := cmp.Diff([]string{"reliable", "ordered", "unduplicated", "intact", "connected", "bounded"}, found); diff != "" || !errors.Is(err, context.Canceled) {
		t.Errorf("%v; found (-want +got):\n%s", err, diff)
	}
	if last.Trying != "urgent" || last.Kind.Kind != "memory" || last.Done != 0 || last.Kinds != 1 {
		t.Errorf("progress %+v", last)
	}
}

func TestProgress(t *testing.T) {
	var told []string
	_, err := check.Run(t.Context(), []string{"memory"}, check.Options{
		Properties: []string{"names", "speed"},
		Progress: func(p check.Progress) {
			told = append(told, fmt.Sprint(p.Kind.Kind, p.Trying, len(p.Kind.Findings), p.Done, p.Kinds))
		},
	})
	if diff := cmp.Diff([]string{"memorynames0 0 1", "memoryspeed1 0 1", "memory2 1 1"}, told); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestNoFilesAreLeft(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("TMPDIR", folder)
	if _, err := check.Run(t.Context(), []string{"unix", "unix-dgram"}, check.Options{Properties: []string{"names"}}); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(folder)
	if err != nil || len(left) > 0 {
		t.Errorf("left in %s: %v, %v", folder, left, err)
	}
}

func TestReportAsJSON(t *testing.T) {
	report, err := check.Run(t.Context(), []string{"memory"}, check.Options{Properties: []string{"urgent", "slow"}})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	var back check.Report
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(report, back); diff != "" {
		t.Errorf("JSON and back (-want +got):\n%s", diff)
	}
	for _, want := range []string{`"kind":"memory"`, `"property":"urgent","verdict":"kept"`, `"sent":`, `"seen":`, `"unit":"bytes"`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s is not in %s", want, text)
		}
	}
}
