package address_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"zocalo/address"
)

func mustParse(t *testing.T, text string) address.Address {
	t.Helper()
	a, err := address.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestExplain(t *testing.T) {
	e := address.Explain(mustParse(t, "TOY-LISTEN://any:0,quiet,backlog=5"))
	options := e.Options
	e.Options = nil
	want := address.Explanation{
		Address: "toy-listen:any:0,quiet,backlog=5",
		Scheme:  "toy",
		Doc:     "a stream of toys",
		Side:    "passive",
		Form:    "host:port",
		Endpoint: []address.EndpointPart{
			{Name: "host", Value: "any", Meaning: "every interface"},
			{Name: "port", Value: "0", Meaning: "the system chooses one"},
		},
		Kinds: []address.KindExplanation{{Name: "toy-stream", Call: "socket(AF_TOY, SOCK_STREAM, 0)",
			Reliable: true, Ordered: true, Urgent: 1}},
	}
	if d := cmp.Diff(want, e); d != "" {
		t.Error(d)
	}
	var names []string
	for _, o := range options {
		names = append(names, o.Name)
	}
	if got, want := strings.Join(names, " "), "quiet backlog level label sndtoy toymode bind retry interval allow max-conns accept-timeout fork once frame no-shutdown"; got != want {
		t.Errorf("options are %s; want %s", got, want)
	}
	if d := cmp.Diff(address.OptionExplanation{Name: "backlog", Placeholder: "NUMBER", Given: true, Value: "5",
		Default: "0, the system's maximum", Side: "passive", Doc: address.Backlog.Doc}, options[1]); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(address.OptionExplanation{Name: "level", Aliases: []string{"toy-level"}, Placeholder: "NUMBER",
		Default: "3", Constant: "TOY_LEVEL", Doc: "how much of a toy it is"}, options[2]); d != "" {
		t.Error(d)
	}
}

func TestExplainEndpoint(t *testing.T) {
	type part = address.EndpointPart
	for text, want := range map[string][]part{
		"toy:h:1":          {{"host", "h", ""}, {"port", "1", ""}},
		"toy:1":            {{"host", "", "localhost"}, {"port", "1", ""}},
		"toy-listen:1":     {{"host", "", "localhost, on every address that it has"}, {"port", "1", ""}},
		"toy:::1:80":       {{"host", "::1", ""}, {"port", "80", ""}},
		"toynet:1#2#3":     {{"net", "1", ""}, {"host", "2", ""}, {"socket", "3", ""}},
		"toynet:1#2":       {{"net#host#socket", "1#2", ""}},
		"toyshop:high,,st": {{"street", "high,st", ""}},
		"toy-msg:/a":       {{"path, or @name", "/a", ""}},
		"toy-msg:@a":       {{"path, or @name", "@a", "a name in the abstract namespace, without a file"}},
		"toybox":           nil,
	} {
		if d := cmp.Diff(want, address.Explain(mustParse(t, text)).Endpoint); d != "" {
			t.Errorf("%s: %s", text, d)
		}
	}
}

// The calls are C's own for the kernel's domains.
func TestExplainCalls(t *testing.T) {
	for text, want := range map[string][]string{
		"tcp:1":             {"socket(AF_INET, SOCK_STREAM, 0)", "socket(AF_INET6, SOCK_STREAM, 0)"},
		"udp6:1":            {"socket(AF_INET6, SOCK_DGRAM, 0)"},
		"mptcp:1":           {"socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP)", "socket(AF_INET6, SOCK_STREAM, IPPROTO_MPTCP)"},
		"raw6:h":            {"socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6)"},
		"raw:h,protocol=89": {"socket(AF_INET, SOCK_RAW, 89)"},
		"unix-seqpacket:x":  {"socket(AF_UNIX, SOCK_SEQPACKET, 0)"},
		"vsock:1:1":         {"socket(AF_VSOCK, SOCK_STREAM, 0)"},
		"stdio":             nil,
	} {
		var got []string
		for _, k := range address.Explain(mustParse(t, text)).Kinds {
			got = append(got, k.Call)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", text, d)
		}
	}
}

func TestExplainJSON(t *testing.T) {
	e := address.Explain(mustParse(t, "toy:h:1,label=a,,b"))
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	var back address.Explanation
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(e, back); d != "" {
		t.Error(d)
	}
}

func TestWriteText(t *testing.T) {
	a := mustParse(t, "toy-listen:8080,quiet,label=Mille Miglia,, Brescia")
	e := address.Explain(a)
	e.Options = e.Options[:5]
	const want = `toy-listen:8080,quiet,label=Mille Miglia,, Brescia

  toy       a stream of toys
  side      passive: it waits there for peers
  endpoint  host: not given (localhost, on every
            address that it has)
            port: 8080
  socket    socket(AF_TOY, SOCK_STREAM, 0)
  promises  reliable, ordered, urgent (1 byte), not
            unduplicated, not connected, not bounded

options given
  quiet                     without noise [default:
                            off]
  label=Mille Miglia,, Brescia
                            what is written on it
                            [default: none]

options at their defaults
  level=NUMBER    how much of a toy it is [TOY_LEVEL;
                  default: 3]
  sndtoy=SIZE     how large it is [default: the
                  system's]
  toymode=NUMBER  who may play [passive side only;
                  default: 0]
`
	var b strings.Builder
	if err := e.WriteText(&b, 54); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, b.String()); d != "" {
		t.Error(d)
	}
	b.Reset()
	if err := e.WriteText(&b, 0); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "host: not given (localhost, on every address that it has)\n") || !strings.Contains(b.String(), "not connected, not bounded\n") {
		t.Errorf("without a width, lines are broken:\n%s", b.String())
	}
}

func TestWriteTextSocket(t *testing.T) {
	for _, c := range []struct {
		text string
		says []string
	}{
		{"toy:1", []string{"  side      active or passive, as the verb says\n", "  socket    socket(AF_TOY, SOCK_STREAM, 0)\n"}},
		{"toybox", []string{"  side      active: it connects to what is there, or opens it\n"}},
		{"toy-msg:x", []string{"  socket    socket(AF_TOY, SOCK_DGRAM, 0)\n  promises  reliable, ordered, bounded, "}},
		{"toy:1,quiet=0", []string{"\n  quiet=0  without noise [default: off]\n"}},
	} {
		var b strings.Builder
		if err := address.Explain(mustParse(t, c.text)).WriteText(&b, 0); err != nil {
			t.Fatal(err)
		}
		for _, want := range c.says {
			if !strings.Contains(b.String(), want) {
				t.Errorf("%s is explained as\n%s\nwithout %q", c.text, b.String(), want)
			}
		}
	}
}

// Nothing that an address contains reaches the terminal as a control.
func TestWriteTextIsPrintable(t *testing.T) {
	var b strings.Builder
	if err := address.Explain(mustParse(t, "toy:\x1b[2J:\n,label=\a\x00")).WriteText(&b, 80); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(b.String(), "\x1b\a\x00") {
		t.Errorf("controls are printed: %q", b.String())
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

var errBroken = errors.New("broken")

func TestWriteTextFails(t *testing.T) {
	if err := address.Explain(mustParse(t, "toy:1")).WriteText(brokenWriter{}, 80); !errors.Is(err, errBroken) {
		t.Errorf("WriteText to a broken writer is %v", err)
	}
}
