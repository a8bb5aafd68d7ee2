package check_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"zocalo/check"
	"zocalo/socket"
)

var update = flag.Bool("update", false, "write the tables in testdata anew")

// sample has every verdict, and all that a table can say.
func sample() check.Report {
	find := func(property string, v check.Verdict, word string) check.Finding {
		return check.Finding{Property: property, Verdict: v, Word: word, Sent: "what was sent for " + property, Seen: "what was seen of " + property}
	}
	because := func(property string, v check.Verdict, reason string) check.Finding {
		return check.Finding{Property: property, Verdict: v, Reason: reason}
	}
	tcp := check.KindReport{Kind: "tcp", Available: true, Promised: socket.Properties{Reliable: true, Urgent: 1}}
	tcp.Findings = []check.Finding{
		find("reliable", check.Broken, "lost 2%"), find("ordered", check.Kept, "in order"), find("bounded", check.NotPromised, "joined"),
		find("urgent", check.Kept, "1 byte"), find("slow", check.Kept, "waits"), find("queue", check.Kept, "in order"),
		because("reach", check.Skipped, "no namespaces here"), find("speed", check.NotPromised, "1000 MB/s"),
	}
	tcp.Findings[0].Figures = []check.Figure{{Name: "sent", Value: 2000}, {Name: "lost", Value: 40}}
	tcp.Findings[7].Figures = []check.Figure{{Name: "throughput", Value: 1000, Unit: "MB/s"}, {Name: "round trip", Value: 12.34, Unit: "us"}}
	udp := check.KindReport{Kind: "udp", Available: true}
	udp.Findings = []check.Finding{
		find("reliable", check.NotPromised, "lost 95%"), find("ordered", check.NotPromised, "in order"), find("bounded", check.Kept, "stay apart"),
		because("urgent", check.Failed, "too many open files"), find("slow", check.NotPromised, "loses"),
		because("queue", check.Skipped, "this kind does not listen"), because("reach", check.Skipped, "no namespaces here"),
		find("largest", check.Kept, "65507"),
	}
	udp.Findings[7].Figures = []check.Figure{{Name: "largest", Value: 65507, Unit: "bytes"}}
	return check.Report{Kinds: []check.KindReport{tcp, udp, {Kind: "vsock", Reason: "no loopback"}}}
}

func TestBrokenAndFailed(t *testing.T) {
	r := sample()
	if !r.Broken() || !r.Failed() {
		t.Errorf("broken %v, failed %v, want both", r.Broken(), r.Failed())
	}
	r.Kinds[0].Findings = r.Kinds[0].Findings[1:]
	if r.Broken() {
		t.Error("broken, though nothing is")
	}
}

func TestTable(t *testing.T) {
	sound := sample()
	sound.Kinds[0].Findings = sound.Kinds[0].Findings[1:5]
	sound.Kinds = sound.Kinds[:1]
	for _, test := range []struct {
		name    string
		report  check.Report
		options check.TableOptions
	}{
		{"plain", sample(), check.TableOptions{}},
		{"further", sample(), check.TableOptions{Further: true}},
		{"figures", sample(), check.TableOptions{Figures: true}},
		{"details", sample(), check.TableOptions{Further: true, Details: true}},
		{"color", sample(), check.TableOptions{Further: true, Color: true}},
		{"sound", sound, check.TableOptions{}},
		{"empty", check.Report{}, check.TableOptions{Further: true, Figures: true, Details: true}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got strings.Builder
			if err := test.report.WriteTable(&got, test.options); err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", test.name+".txt")
			if *update {
				if err := os.WriteFile(golden, []byte(got.String()), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", golden, diff)
			}
		})
	}
}
