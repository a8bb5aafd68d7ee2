package iperf3

import (
	"strings"
	"testing"
	"time"
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
		if want.passive {
			if tcp, s, err := ParseServer(text); err != nil || tcp.String() != want.tcp || s.Users != nil || s.MaxTime+time.Duration(s.MaxRate) > 0 || s.Once {
				t.Errorf("%s is %s, %+v, %v", text, tcp, s, err)
			}
			continue
		}
		if c, err := ParseClient(text); err != nil || c.Address.String() != want.tcp || c.Test != want.test || c.Login != nil {
			t.Errorf("%s is %+v, %v", text, c, err)
		}
	}
	for text, part := range map[string]string{
		"tcp:host": "not an iperf3 address", "iperf3:": "no host", "iperf3": "not an iperf3 address",
		"iperf3:host,rate=fast": "not a rate", "iperf3:host,mss=0": "at least 1", "iperf3:host,udp=maybe": "udp", "iperf3:host,rate=1e300": "not a rate",
		"iperf3:host,congestion": "needs a name", "iperf3:host,flow-port=0": "not a port", "iperf3:host,users=x": "the server's", "iperf3:host,user=x": "together", "iperf3:host,pkcs1": "together",
		"iperf3:host,user=": "needs a name", "iperf3:host,user=x,password-file=none,public-key=none": "none: no such file",
	} {
		if _, err := ParseClient(text); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v, want %q", text, err, part)
		}
	}
	for text, part := range map[string]string{
		"iperf3:,udp": "the client's", "iperf3:,user=x": "the client's", "iperf3:,users=x": "users= and key= together", "iperf3:,pkcs1": "users= and key= together",
		"iperf3:,users=none,key=none": "none: no such file", "iperf3:,max-time=never": "max-time", "iperf3:,max-rate=fast": "not a rate", "tcp:1": "not an iperf3 address",
	} {
		if _, _, err := ParseServer(text); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v, want %q", text, err, part)
		}
	}
	if _, s, err := ParseServer("iperf3:any,once,max-time=1m,max-rate=10M"); err != nil || !s.Once || s.MaxTime != time.Minute || s.MaxRate != 10e6 {
		t.Errorf("%+v, %v", s, err)
	}
	if c, err := ParseClient("iperf3:host,congestion=a,,b,udp"); err != nil || c.Test.Congestion != "a,b" || !c.Test.UDP {
		t.Errorf("a comma that is doubled: %+v, %v", c, err)
	}
	if a, s, err := ParseServer("iperf3:any,device=a,,b,once"); err != nil || a.String() != "tcp:any:5201,device=a,,b" || !s.Once {
		t.Errorf("a comma that is doubled: %v, %v", a, err)
	}
	if c, err := ParseClient("iperf3:host,flow-port=4000"); err != nil || c.FlowPort != 4000 {
		t.Errorf("%+v, %v", c, err)
	}
}
