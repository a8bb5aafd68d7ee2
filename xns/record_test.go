package xns

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"zocalo/internal/testenv"
	"zocalo/socket"
)

// dissect has tshark read a capture, and returns a line of the fields for each
// frame.
func dissect(t *testing.T, capture []byte, fields ...string) []string {
	t.Helper()
	tshark := testenv.Program(t, "tshark")
	file := filepath.Join(t.TempDir(), "xns.pcapng")
	if err := os.WriteFile(file, capture, 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"-n", "-r", file, "-T", "fields", "-E", "separator=,"}
	for _, f := range fields {
		args = append(args, "-e", f)
	}
	cmd := exec.CommandContext(t.Context(), tshark, args...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	var problems bytes.Buffer
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("tshark: %v\n%s", err, problems.Bytes())
	}
	return strings.Split(strings.TrimRight(string(out), "\n"), "\n")
}

// TestGoldenFramesByTshark compares what another dissector sees in the golden
// frames with what this package does, so that the next test knows what it
// asks.
func TestGoldenFramesByTshark(t *testing.T) {
	var file bytes.Buffer
	c := must[*Capture](t)(NewCapture(&file))
	var want []string
	for _, g := range goldenFrames() {
		c.Frame(must[[]byte](t)(hex.DecodeString(g.frame)))
		want = append(want, fmt.Sprintf("%d,%d,%d,%d,%d,%d,%d,%d,%d,", g.header.Length, g.header.Type, g.header.To.Socket, g.spp.Datastream,
			g.spp.From, g.spp.To, g.spp.Sequence, g.spp.Ack, g.spp.Allocation))
	}
	got := dissect(t, file.Bytes(), "idp.len", "idp.packet_type", "idp.dst.socket", "spp.type", "spp.src", "spp.dst", "spp.seq", "spp.ack", "spp.alloc", "_ws.malformed")
	compareLines(t, got, want)
}

func compareLines(t *testing.T, got, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%d frames, want %d", len(got), len(want))
	}
	for i := range min(len(got), len(want)) {
		if numbers(got[i]) != want[i] {
			t.Errorf("frame %d is %s, want %s", i, got[i], want[i])
		}
	}
}

// numbers writes the hexadecimal numbers of a line in decimal.
func numbers(line string) string {
	fields := strings.Split(line, ",")
	for i, f := range fields {
		var n uint64
		if _, err := fmt.Sscanf(f, "0x%x", &n); err == nil {
			fields[i] = fmt.Sprint(n)
		}
	}
	return strings.Join(fields, ",")
}

// TestRecord records a conversation, and has tshark read it.
func TestRecord(t *testing.T) {
	var file bytes.Buffer
	c := must[*Capture](t)(NewCapture(&file))
	bubble(t, func(t *testing.T) {
		recorded := false
		a, b, stop, err := connected(listening(func() hosts {
			return onSegment(func(l Link) Link {
				if recorded { // one side sees it all
					return l
				}
				recorded = true
				return Record(l, c)
			})
		}, socket.SeqPacket, nil))()
		if err != nil {
			t.Fatal(err)
		}
		defer stop()
		a.Write([]byte("hello"))
		b.Read(make([]byte, 10))
		a.SendUrgent([]byte("!"))
		b.ReceiveUrgent(t.Context(), make([]byte, 1))
		a.Close()
	})
	if err := c.Err(); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"47 5 80 0",   // send-ack and end of message
		"43 5 96 0",   // send-ack and attention
		"42 5 64 254", // and the end
		"42 5 64 255",
		"42 5 64 255",
	}
	var data []string
	for _, line := range dissect(t, file.Bytes(), "eth.type", "idp.len", "idp.packet_type", "spp.ctl", "spp.type", "_ws.malformed") {
		f := strings.Split(numbers(line), ",")
		if len(data) == len(want) && f[0] == "1536" && f[2] == "3" && f[5] == "" {
			continue // an acknowledgement that comes after the end may draw an Error
		}
		if f[0] != "1536" || f[2] != "5" || f[5] != "" {
			t.Errorf("tshark sees %s", line)
		}
		if f[3] != "128" && f[3] != "192" { // not a system packet
			data = append(data, strings.Join(f[1:5], " "))
		}
	}
	if strings.Join(data, "\n") != strings.Join(want, "\n") {
		t.Errorf("tshark sees\n%s\nwant\n%s", strings.Join(data, "\n"), strings.Join(want, "\n"))
	}
}
