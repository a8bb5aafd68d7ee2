package sockstat

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"zocalo/socket"
	"zocalo/socket/option"
)

// web is an established connection of a web server; sun a unix listener.
func web() *Socket {
	return &Socket{
		Kind: TCP, Type: socket.Stream, State: Established,
		Local: Name{Addr: netip.MustParseAddrPort("192.0.2.1:443")},
		Peer:  Name{Addr: netip.MustParseAddrPort("[::ffff:10.1.2.3]:50000")},
		RecvQ: 5, SendQ: 0, UID: 33, HasUID: true, User: "www-data",
		Holders:   []Holder{{PID: 812, Name: "nginx", FD: 7}, {PID: 813, Name: "nginx: worker", FD: 7}},
		TCPInfo:   &option.TCPInfo{RTT: 25 * time.Millisecond, PacingRate: 2_000_000, SACK: true, TimestampOption: true, AppLimited: true},
		PeerInode: 9, PeerHolders: []Holder{{PID: 9, Name: "curl", FD: 3}},
		Cgroup: "/system.slice/nginx.service",
	}
}

func sun() *Socket {
	return &Socket{Kind: Unix, Type: socket.SeqPacket, State: Listen, Local: Name{Path: "/run/x.sock"}, SendQ: 128}
}

func TestFilterMatch(t *testing.T) {
	listener := &Socket{Kind: TCP, State: Listen, Local: Name{Addr: netip.MustParseAddrPort("[::]:22")},
		Peer: Name{Addr: netip.MustParseAddrPort("[::]:0")}, HasUID: true}
	guest := &Socket{Kind: Vsock, State: Established, Local: Name{CID: 2, Port: 1024}, Peer: Name{CID: 3, Port: 70000}}
	abstract := &Socket{Kind: Unix, Local: Name{Path: "x\x00y", Abstract: true}}
	tests := []struct {
		words string
		s     *Socket
		want  bool
	}{
		{"", web(), true},
		{"kind=tcp", web(), true},
		{"kind=udp,unix", web(), false},
		{"kind!=udp", web(), true},
		{"state=established", web(), true},
		{"state=connected", web(), true},
		{"state=connected", listener, false},
		{"state!=estab", web(), false},
		{"port=443", web(), true},
		{"port=50000", web(), true},
		{"lport=50000", web(), false},
		{"rport=49152..", web(), true},
		{"port!=443", web(), false},
		{"port=80,443", web(), true},
		{"port=22", listener, true},
		{"rport=..100", listener, false},
		{"rport!=..100", listener, true},
		{"port=22", sun(), false},
		{"port!=22", sun(), true},
		{"port=70000", guest, true},
		{"peer=3:70000", guest, true},
		{"addr=2:1024", guest, true},
		{"peer=10.0.0.0/8", web(), true},
		{"peer=::ffff:10.0.0.0/104", web(), true},
		{"peer=::/0", web(), false},
		{"local=10.0.0.0/8", web(), false},
		{"addr=10.1.2.3", web(), true},
		{"peer=10.1.2.3:50000", web(), true},
		{"peer=10.1.2.3:50001", web(), false},
		{"local=any", listener, true},
		{"peer=any", listener, false},
		{"peer=0.0.0.0/0", listener, false},
		{"local=loopback", listener, false},
		{"local=/run/%", sun(), true},
		{"local=/run/*.sock", sun(), true},
		{"local=@x%", sun(), false},
		{"local=@x%", abstract, true},
		{"local=%y", abstract, true},
		{"local=/%", abstract, false},
		{"process=nginx", web(), true},
		{"process=ngin%", web(), true},
		{"process=curl", web(), false},
		{"peer_process=curl", web(), true},
		{"process!=sshd", web(), true},
		{"pid=813", web(), true},
		{"pid=814..", web(), false},
		{"fd=7", web(), true},
		{"user=www-data", web(), true},
		{"user=33", web(), true},
		{"user=1000..", web(), false},
		{"user=root", sun(), false},
		{"uid=0", listener, true},
		{"queue=1..", web(), true},
		{"queue=1..", &Socket{Kind: TCP, State: Listen, SendQ: 4096}, false},
		{"queue=1..", &Socket{Kind: TCP, State: Listen, SendQ: 4096, RecvQ: 1}, true},
		{"sendq=1..", &Socket{Kind: TCP, State: Listen, SendQ: 4096}, true},
		{"sendq=1..", web(), false},
		{"recvq=5", web(), true},
		{"rtt=20ms..", web(), true},
		{"rtt=..20ms", web(), false},
		{"rtt=..20ms", sun(), false},
		{"rtt!=..20ms", sun(), true},
		{"rtt=20ms..30ms", web(), true},
		{"pacing_rate=1MB/s..", web(), true},
		{"pacing_rate=16.0Mbit/s", web(), true},
		{"pacing_rate=16.1Mbit/s..", web(), false},
		{"pacing_rate=..2Gbit/s", web(), true},
		{"pacing_rate=4MiB..", web(), false},
		{"app_limited=yes", web(), true},
		{"app_limited=no", web(), false},
		{"options=sack", web(), true},
		{"options=ecn", web(), false},
		{"type=seqpacket", sun(), true},
		{"cgroup=/system.slice/%", web(), true},
		{"state=established port=443 process=nginx peer=10.0.0.0/8 rtt=20ms.. queue=1..", web(), true},
		{"state=established port=443 process=apache", web(), false},
	}
	for _, tt := range tests {
		t.Run(tt.words, func(t *testing.T) {
			f, err := ParseFilter(strings.Fields(tt.words))
			if err != nil {
				t.Fatal(err)
			}
			if got := f.Match(tt.s); got != tt.want {
				t.Errorf("match of %s = %v, want %v", tt.s.AppendJSON(nil), got, tt.want)
			}
			if f.String() != tt.words {
				t.Errorf("String() = %q", f.String())
			}
		})
	}
}

