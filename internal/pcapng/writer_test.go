package pcapng_test

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"zocalo/internal/pcapng"
	"zocalo/internal/testenv"
)

// at is a time with all its nanoseconds.
var at = time.Unix(1_700_000_000, 123_456_789)

// ipv4 is a UDP datagram from 198.51.100.7:5000 to 203.0.113.9:53, without checksums.
var ipv4 = append([]byte{0x45, 0, 0, 32, 0, 0, 0x40, 0, 64, 17, 0, 0, 198, 51, 100, 7, 203, 0, 113, 9,
	0x13, 0x88, 0, 53, 0, 12, 0, 0}, "hola"...)

// sample writes a file with a block of each kind.
func sample(t *testing.T, w io.Writer) {
	t.Helper()
	f, err := pcapng.NewWriter(w, pcapng.Section{OS: "Linux", Application: "zocalo", Comments: []string{"first of the file", "second"}})
	if err != nil {
		t.Fatal(err)
	}
	raw, err1 := f.Interface(pcapng.Interface{LinkType: pcapng.LinkRaw, Name: "udp:127.0.0.1:53", Description: "the near side", Filter: "port 53"})
	other, err2 := f.Interface(pcapng.Interface{LinkType: pcapng.LinkUser0, Name: "unix:/run/app.sock"})
	if raw != 0 || other != 1 {
		t.Errorf("interfaces %d and %d", raw, other)
	}
	err3 := f.Names([]pcapng.Name{
		{Addr: netip.MustParseAddr("198.51.100.7"), Names: []string{"client", "client.example"}},
		{Addr: netip.MustParseAddr("2001:db8::1"), Names: []string{"six"}},
	})
	err4 := f.Secrets(pcapng.TLSKeyLog, []byte("CLIENT_RANDOM 00 11\n"))
	err5 := f.Packet(&pcapng.Packet{Time: at, Header: ipv4[:28], Data: ipv4[28:], Direction: pcapng.Inbound,
		Comments: []string{"pair 1", "delayed by 20ms"}, ID: 7, Process: 4321})
	err6 := f.Packet(&pcapng.Packet{Interface: 1, Time: at.Add(1), Data: []byte("12345"), Length: 500, Direction: pcapng.Outbound, Dropped: 3})
	err7 := f.Statistics(&pcapng.Statistics{Interface: 1, Time: at.Add(2), Start: at, End: at.Add(2), Received: 4, Dropped: 3, Delivered: 1})
	if err := errors.Join(err1, err2, err3, err4, err5, err6, err7); err != nil {
		t.Fatal(err)
	}
}

func run(t *testing.T, program string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), testenv.Program(t, program), args...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "LC_ALL=C.UTF-8")
	var problems bytes.Buffer
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", program, err, problems.Bytes())
	}
	return string(out)
}

func TestWireshark(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sample.pcapng")
	var b bytes.Buffer
	sample(t, &b)
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	got := run(t, "tshark", "-n", "-r", file, "-T", "fields", "-E", "separator=|",
		"-e", "frame.time_epoch", "-e", "frame.interface_name", "-e", "frame.packet_flags_direction", "-e", "frame.len",
		"-e", "frame.cap_len", "-e", "ip.src", "-e", "data.data", "-e", "frame.comment")
	want := "1700000000.123456789|udp:127.0.0.1:53|0x00000001|32|32|198.51.100.7||pair 1,delayed by 20ms\n" +
		"1700000000.123456790|unix:/run/app.sock|0x00000002|500|5||3132333435|\n"
	if got != want {
		t.Errorf("tshark reads\n%swant\n%s", got, want)
	}
	got = run(t, "tshark", "-r", file, "-N", "n", "-T", "fields", "-e", "ip.src_host")
	if !strings.HasPrefix(got, "client.example\n") { // of several names it takes the last
		t.Errorf("the name of 198.51.100.7 is %q", got)
	}

	got = run(t, "capinfos", "-M", file)
	for _, want := range []string{"Number of packets:   2\n", "Name = udp:127.0.0.1:53", "Description = the near side", "Filter string = port 53",
		"Time precision = nanoseconds (9)", "Capture application: zocalo", "Capture oper-sys:    Linux", "first of the file",
		"Number of decryption secrets in file: 1", "Number of resolved IPv4 addresses in file: 2", "Number of resolved IPv6 addresses in file: 1"} {
		if !strings.Contains(got, want) {
			t.Errorf("capinfos does not say %q:\n%s", want, got)
		}
	}

	// editcap writes it again, and all is still there.
	copied := filepath.Join(t.TempDir(), "copied.pcapng")
	run(t, "editcap", file, copied)
	if again := run(t, "capinfos", "-c", "-T", "-r", "-M", copied); !strings.Contains(again, "\t2") {
		t.Errorf("after editcap: %s", again)
	}
}

// full is a disk with room for so many writes.
type full int

func (f *full) Write(b []byte) (int, error) {
	if *f--; *f < 0 {
		return len(b) / 2, io.ErrShortWrite
	}
	return len(b), nil
}

func TestFirstErrorStays(t *testing.T) {
	room := full(2)
	f, err := pcapng.NewWriter(&room, pcapng.Section{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Interface(pcapng.Interface{LinkType: pcapng.LinkRaw}); err != nil {
		t.Fatal(err)
	}
	before := f.Written()
	for range 2 {
		if err := f.Packet(&pcapng.Packet{Time: at, Data: make([]byte, 100)}); err != io.ErrShortWrite {
			t.Errorf("on a full disk: %v", err)
		}
	}
	if room != -1 {
		t.Errorf("it was written to %d times after its error", -room-1)
	}
	if f.Written() <= before || f.Err() != io.ErrShortWrite {
		t.Errorf("%d bytes written, error %v", f.Written()-before, f.Err())
	}
}

func TestRefused(t *testing.T) {
	var b bytes.Buffer
	f, err := pcapng.NewWriter(&b, pcapng.Section{})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Packet(&pcapng.Packet{Time: at}); err == nil {
		t.Error("a packet of an interface that there is not was written")
	}
	if _, err := f.Interface(pcapng.Interface{}); err != nil {
		t.Fatal(err)
	}
	if err := f.Packet(&pcapng.Packet{Time: at, Data: make([]byte, pcapng.MaxPacket+1)}); err == nil {
		t.Error("a packet beyond every bound was written")
	}
	if f.Err() != nil {
		t.Errorf("what was refused ended the file: %v", f.Err())
	}
}

func TestPacketAllocatesNothing(t *testing.T) {
	f, err := pcapng.NewWriter(io.Discard, pcapng.Section{})
	if err != nil {
		t.Fatal(err)
	}
	f.Interface(pcapng.Interface{LinkType: pcapng.LinkRaw})
	p := pcapng.Packet{Time: at, Header: ipv4[:28], Data: make([]byte, 4000), Direction: pcapng.Inbound, Comments: []string{"pair 1"}, ID: 5}
	f.Packet(&p)
	if n := testing.AllocsPerRun(100, func() { f.Packet(&p) }); n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
}

func BenchmarkPacket(b *testing.B) {
	f, _ := pcapng.NewWriter(io.Discard, pcapng.Section{})
	f.Interface(pcapng.Interface{LinkType: pcapng.LinkRaw})
	p := pcapng.Packet{Time: at, Header: ipv4[:28], Data: make([]byte, 1400), Direction: pcapng.Inbound}
	b.SetBytes(1428)
	b.ReportAllocs()
	for b.Loop() {
		f.Packet(&p)
	}
}
