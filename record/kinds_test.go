package record_test

import (
	"path/filepath"
	"strings"
	"testing"

	"zocalo/record"
	"zocalo/socket"
)

// A stream of TCP is one that tshark follows, with its addresses, handshake and ends.
func TestTCP(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "[::1]"} {
		r := listening(t, "tcp-listen:"+host+":0", record.Options{}, echoAt(t, "tcp-listen:"+host+":0"))
		s := dial(t, r.at)
		says(t, s, "GET / HTTP/1.0\r\n\r\n")
		says(t, s, strings.Repeat("x", 300_001))
		try(t, s.CloseWrite())
		r.ended(1)
		r.end()
		good(t, r.file)
		flags := tshark(t, r.file, "tcp.flags.syn == 1 || tcp.flags.fin == 1 || tcp.flags.reset == 1", "tcp.flags.str", "frame.packet_flags_direction")
		same(t, flags, "··········S·|0x00000001", "·······A··S·|0x00000002", "·······A···F|0x00000001", "·······A···F|0x00000002")
		same(t, tshark(t, r.file, "tcp.flags.syn == 1 && tcp.flags.ack == 0", "tcp.srcport", "tcp.dstport", "frame.interface_name"),
			strings.Join([]string{port(s.Name()), r.To[0].Endpoint[strings.LastIndexByte(r.To[0].Endpoint, ':')+1:], r.at}, "|"))
		comment := tshark(t, r.file, "frame.comment", "frame.comment")
		if len(comment) != 1 || !strings.HasPrefix(comment[0], "pair=1 kind=tcp") || !strings.Contains(comment[0], " client="+s.Name().String()) {
			t.Errorf("comments %q", comment)
		}
		followed := run(t, "tshark", "-n", "-r", r.file, "-q", "-z", "follow,tcp,raw,0")
		if n := strings.Count(followed, "78"); n < 600_000 {
			t.Errorf("of %d bytes %d are followed", 600_002, n)
		}
	}
}

func port(n socket.Name) string {
	text := n.String()
	return text[strings.LastIndexByte(text, ':')+1:]
}

// A reset is one, from the side that made it.
func TestReset(t *testing.T) {
	r := listening(t, "tcp-listen:127.0.0.1:0", record.Options{}, echoAt(t, "tcp-listen:127.0.0.1:0"))
	s := dial(t, r.at)
	says(t, s, "hola")
	try(t, s.Abort())
	r.ended(1)
	r.end()
	good(t, r.file)
	got := tshark(t, r.file, "tcp.flags.reset == 1 || tcp.flags.fin == 1", "tcp.flags.str", "frame.packet_flags_direction", "frame.comment")
	if len(got) != 1 || !strings.HasPrefix(got[0], "·······A·R··|0x00000001|pair=1 end=reset") {
		t.Errorf("got %q", got)
	}
}

func TestUDP(t *testing.T) {
	r := listening(t, "udp-listen:127.0.0.1:0", record.Options{}, echoAt(t, "udp-listen:127.0.0.1:0"))
	s := dial(t, r.at)
	for _, text := range []string{"uno", "", strings.Repeat("d", 60_000)} {
		says(t, s, text)
	}
	r.end()
	good(t, r.file)
	same(t, tshark(t, r.file, "udp", "udp.length", "frame.packet_flags_direction"),
		"11|0x00000001", "11|0x00000002", "8|0x00000001", "8|0x00000002", "60008|0x00000001", "60008|0x00000002")
	same(t, tshark(t, r.file, "frame.number == 1", "udp.srcport", "udp.dstport"), port(s.Name())+"|"+port2(r.To[0].Endpoint))
}

func port2(endpoint string) string { return endpoint[strings.LastIndexByte(endpoint, ':')+1:] }

// Unix sockets have addresses that are made up, and names.
func TestUnix(t *testing.T) {
	for scheme, layer := range map[string]string{"unix": "tcp", "unix-seqpacket": "tcp", "unix-dgram": "udp"} {
		t.Run(scheme, func(t *testing.T) {
			dir := t.TempDir()
			to := echoAt(t, scheme+"-listen:"+filepath.Join(dir, ".s.PGSQL.5432"))
			r := listening(t, scheme+"-listen:"+filepath.Join(dir, "app.sock"), record.Options{}, to)
			name := r.at
			if scheme == "unix-dgram" {
				name += ",bind=" + filepath.Join(dir, "me.sock")
			}
			s := dial(t, name)
			for _, text := range []string{"uno", "dos", strings.Repeat("x", 100_000)} {
				says(t, s, text)
			}
			s.Close()
			if scheme != "unix-dgram" {
				r.ended(1)
			}
			r.end()
			good(t, r.file)
			same(t, tshark(t, r.file, "frame.number == 1", "ip.src", "ip.dst", layer+".dstport", "frame.interface_name"), "241.0.0.1|240.0.0.1|5432|"+r.at)
			names := run(t, "tshark", "-r", r.file, "-N", "n", "-c", "1", "-T", "fields", "-e", "ip.src_host", "-e", "ip.dst_host")
			who, _, _ := strings.Cut(names, "\t")
			want := "record.test["
			if scheme == "unix-dgram" {
				want = "me.sock"
			}
			if !strings.Contains(who, want) || !strings.HasSuffix(names, "/.s.PGSQL.5432") || !strings.Contains(names, "\t"+scheme+":") {
				t.Errorf("names %q, want %s to %s", names, want, to)
			}
			if layer == "tcp" {
				pieces := tshark(t, r.file, "tcp.len > 0 && frame.packet_flags_direction == 1", "tcp.len", "tcp.flags.push")
				if len(pieces) < 6 || pieces[0] != "3|1" || pieces[1] != "3|1" || pieces[2] != "32768|0" {
					t.Errorf("pieces %q", pieces)
				}
			}
		})
	}
}

// What is above ISO transport is dissected.
func TestISO(t *testing.T) {
	r := listening(t, "iso-listen:127.0.0.1:0,tsap=0x0302", record.Options{}, echoAt(t, "iso-listen:127.0.0.1:0"))
	s := dial(t, strings.Replace(r.at, ",tsap=0x0302", "", 1)+",tsap=0x0302,local-tsap=0x0100")
	setup := "\x32\x01\x00\x00\x04\x00\x00\x08\x00\x00\xf0\x00\x00\x01\x00\x01\x01\xe0" // S7: setup communication
	says(t, s, setup)
	says(t, s, strings.Repeat("m", 70_000))
	s.Close()
	r.ended(1)
	r.end()
	before := decodeAs
	decodeAs = "tcp.port==" + port2(r.To[0].Endpoint) + ",tpkt" // it is not 102
	defer func() { decodeAs = before }()
	good(t, r.file)
	same(t, tshark(t, r.file, "cotp.type == 0x0e || cotp.type == 0x0d", "cotp.type", "cotp.src-tsap", "cotp.dst-tsap"), "0x0e|0x0100|0x0302", "0x0d|0x0100|0x0302")
	if got := tshark(t, r.file, "s7comm", "s7comm.param.func"); len(got) != 2 {
		t.Errorf("S7 %q", got)
	}
}

func TestExec(t *testing.T) {
	r := listening(t, "tcp-listen:127.0.0.1:0", record.Options{}, "exec:cat")
	s := dial(t, r.at)
	says(t, s, "hola")
	try(t, s.CloseWrite())
	r.ended(1)
	r.end()
	good(t, r.file)
	same(t, tshark(t, r.file, "tcp.len > 0", "tcp.payload"), "686f6c61", "686f6c61")
}
