package sockstat

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// record makes TestRecorded write testdata anew, from a namespace of its own:
//
//	go test -run TestRecorded -record ./sockstat   (as root)
var record = flag.Bool("record", false, "record answers of the kernel into testdata")

// recordings are the answers kept in testdata, each a dump's datagrams one after the other.
var recordings = []struct {
	name    string
	kind    Kind
	request []byte
}{
	{"tcp4", TCP, inetRequest(TCP, unix.AF_INET, ^uint32(0), Memories|TCPInfos, nil)},
	{"tcp6", TCP, inetRequest(TCP, unix.AF_INET6, ^uint32(0), Memories|TCPInfos, nil)},
	{"mptcp", MPTCP, inetRequest(MPTCP, unix.AF_INET, ^uint32(0), TCPInfos, nil)},
	{"udp4", UDP, inetRequest(UDP, unix.AF_INET, ^uint32(0), 0, nil)},
	{"unix", Unix, unixRequest(^uint32(0), unixShowName|unixShowPeer|unixShowQueues|unixShowUID|unixShowMemory)},
	{"packet", Packet, packetRequest()},
	{"refused", Vsock, vsockRequest(^uint32(0))}, // by a kernel without vsock_diag
}

const recordedSequence = 7

// parse reads a body of an answer about a kind.
func (p *parser) parse(body []byte, k Kind, s *Socket) error {
	switch k {
	case Unix:
		return p.unix(body, s)
	case Packet:
		return p.packet(body, Memories, s)
	case Vsock:
		return p.vsock(body, s)
	}
	return p.inet(body, k, s)
}

// parseAll reads all datagrams of a recording into lines of JSON.
func parseAll(recording []byte, k Kind) (string, error) {
	var p parser
	var s Socket
	var lines []byte
	_, _, err := parseAnswer(recording, recordedSequence, func(body []byte) error {
		if err := p.parse(body, k, &s); err != nil {
			return err
		}
		lines = append(s.AppendJSON(lines), '\n')
		return nil
	})
	return string(lines), err
}

var bigEndian = binary.NativeEndian.Uint16([]byte{0, 1}) == 1

func TestRecorded(t *testing.T) {
	if *record {
		recordAnswers(t)
	}
	if bigEndian {
		t.Skip("the answers are those of a little-endian machine")
	}
	for _, r := range recordings {
		t.Run(r.name, func(t *testing.T) {
			answer, err := os.ReadFile(filepath.Join("testdata", r.name+".bin"))
			must(t, err)
			want, err := os.ReadFile(filepath.Join("testdata", r.name+".json"))
			must(t, err)
			got, err := parseAll(answer, r.kind)
			if r.name == "refused" {
				if !errors.Is(err, unix.ENOENT) {
					t.Errorf("error %v, want ENOENT", err)
				}
			} else {
				must(t, err)
			}
			if d := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); d != "" {
				t.Error(d)
			}
			// Cut anywhere, it gives the sockets before the cut and no more.
			for n := range answer {
				part, err := parseAll(answer[:n], r.kind)
				if !strings.HasPrefix(got, part) {
					t.Fatalf("cut after %d bytes: %s", n, part)
				}
				if err == nil && part == got && strings.Count(got, "\n") > 0 && n < len(answer)-40 {
					t.Fatalf("cut after %d bytes goes unnoticed", n)
				}
			}
		})
	}
}

func recordAnswers(t *testing.T) {
	ns := newNetns(t)
	stillSet(t, ns)
	orphans(t, ns)
	ml := ns.socket(unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_MPTCP)
	must(t, unix.Bind(ml, loopback4))
	must(t, unix.Listen(ml, 4))
	sa, err := unix.Getsockname(ml)
	must(t, err)
	must(t, unix.Connect(ns.socket(unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_MPTCP), sa))
	ns.socket(unix.AF_PACKET, unix.SOCK_DGRAM, 0x0008)
	ns.bound(unix.AF_UNIX, unix.SOCK_DGRAM, &unix.SockaddrUnix{Name: "@odd\x00na\x1bme"})
	must(t, os.MkdirAll("testdata", 0o755))
	for _, r := range recordings {
		answer := ask(t, ns, r.request)
		lines, _ := parseAll(answer, r.kind)
		must(t, os.WriteFile(filepath.Join("testdata", r.name+".bin"), answer, 0o644))
		must(t, os.WriteFile(filepath.Join("testdata", r.name+".json"), []byte(lines), 0o644))
	}
}

// ask sends a request and gives the whole answer as it came, with the sequence number made constant.
func ask(t *testing.T, ns *testNetns, request []byte) []byte {
	t.Helper()
	fd := ns.socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_SOCK_DIAG)
	message := make([]byte, 16, 16+len(request))
	binary.NativeEndian.PutUint32(message, uint32(16+len(request)))
	binary.NativeEndian.PutUint16(message[4:], unix.SOCK_DIAG_BY_FAMILY)
	binary.NativeEndian.PutUint16(message[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	binary.NativeEndian.PutUint32(message[8:], recordedSequence)
	must(t, unix.Sendto(fd, append(message, request...), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}))
	var answer []byte
	buf := make([]byte, dumpBuffer)
	for {
		n, err := unix.Read(fd, buf)
		must(t, err)
		answer = append(answer, buf[:n]...)
		done, _, _ := parseAnswer(buf[:n], recordedSequence, func([]byte) error { return nil })
		if done {
			return answer
		}
	}
}

