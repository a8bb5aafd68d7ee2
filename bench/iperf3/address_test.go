package iperf3

import (
	"strings"
	"testing"
)

func TestParseAddress(t *testing.T) {
	for text, want := range map[string]struct {
		tcp     string
		passive bool
		test    Test
	}{
		"iperf3:host":                    {tcp: "tcp:host:5201"},
		"IPERF3:host:99":                 {tcp: "tcp:host:99"},
		"iperf3://127.0.0.1":             {tcp: "tcp:127.0.0.1:5201"},
		"iperf3:::1":                     {tcp: "tcp:::1:5201"},
		"iperf3:[::1]:99":                {tcp: "tcp:[::1]:99"},
		"iperf3:[fe80::1%lo]":            {tcp: "tcp:[fe80::1%lo]:5201"},
		"iperf3:[fe80::1%lo]:99":         {tcp: "tcp:[fe80::1%lo]:99"},
		"iperf3:[fe80::1%lo]:":           {tcp: "tcp:[fe80::1%lo]:5201"},
		"iperf3:fe80::1%lo":              {tcp: "tcp:fe80::1%lo:5201"},
		"iperf3:":                        {tcp: "tcp:5201", passive: true},
		"iperf3:any":                     {tcp: "tcp:any:5201", passive: true},
		"iperf3:127.0.0.1:0,backlog=5":   {tcp: "tcp:127.0.0.1:0,backlog=5", passive: true},
		"iperf3:host,udp":                {tcp: "tcp:host:5201", test: Test{UDP: true, Rate: DefaultDatagramRate}},
		"iperf3:host,udp,rate=0":         {tcp: "tcp:host:5201", test: Test{UDP: true}},
		"iperf3:host,bind=::1,rate=1.5g": {tcp: "tcp:host:5201,bind=::1", test: Test{Rate: 1.5e9}},
		"iperf3:host,nodelay,mss=1000,congestion=cubic,window=64KiB,tos=16": {tcp: "tcp:host:5201",
			test: Test{NoDelay: true, Segment: 1000, Congestion: "cubic", Window: 64 << 10, TOS: 16}},
		"iperf3:host,bytes=1MB,burst=3,output,sendfile,counters64,unfragmented": {tcp: "tcp:host:5201",
			test: Test{Bytes: 1e6, Burst: 3, WantsOutput: true, ZeroCopy: true, Counters64: true, DontCut: true}},
	} {
		tcp, test, err := ParseAddress(text, want.passive)
		if err != nil || tcp.String() != want.tcp || test != want.test {
			t.Errorf("%s is %s, %+v, %v", text, tcp, test, err)
		}
	}
	for text, part := range map[string]string{
		"tcp:host": "no address of iperf3", "iperf3:": "no host", "iperf3": "no address",
		"iperf3:host,rate=fast": "no rate", "iperf3:host,mss=0": "at least 1", "iperf3:host,udp=maybe": "udp", "iperf3:host,rate=1e300": "no rate",
		"iperf3:host,congestion": "needs a name",
	} {
		if _, _, err := ParseAddress(text, false); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v, want %q", text, err, part)
		}
	}
	if _, _, err := ParseAddress("iperf3:,udp", true); err == nil || !strings.Contains(err.Error(), "the client's") {
		t.Error(err)
	}
}
