package bench

import (
	"strings"
	"testing"
	"time"
)

// What a server did not report is not told as 0.
func TestTextWithoutReport(t *testing.T) {
	near := &Side{Sent: Traffic{Bytes: 1000, Messages: 10, Elapsed: time.Second}, Received: Traffic{Bytes: 2000, Messages: 20, Elapsed: time.Second}}
	for _, c := range []struct {
		direction Direction
		want      []string
	}{
		{Forward, []string{"to the server", "sent at 8.00 kbit/s, 10.0 messages per second", "1 000 bytes in 1.00 s; what arrived is unknown"}},
		{Reverse, []string{"from the server", "16.0 kbit/s, 20.0 messages per second", "2 000 bytes in 1.00 s\n"}},
		{Both, []string{"to the server", "sent at 8.00 kbit/s, 10.0", "arrived is unknown", "from the server", "16.0 kbit/s, 20.0 messages", "2 000 bytes in 1.00 s\n"}},
	} {
		var b strings.Builder
		r := &Result{Conditions: Conditions{Mode: Stream, Direction: c.direction}, Near: near, Elapsed: time.Second}
		if err := r.WriteText(&b, false); err != nil {
			t.Fatal(err)
		}
		at := 0
		for _, w := range c.want {
			i := strings.Index(b.String()[at:], w)
			if i < 0 {
				t.Errorf("%v: no %q in its place:\n%s", c.direction, w, &b)
				break
			}
			at += i
		}
		if strings.Contains(b.String(), "0.00 bit/s") {
			t.Errorf("%v: what is unknown is 0:\n%s", c.direction, &b)
		}
	}
}