func TestFilterRefuses(t *testing.T) {
	tests := []struct{ word, says string }{
		{"prot=443", "did you mean port?"},
		{"gopher=443", "see --help"}, // for the list
		{"443", "KEY=VALUE"},
		{"port=", "no value"},
		{"=1", "unknown key"},
		{"port=no-such-service", "not a service"},
		{"port=1..2..3", "not a number"},
		{"port=..", "no end"},
		{"port=9..1", "wrong way round"},
		{"port=4294967296", "not a port"},
		{"port=1,,2", "not a number"},
		{"kind=tpc", "did you mean tcp?"},
		{"state=establish", "did you mean established?"},
		{"state!=x", "there are established"},
		{"peer=example.com", "not an address"},
		{"peer=10.0.0.0/33", "not an address"},
		{"peer=1.2.3.4,", "empty address"},
		{"rtt=20x", "its unit"},
		{"rtt=-1s", "its unit"},
		{"queue=1XB", "not a size"},
		{"pacing_rate=xbit/s", "not a rate"},
		{"queue=1e400MB", "not a size"},
		{"app_limited=maybe", "yes or no"},
		{"type=steam", "did you mean stream?"},
		{"timer=x", "there are retransmit"},
		{"process=,", "empty name"},
		{"user=,", "empty name"},
		{"\x1b[31m=1", `"\x1b[31m"`},
	}
	for _, tt := range tests {
		t.Run(tt.word, func(t *testing.T) {
			_, err := ParseFilter([]string{tt.word})
			if err == nil {
				t.Fatal("accepted")
			}
			if !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %q does not say %q", err, tt.says)
			}
			if strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Errorf("error %q is not one safe line", err)
			}
		})
	}
}

