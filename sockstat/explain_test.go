package sockstat

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"zocalo/socket/option"
)

// What happened in an interval is told from the life, and what an older kernel does not tell is left out.
func TestExplainInterval(t *testing.T) {
	was := &Socket{Kind: TCP, State: Established, TCPInfo: &option.TCPInfo{BytesAcknowledged: 1000, Busy: time.Second, TotalRetransmits: 5}}
	now := &Socket{Kind: TCP, State: Established, TCPInfo: &option.TCPInfo{BytesAcknowledged: 2_001_000, BytesReceived: 1, Busy: 2 * time.Second,
		WindowLimited: 250 * time.Millisecond, TotalRetransmits: 8, DataSegmentsSent: 9, DeliveryRate: 7}}
	said := Explain(Observation{Socket: now, Before: was, Since: 2 * time.Second})
	for topic, text := range map[string]string{
		"speed": "In the last 2 s the peer acknowledged 1.91 MiB (8.00 Mbit/s) and 1 byte arrived (0 bit/s).",
		"limit": "for 25% of that the receiver's window held it up, for 0% the sender's buffer, for the other 75%",
		"loss":  "In the last 2 s, 3 segments were retransmitted, 8 in its life.",
	} {
		if sentence(said, topic, text) == nil {
			t.Errorf("nothing about %s says %q: %q", topic, text, said)
		}
	}
	if sentence(said, "limit", "For 50% of the last 2 s the application had nothing in flight.") == nil {
		t.Errorf("the application's share is missing: %q", said)
	}
	now.Memory, now.TCPInfo.SendBufferLimited = &Memory{SendLimit: 4608}, 1500*time.Millisecond
	if said := Explain(Observation{Socket: now}); sentence(said, "limit", "Most of all the sender's buffer limits it, of 4.50 KiB: it is small for the path (SO_SNDBUF).") == nil {
		t.Errorf("nothing names the buffer: %q", said)
	}
	now.infoSize = 104
	for _, s := range Explain(Observation{Socket: now}) {
		for _, field := range s.Fields {
			if strings.Contains("bytes_acked busy notsent delivery_rate data_segments_out minrtt", field) {
				t.Errorf("a kernel that does not tell %s: %s", field, s.Text)
			}
		}
	}
}

// Each sentence names columns that there are, and none is asked of what is no connection.
func TestExplainFields(t *testing.T) {
	info := &option.TCPInfo{BytesAcknowledged: 9, BytesSent: 9, Busy: 9, TotalRetransmits: 2, Retransmits: 1, Lost: 1, DuplicatesByPeer: 1, NotSent: 3,
		SendMSS: 1, PathMTU: 2, RTT: 5, MinRTT: 4, CongestionWindow: 7, PacingRate: 5, PacingLimit: 6, DeliveryRate: 8, AppLimited: true, DataSegmentsSent: 1}
	memory := &Memory{ReceiveLimit: 5, Receive: 3}
	for state := range stateCount {
		for timer := range len(timerNames) {
			for _, kind := range Kinds() {
				s := &Socket{Kind: kind, State: state, Timer: Timer(timer), RecvQ: 3, SendQ: 2, Memory: memory}
				if kind == TCP {
					s.TCPInfo = info
				}
				for _, said := range Explain(Observation{Socket: s, Other: s}) {
					for _, field := range said.Fields {
						if findColumn(field) == nil {
							t.Errorf("%q names %s", said.Text, field)
						}
					}
					if len(said.Fields) == 0 || !strings.HasSuffix(said.Text, ".") || strings.Contains(said.Text, "%!") {
						t.Errorf("%v %v: %q", kind, state, said)
					}
				}
			}
		}
	}
}

// sentence finds what says a text about a topic.
func sentence(said []Sentence, topic, text string) *Sentence {
	for i := range said {
		if said[i].Topic == topic && strings.Contains(said[i].Text, text) {
			return &said[i]
		}
	}
	return nil
}

