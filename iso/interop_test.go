package iso

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"zocalo/internal/testenv"
	"zocalo/socket"
)

// Tests with clients that others wrote.

// npm installs packages of npm's registry to a folder, or ends the test.
func npm(t *testing.T, packages ...string) (dir string) {
	t.Helper()
	testenv.Program(t, "node")
	program := testenv.Program(t, "npm")
	dir = t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	install := exec.CommandContext(ctx, program, append([]string{"install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", dir}, packages...)...)
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("npm install: %v\n%s", err, out)
		}
		t.Skipf("npm cannot install %v, perhaps for want of a network: %v", packages, err)
	}
	return dir
}

// node runs a script in the folder where packages are, and returns what it
// prints.
func node(t *testing.T, dir, script string) string {
	t.Helper()
	file := filepath.Join(dir, "client.js")
	if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	return run(t, dir, "node", file)
}

func run(t *testing.T, dir string, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

// plc serves S7 on a listener until the test's end.
func plc(t *testing.T, l *socket.Socket) {
	var all sync.WaitGroup
	all.Go(func() {
		for {
			s, err := l.Accept(context.Background())
			if err != nil {
				return
			}
			all.Go(func() { defer s.Close(); patient(s); servePLC(t, s) })
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
}

func portOf(s *socket.Socket) int { return int(AddrPort(s.Name()).Port()) }

func TestIsoOnTCP(t *testing.T) {
	dir := npm(t, "iso-on-tcp@0.1.0")
	l := listen(t, socket.SeqPacket, "\x01\x02")
	echoed := make(chan string, 1)
	go func() {
		s, err := l.Accept(t.Context())
		if err != nil {
			echoed <- err.Error()
			return
		}
		defer s.Close()
		patient(s)
		b := make([]byte, 10000)
		n, err := s.Read(b)
		if err != nil {
			echoed <- err.Error()
			return
		}
		s.Write(b[:n])
		end := ""
		for err == nil {
			_, err = s.Read(b)
		}
		end = err.Error()
		echoed <- fmt.Sprintf("%v sent %d bytes: %s", SelectorOf(s.Peer()), n, end)
	}()
	out := node(t, dir, `
const iso = require('iso-on-tcp');
const sent = Buffer.alloc(5000, 'zocalo ');
let got = Buffer.alloc(0);
const c = iso.createConnection({host: '127.0.0.1', port: `+strconv.Itoa(portOf(l))+`, srcTSAP: 0x0100, dstTSAP: 0x0102}, () => c.write(sent));
c.on('error', e => { console.log('error', e.message); process.exit(1); });
c.on('data', d => {
	got = Buffer.concat([got, d]);
	if (got.length >= sent.length) { console.log(got.equals(sent) ? 'the same' : 'another'); c.close(); }
});
setTimeout(() => { console.log('late', got.length); process.exit(1); }, 20000).unref();
`)
	if strings.TrimSpace(out) != "the same" {
		t.Errorf("the client says %q", out)
	}
	if got := <-echoed; got != "0x0100 sent 5000 bytes: EOF" {
		t.Errorf("the listener saw %q", got)
	}

	// One that is not wanted is refused.
	out = node(t, dir, `
const iso = require('iso-on-tcp');
const c = iso.createConnection({host: '127.0.0.1', port: `+strconv.Itoa(portOf(l))+`, srcTSAP: 0x0100, dstTSAP: 0x0103}, () => console.log('connected'));
c.on('error', e => console.log('error'));
c.on('close', () => { console.log('closed'); process.exit(0); });
setTimeout(() => process.exit(0), 3000);
`)
	if strings.Contains(out, "connected") {
		t.Errorf("a client that calls nobody says %q", out)
	}
}

// TestNodeS7 reads variables of the PLC.
func TestNodeS7(t *testing.T) {
	dir := npm(t, "nodes7@0.3.18")
	l := listen(t, socket.SeqPacket, "\x01\x02")
	plc(t, l)
	out := node(t, dir, `
const nodes7 = require('nodes7');
const c = new nodes7({silent: true});
c.initiateConnection({port: `+strconv.Itoa(portOf(l))+`, host: '127.0.0.1', rack: 0, slot: 2, timeout: 8000}, err => {
	if (err) { console.log('error', err); process.exit(1); }
	c.addItems(['DB1,INT0', 'DB1,REAL4']);
	c.readAllItems((bad, v) => {
		console.log(bad, v['DB1,INT0'], v['DB1,REAL4'].toFixed(4));
		c.dropConnection(() => process.exit(0));
	});
});
`)
	if strings.TrimSpace(out) != "false 12345 3.1416" {
		t.Errorf("the client reads %q", out)
	}
}

// TestNmap has nmap ask the PLC what it is.
func TestNmap(t *testing.T) {
	nmap := testenv.Program(t, "nmap")
	l := listen(t, socket.SeqPacket, "\x01\x02")
	plc(t, l)
	out := run(t, t.TempDir(), nmap, "-n", "-Pn", "-sT", "-p", strconv.Itoa(portOf(l)), "--script", "+s7-info", "127.0.0.1")
	for _, want := range []string{"Module: 6ES7 315-2EH14-0AB0", "Version: 3.2.6", "System Name: SNAP", "Module Type: CPU 315-2 PN/DP", "Serial Number: S C-C2UR28922012"} {
		if !strings.Contains(out, want) {
			t.Errorf("nmap does not say %q:\n%s", want, out)
		}
	}
}

// TestTshark has tshark read what went over the wire: it says the same, and
// finds nothing wrong. Two TPDUs are left out of which it does not know the form
// in class 0: ED, and ER with the header that was rejected.
func TestTshark(t *testing.T) {
	testenv.Program(t, "tshark")
	t.Run("COTP", func(t *testing.T) {
		c := newCapture(t)
		l := listen(t, socket.SeqPacket, "\x01\x02", with(Expedited, true), with(TPDUSize, 1024))
		through := c.relay(t, AddrPort(l.Name()))

		// Messages of one TPDU and of many.
		a := dial(t, socket.SeqPacket, mustName(t, through, "\x01\x02"), with(Expedited, true), with(TPDUSize, 65531))
		b := accept(t, l)
		buffer := make([]byte, 5000)
		for _, size := range []int{1, 200, 5000} {
			for _, way := range [][2]*socket.Socket{{a, b}, {b, a}} {
				way[0].Write(buffer[:size])
				if n, err := way[1].Read(buffer); n != size || err != nil {
					t.Fatalf("Read = %d, %v", n, err)
				}
			}
		}
		a.Close()
		b.Read(buffer) // the end, so that the next connection comes after it
		b.Close()

		// A refusal.
		if err := opened(t, socket.SeqPacket).Connect(t.Context(), mustName(t, through, "\x01\x03")); err == nil {
			t.Error("it is connected")
		}

		// User data, and a DR with some.
		var m socket.Message
		m.Ancillary.Present = socket.HasControl
		m.Ancillary.Control = []socket.Control{{Level: ControlLevel, Type: ConnectData, Data: []byte("hello")}}
		d := dial(t, socket.SeqPacket, mustName(t, through, "\x01\x02"), func(s *socket.Socket) { s.Send(&m) })
		m.Ancillary.Control[0].Type = DisconnectData
		d.Send(&m)
		accept(t, l).Read(buffer)

		dt, long := "0x0f ", strings.Repeat("0x0f ", 5)
		if got, want := c.tshark(t, "cotp.type"), "0x0e 0x0d "+dt+dt+dt+dt+long+long+"0x0e 0x08 0x0e 0x0d 0x08"; got != want {
			t.Errorf("the TPDUs are\n%s, want\n%s", got, want)
		}
		for field, want := range map[string]string{
			"cotp.tpdu_size":                         "1024 8192 8192 1024", // none in the first request
			"cotp.cause":                             "3 128",
			"cotp.dst-tsap-bytes":                    "0102 0102 0103 0102 0102",
			"cotp.src-tsap-bytes":                    "0100 0100 0100 0100 0100",
			"cotp.reassembled.length":                "5000 5000",
			"cotp.transport_expedited_data_transfer": "1 1",
			"cotp.eot":                               "1 1 1 1 0 0 0 0 1 0 0 0 0 1",
		} {
			if got := c.tshark(t, field); got != want {
				t.Errorf("%s is %s, want %s", field, got, want)
			}
		}
	})

	t.Run("CLTP", func(t *testing.T) {
		c := newCapture(t)
		for _, checksum := range []bool{false, true} {
			d := bound(t, "alpha", with(Checksum, checksum))
			conn := udp(t, d)
			m := socket.Message{Buffers: [][]byte{[]byte("hola")}, Peer: mustName(t, conn.LocalAddr().(*net.UDPAddr).AddrPort(), "beta")}
			if _, err := d.Send(&m); err != nil {
				t.Fatal(err)
			}
			b := make([]byte, 100)
			n, err := conn.Read(b)
			if err != nil {
				t.Fatal(err)
			}
			c.unitData(b[:n])
		}
		for field, want := range map[string]string{"cltp.type": "0x04 0x04", "cltp.li": "14 18"} {
			if got := c.tshark(t, field); got != want {
				t.Errorf("%s is %s, want %s", field, got, want)
			}
		}
	})
}