func TestFilterNeeds(t *testing.T) {
	for words, want := range map[string]Details{
		"port=1 local=10.0.0.0/8": 0,
		"peer=10.0.0.0/8":         0,
		"peer=/run/%":             PeerNames,
		"rtt=1ms.. process=x":     TCPInfos | Processes,
		"user=root drops=1..":     Users | Memories,
		"peer_process=x":          Peers | Processes,
		"cgroup=/":                Cgroups,
	} {
		f, err := ParseFilter(strings.Fields(words))
		if err != nil {
			t.Fatal(err)
		}
		if got := f.Needs(); got != want {
			t.Errorf("%s needs %b, want %b", words, got, want)
		}
	}
}

func TestFilterMasks(t *testing.T) {
	f, err := ParseFilter([]string{"kind=tcp,udp", "kind!=udp", "state!=listen"})
	if err != nil {
		t.Fatal(err)
	}
	q := Query{Filter: f, Kinds: []Kind{TCP, Unix}, States: []State{Listen, Established}}
	if got := q.kindMask(); got != 1<<TCP {
		t.Errorf("kinds %b", got)
	}
	if got := q.stateMask(); got != 1<<Established {
		t.Errorf("states %b", got)
	}
}

func TestWild(t *testing.T) {
	tests := []struct {
		pattern, text string
		want          bool
	}{
		{"", "", true}, {"*", "", true}, {"a", "", false}, {"a*", "abc", true}, {"*c", "abc", true},
		{"a%c", "abbc", true}, {"a*b*c", "axxbyyc", true}, {"a*b", "ac", false}, {"*a*a*a*b", strings.Repeat("a", 50), false},
		{"a", "*", false}, {"**", "x", true},
	}
	for _, tt := range tests {
		if got := wild(tt.pattern, tt.text); got != tt.want {
			t.Errorf("wild(%q, %q) = %v", tt.pattern, tt.text, got)
		}
	}
}

func FuzzParseFilter(f *testing.F) {
	for _, s := range []string{"state=established", "port!=443", "peer=10.0.0.0/8", "rtt=20ms..", "queue=1..", "local=/run/%",
		"addr=[::1]:80", "process=a,b", "user=0..10", "peer=3:any", "options=sack", "pacing_rate=1.5MB/s.."} {
		f.Add(s)
	}
	sockets := []*Socket{web(), sun(), {Kind: Packet}, {Kind: Vsock}, {Kind: 200, State: 200}}
	f.Fuzz(func(t *testing.T, word string) {
		filter, err := ParseFilter([]string{word})
		if err != nil {
			if plain(err.Error()) || !strings.HasPrefix(err.Error(), "filter ") {
				t.Errorf("error %q", err)
			}
			return
		}
		if slices.Contains([]string{"", "="}, word) {
			t.Errorf("accepted %q", word)
		}
		again, err := ParseFilter([]string{filter.String()})
		if err != nil {
			t.Fatalf("its own text %q is refused: %v", filter.String(), err)
		}
		key, value, _ := strings.Cut(word, "=")
		key, negated := strings.CutSuffix(key, "!")
		opposite := key + "!=" + value
		if negated {
			opposite = key + "=" + value
		}
		other, err := ParseFilter([]string{opposite})
		if err != nil {
			t.Fatalf("%q is accepted and %q is not: %v", word, opposite, err)
		}
		for _, s := range sockets[:4] {
			if filter.Match(s) != again.Match(s) {
				t.Errorf("%q and its own text differ", word)
			}
			if filter.Match(s) == other.Match(s) && s.State != 0 {
				t.Errorf("%q and %q agree on %s", word, opposite, s.AppendJSON(nil))
			}
		}
		filter.Match(sockets[4])
	})
}

// A relative path that begins with @ is found as it is shown.
func TestFilterRelativePath(t *testing.T) {
	f, err := ParseFilter([]string{"local=./@x"})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []struct {
		name Name
		want bool
	}{{Name{Path: "@x"}, true}, {Name{Path: "./@x"}, true}, {Name{Path: "x", Abstract: true}, false}, {Name{Path: "@x", Abstract: true}, false}} {
		if got := f.Match(&Socket{Kind: Unix, Local: n.name}); got != n.want {
			t.Errorf("%+v: %v", n.name, got)
		}
	}
}