// A pair is told by what has passed, and a listener in user space as others are.
func TestExplainPrograms(t *testing.T) {
	began := time.Now()
	made := func(after time.Duration, sent, received uint64) *Socket {
		return &Socket{Kind: Pair, State: Established, Program: &Program{Began: began, Now: began.Add(after), Counted: true, Sent: sent, Received: received}}
	}
	said := Explain(Observation{Socket: made(3*time.Second, 5000, 70), Before: made(time.Second, 1000, 70), Since: 2 * time.Second})
	for _, text := range []string{"In the last 2 s, 3.91 KiB (16.0 kbit/s) passed from local to peer, and 0 bytes (0 bit/s) back.", "In its life of 3.00 s, 4.88 KiB passed from local to peer, and 70 bytes back."} {
		if sentence(said, "speed", text) == nil {
			t.Errorf("nothing says %q: %q", text, said)
		}
	}
	if said := Explain(Observation{Socket: &Socket{Kind: Pair, State: SynSent, Program: &Program{}}}); len(said) != 1 || said[0].Topic != "state" {
		t.Errorf("one of which nothing is known: %q", said)
	}
	if said := Explain(Observation{Socket: &Socket{Kind: ISO, State: Listen, RecvQ: 1, SendQ: 4}}); sentence(said, "listener", "1 connection of at most 4 waits to be accepted") == nil {
		t.Errorf("a listener: %q", said)
	}
}

// What programs tell is filtered as all else is, and asked for only where its kinds are.
func TestPrograms(t *testing.T) {
	asked, last := 0, []Kind(nil)
	list := func(q Query, words ...string) (locals []string) {
		t.Helper()
		f, err := ParseFilter(words)
		if err != nil {
			t.Fatal(err)
		}
		q.Filter = f
		q.Programs = func(_ context.Context, kinds []Kind, each func(*Socket) bool) {
			last = kinds
			asked++
			for _, s := range []Socket{
				{Kind: ISO, State: Listen, RecvQ: 2, Local: Name{Text: "127.0.0.1:102", Addr: netip.MustParseAddrPort("127.0.0.1:102")}},
				{Kind: NS, State: Established, Local: Name{Text: "0#2-1#5"}, Peer: Name{Text: "0#2-2#6"}},
				{Kind: Pair, State: Established, Local: Name{Text: "tcp:[::1]:80", Addr: netip.MustParseAddrPort("[::1]:80")}, Program: &Program{Counted: true, Sent: 7}},
			} {
				if !each(&s) {
					return
				}
			}
		}
		for s, err := range Sockets(t.Context(), q) {
			if err != nil {
				t.Fatal(err)
			}
			locals = append(locals, s.Local.Text)
		}
		return locals
	}
	ours := Query{Kinds: []Kind{ISO, NS, Pair}}
	for _, c := range []struct {
		words string
		want  string
	}{
		{"", "127.0.0.1:102 0#2-1#5 tcp:[::1]:80"}, {"kind=ns", "0#2-1#5"}, {"state=listen", "127.0.0.1:102"}, {"port=102", "127.0.0.1:102"},
		{"addr=loopback", "127.0.0.1:102 tcp:[::1]:80"}, {"local=127.0.0.1:102", "127.0.0.1:102"}, {"peer=%2-2%", "0#2-1#5"},
		{"queue=1..", "127.0.0.1:102"}, {"bytes_sent=5..", "tcp:[::1]:80"}, {"bytes_sent=8..", ""}, {"raddr=10.0.0.0/8", ""}, {"inode!=5", "127.0.0.1:102 0#2-1#5 tcp:[::1]:80"},
	} {
		if got := strings.Join(list(ours, strings.Fields(c.words)...), " "); got != c.want {
			t.Errorf("%q finds %q; want %q", c.words, got, c.want)
		}
	}
	if list(Query{States: []State{Listen}}, "kind!=ns", "kind!=tcp", "kind!=unix", "kind!=udp"); !slices.Equal(last, []Kind{ISO}) {
		t.Errorf("of those that listen it asks for %v", last)
	}
	asked = 0
	if got := list(Query{Kinds: []Kind{TCP, Unix}, States: []State{Listen}}); asked > 0 {
		t.Errorf("kinds of the kernel's: %q, asked %d times", got, asked)
	}
}