// message makes one netlink message.
func message(kind, flags uint16, sequence uint32, body []byte) []byte {
	b := binary.NativeEndian.AppendUint32(nil, uint32(16+len(body)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = binary.NativeEndian.AppendUint16(b, flags)
	b = binary.NativeEndian.AppendUint32(b, sequence)
	b = append(binary.NativeEndian.AppendUint32(b, 1), body...)
	return append(b, make([]byte, align4(len(b))-len(b))...)
}

func TestParseAnswer(t *testing.T) {
	errno := func(n int32) []byte { return binary.NativeEndian.AppendUint32(nil, uint32(-n)) }
	diag := message(unix.SOCK_DIAG_BY_FAMILY, 2, 5, []byte("body"))
	tests := []struct {
		name        string
		b           []byte
		bodies      int
		done, again bool
		err         error
	}{
		{"nothing", nil, 0, false, false, nil},
		{"two bodies, more to come", bytes.Repeat(diag, 2), 2, false, false, nil},
		{"end", append(bytes.Clone(diag), message(unix.NLMSG_DONE, 2, 5, errno(0))...), 1, true, false, nil},
		{"bare end", message(unix.NLMSG_DONE, 2, 5, nil), 0, true, false, nil},
		{"end with an error", message(unix.NLMSG_DONE, 2, 5, errno(22)), 0, true, false, syscall.EINVAL},
		{"error", message(unix.NLMSG_ERROR, 0, 5, errno(2)), 0, true, false, syscall.ENOENT},
		{"error without a number", message(unix.NLMSG_ERROR, 0, 5, nil), 0, true, false, errCut},
		{"the table changed", message(unix.SOCK_DIAG_BY_FAMILY, unix.NLM_F_DUMP_INTR, 5, nil), 1, false, true, nil},
		{"an answer to somebody else", message(unix.NLMSG_ERROR, 0, 4, errno(2)), 0, false, false, nil},
		{"another type", message(99, 0, 5, nil), 0, false, false, nil},
		{"cut header", diag[:15], 0, false, false, errCut},
		{"cut body", diag[:18], 0, false, false, errCut},
		{"length 0", make([]byte, 16), 0, false, false, errCut},
		{"huge length", bytes.Repeat([]byte{0xff}, 64), 0, false, false, errCut},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bodies := 0
			done, again, err := parseAnswer(tt.b, 5, func([]byte) error { bodies++; return nil })
			if bodies != tt.bodies || done != tt.done || again != tt.again || !errors.Is(err, tt.err) || tt.err == nil && err != nil {
				t.Errorf("%d bodies, done %v, interrupted %v, error %v", bodies, done, again, err)
			}
		})
	}
}

