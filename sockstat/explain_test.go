package sockstat

import (
	"strings"
	"testing"
	"time"

	"zocalo/socket"
)

// What happened in an interval is told from the life, and what an older kernel does not tell is left out.
func TestExplainInterval(t *testing.T) {
	was := &Socket{Kind: TCP, State: Established, TCPInfo: &socket.TCPInfo{BytesAcknowledged: 1000, Busy: time.Second, TotalRetransmits: 5}}
	now := &Socket{Kind: TCP, State: Established, TCPInfo: &socket.TCPInfo{BytesAcknowledged: 2_001_000, BytesReceived: 1, Busy: 2 * time.Second,
		WindowLimited: 250 * time.Millisecond, TotalRetransmits: 8, DataSegmentsSent: 9, DeliveryRate: 7}}
	said := Explain(Observation{Socket: now, Before: was, Since: 2 * time.Second})
	for topic, text := range map[string]string{
		"speed": "In the last 2s the peer acknowledged 2.00MB (1.00MB/s) and 1 byte arrived (0B/s).",
		"limit": "for 25 % of that the receiver's window held it up, for 0 % the sender's buffer, for the other 75 %",
		"loss":  "In the last 2s 3 segments were sent again, 8 in its life.",
	} {
		if sentence(said, topic, text) == nil {
			t.Errorf("nothing about %s says %q: %q", topic, text, said)
		}
	}
	if sentence(said, "limit", "For 50 % of the last 2s the application had nothing under way.") == nil {
		t.Errorf("the application's share is missing: %q", said)
	}
	now.Memory, now.TCPInfo.SendBufferLimited = &Memory{SendLimit: 4608}, 1500*time.Millisecond
	if said := Explain(Observation{Socket: now}); sentence(said, "limit", "Most of all the sender's buffer limits it, of 4.61kB: it is small for the path (SO_SNDBUF).") == nil {
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
	info := &socket.TCPInfo{BytesAcknowledged: 9, BytesSent: 9, Busy: 9, TotalRetransmits: 2, Retransmits: 1, Lost: 1, DuplicatesByPeer: 1, NotSent: 3,
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