// TestParseVsock uses an answer made by hand after include/uapi/linux/vm_sockets_diag.h.
func TestParseVsock(t *testing.T) {
	words := func(numbers ...uint32) (b []byte) {
		for _, n := range numbers {
			b = binary.NativeEndian.AppendUint32(b, n)
		}
		return b
	}
	var p parser
	var s Socket
	must(t, p.vsock(append([]byte{unix.AF_VSOCK, unix.SOCK_STREAM, 1, 2}, words(2, 1024, 3, 70000, 555, 9, 1)...), &s))
	want := `{"kind":"vsock","type":"stream","state":"established","recvq":0,"sendq":0,"local":"2:1024","peer":"3:70000",` +
		`"lport":1024,"rport":70000,"inode":555,"cookie":4294967305,"shutdown":"send"}`
	if got := string(s.AppendJSON(nil)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	must(t, p.vsock(append([]byte{unix.AF_VSOCK, unix.SOCK_SEQPACKET, 10, 0}, words(AnyCID, 99, AnyCID, AnyCID, 556, 0, 0)...), &s))
	if got, want := string(s.AppendJSON(nil)), `{"kind":"vsock","type":"seqpacket","state":"listen","recvq":0,"sendq":0,`+
		`"local":"any:99","lport":99,"inode":556}`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestParseProcNet(t *testing.T) {
	if bigEndian {
		t.Skip("the lines are those of a little-endian machine")
	}
	tests := []struct {
		kind       Kind
		line, want string
	}{
		{TCP, "   0: 0100007F:1F90 0200000A:C350 01 0000000A:00000005 02:000003E8 00000003  1000        0 4242 1 0 20 4 30 10 -1\n",
			`{"kind":"tcp","type":"stream","state":"established","recvq":5,"sendq":10,"local":"127.0.0.1:8080","peer":"10.0.0.2:50000",` +
				`"laddr":"127.0.0.1","lport":8080,"raddr":"10.0.0.2","rport":50000,"uid":1000,"inode":4242,"timer":"keepalive",` +
				`"expires":10000000,"timer_retrans":3}`},
		{TCP, "   1: 0000000000000000FFFF00000100007F:0016 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 7 1 0\n",
			`{"kind":"tcp","type":"stream","state":"listen","recvq":0,"sendq":0,"local":"[::ffff:127.0.0.1]:22","laddr":"::ffff:127.0.0.1",` +
				`"lport":22,"uid":0,"inode":7}`},
		{Raw, "   1: 00000000:0001 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 8 2 0 0\n",
			`{"kind":"raw","type":"raw","state":"unconnected","recvq":0,"sendq":0,"local":"0.0.0.0","laddr":"0.0.0.0","protocol":1,"uid":0,"inode":8}`},
		{Unix, "000000003ad5f11f: 00000003 00000000 00000000 0001 03   648 /run/a b\n",
			`{"kind":"unix","type":"stream","state":"established","recvq":0,"sendq":0,"local":"/run/a b","inode":648}`},
		{Unix, "000000003ad5f11f: 00000003 00000000 00010000 0005 01 10648 @x\n",
			`{"kind":"unix","type":"seqpacket","state":"listen","recvq":0,"sendq":0,"local":"@x","inode":10648}`},
		{Packet, "000000003ad5f11f 3      3    0003   2     1 4096   33     99\n",
			`{"kind":"packet","type":"raw","state":"unconnected","recvq":4096,"sendq":0,"protocol":3,"uid":33,"inode":99}`},
	}
	var p parser
	var s Socket
	for _, tt := range tests {
		must(t, p.procLine([]byte(tt.line), tt.kind, &s))
		if got := string(s.AppendJSON(nil)); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
	for _, bad := range []string{"", "x", "0: 0100007F:1F90", "0: 0100007F:1F90 0100007F:1F90 FF 0:0 0:0 0 0 0 1",
		"0: 0100007F1F90 0100007F:1F90 01 0:0 0:0 0 0 0 1", "0: 0100007F:1F90 0100007F:1F90 01 0:0 0:0 0 0 0 99999999999"} {
		if err := p.procLine([]byte(bad), TCP, &s); !errors.Is(err, errLine) {
			t.Errorf("line %q: %v", bad, err)
		}
	}
}

// FuzzAnswer feeds answers of all sorts to the parsers of all kinds.
func FuzzAnswer(f *testing.F) {
	for _, r := range recordings {
		if b, err := os.ReadFile(filepath.Join("testdata", r.name+".bin")); err == nil {
			f.Add(b[:min(len(b), 2000)], uint8(r.kind))
		}
	}
	f.Add(message(unix.SOCK_DIAG_BY_FAMILY, 2, recordedSequence, make([]byte, 72)), uint8(TCP))
	f.Add(message(unix.NLMSG_ERROR, 0, recordedSequence, []byte{0xfe, 0xff, 0xff, 0xff}), uint8(Unix))
	f.Fuzz(func(t *testing.T, b []byte, kind uint8) {
		k := Kind(kind % uint8(ISO)) // of the kernel
		var p parser
		var s Socket
		total := 0
		parseAnswer(b, recordedSequence, func(body []byte) error {
			if total += len(body); total > len(b) {
				t.Fatal("bodies are longer than the answer")
			}
			if err := p.parse(body, k, &s); err != nil {
				return err
			}
			if s.Kind != k {
				t.Errorf("kind %v became %v", k, s.Kind)
			}
			for _, c := range Columns() {
				if text := c.Text(&s); text != "" && !plain(text) && text[0] != '"' {
					t.Errorf("%s: unsafe text %q", c.Name, text)
				}
			}
			return checkJSON(&s)
		})
		// The bodies alone, so that the fuzzer need not find out about headers.
		if err := p.parse(b, k, &s); err == nil {
			if err := checkJSON(&s); err != nil {
				t.Error(err)
			}
		}
	})
}

// FuzzProcLine does the same with lines of /proc/net.
func FuzzProcLine(f *testing.F) {
	f.Add([]byte("   0: 0100007F:1F90 0200000A:C350 01 0000000A:00000005 02:000003E8 00000003  1000        0 4242 1\n"), uint8(TCP))
	f.Add([]byte("000000003ad5f11f: 00000003 00000000 00010000 0005 01 10648 @x\n"), uint8(Unix))
	f.Add([]byte("000000003ad5f11f 3      3    0003   2     1 4096   33     99\n"), uint8(Packet))
	f.Fuzz(func(t *testing.T, line []byte, kind uint8) {
		k := Kind(kind % uint8(ISO)) // of the kernel
		if procFiles[k] == nil {
			return
		}
		var p parser
		var s Socket
		if p.procLine(line, k, &s) != nil {
			return
		}
		if err := checkJSON(&s); err != nil {
			t.Error(err)
		}
	})
}
