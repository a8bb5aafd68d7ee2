package sockettest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"zocalo/socket"
)

// faultsVariable tells a process of this test to run TestMessages on sockets
// with faults, where it has to fail.
const faultsVariable = "SOCKETTEST_FAULTS"

// faultyPair is a pair of which both ends have the fault; 0 is none.
func faultyPair(fault Fault, every int) MakePair {
	return func() (a, b *socket.Socket, stop func(), err error) {
		if a, b, stop, err = paired(socket.SeqPacket)(); err == nil {
			a, b = Faulty(a, fault, every), Faulty(b, fault, every)
		}
		return a, b, stop, err
	}
}

// TestWithFaults fails, in the process that TestMessagesFails starts.
func TestWithFaults(t *testing.T) {
	short, err := time.ParseDuration(os.Getenv(faultsVariable))
	if err != nil {
		t.Skip("TestMessagesFails runs it")
	}
	for _, fault := range append(Faults(), 0) {
		t.Run(fault.String(), func(t *testing.T) {
			t.Parallel()
			patience := short
			if fault == 0 || fault == Late {
				patience = 10 * time.Second
			}
			TestMessages(t, faultyPair(fault, 3), Largest(queueBytes/4), Patience(patience))
		})
	}
}

// TestMessagesFails tests that TestMessages finds each fault, in the tests
// where it shows, and says what it is: on a machine that is busy with other
// things only with more patience.
func TestMessagesFails(t *testing.T) {
	var missing []string
	var out string
	for _, patience := range []string{"200ms", "3s"} {
		out = runFaults(t, patience)
		if missing = missingIn(out); missing == nil {
			return
		}
	}
	t.Errorf("%s\n%s", strings.Join(missing, "\n"), out)
}

// runFaults runs TestWithFaults, which has to fail, and returns its output.
func runFaults(t *testing.T, patience string) string {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestWithFaults$", "-test.v")
	cmd.Env = append(os.Environ(), faultsVariable+"="+patience)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Fatalf("the tests of faulty sockets ended with %v, want exit status 1\n%s", err, out)
	}
	return string(out)
}

// missingIn says what the tests of faulty sockets have not said.
func missingIn(text string) (missing []string) {
	want := func(line string) {
		if !strings.Contains(text, line) {
			missing = append(missing, fmt.Sprintf("no %q", line))
		}
	}
	for _, c := range []struct {
		fault  Fault
		tests  []string
		reason string // that Load gives
	}{
		{Lose, []string{"Boundaries", "Load", "Truncation", "EndAfterClose"}, "was lost"},
		{Repeat, []string{"Boundaries", "Load", "EndAfterClose"}, "arrived twice"},
		{Reorder, []string{"Boundaries", "Load", "EndAfterClose"}, "out of order"},
		{Merge, []string{"Boundaries", "Load"}, "it came together with what follows"},
		{Split, []string{"Boundaries", "Load"}, "it was cut"},
		{Cut, []string{"Boundaries", "Load"}, "it was cut"},
		{Corrupt, []string{"Boundaries", "Load", "EndAfterClose"}, "it was changed"},
	} {
		for _, test := range c.tests {
			want("--- FAIL: TestWithFaults/" + c.fault.String() + "/" + test + " ")
		}
		if !strings.Contains(saidBy(text, "TestWithFaults/"+c.fault.String()+"/Load"), c.reason) {
			missing = append(missing, fmt.Sprintf("Load does not say of a socket with the fault %v that %q", c.fault, c.reason))
		}
	}
	for _, sound := range []string{"none", Late.String()} { // which has no urgent data to delay
		want("--- PASS: TestWithFaults/" + sound + " ")
	}
	return missing
}

// saidBy returns what a test said, of verbose output where tests take turns.
func saidBy(text, test string) string {
	var said strings.Builder
	var speaker string
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, "=== "); ok {
			if fields := strings.Fields(rest); len(fields) == 2 {
				speaker = fields[1]
			}
		} else if speaker == test {
			said.WriteString(line)
		}
	}
	return said.String()
}

func TestFaultyStream(t *testing.T) {
	for _, c := range []struct {
		fault Fault
		want  string
	}{
		{0, "aabbccddee"},
		{Lose, "aaccee"},
		{Repeat, "aabbbbccddddee"},
		{Reorder, "aaccbbeedd"},
		{Merge, "aabbccddee"},
		{Split, "aabbccddee"},
		{Cut, "aabccdee"},
		{Corrupt, "aafbcctdee"},
		{Late, "aabbccddee"},
	} {
		t.Run(c.fault.String(), func(t *testing.T) {
			a, b, err := socket.Pair(Memory, socket.Stream, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			a = Faulty(a, c.fault, 2)
			for _, piece := range []string{"aa", "bb", "cc", "dd", "ee"} {
				if n, err := a.Write([]byte(piece)); n != 2 || err != nil {
					t.Errorf("Write = %d, %v", n, err)
				}
			}
			a.Close()
			if got, err := io.ReadAll(b); string(got) != c.want || err != nil {
				t.Errorf("read %q, %v, want %q", got, err, c.want)
			}
			if a.Properties() != (socket.Kind{Domain: Memory, Type: socket.Stream}).Properties() {
				t.Error("it does not claim the properties of what is beneath")
			}
			if _, ok := socket.As[socket.Messenger](a); ok {
				t.Error("a stream takes messages")
			}
		})
	}
}

func TestFaultyMessages(t *testing.T) {
	for _, c := range []struct {
		fault Fault
		want  []string
	}{
		{Lose, []string{"aa", "cc", "ee"}},
		{Repeat, []string{"aa", "bb", "bb", "cc", "dd", "dd", "ee"}},
		{Reorder, []string{"aa", "cc", "bb", "ee", "dd"}},
		{Merge, []string{"aa", "bbcc", "ddee"}},
		{Split, []string{"aa", "b", "b", "cc", "d", "d", "ee"}},
		{Cut, []string{"aa", "b", "cc", "d", "ee"}},
	} {
		t.Run(c.fault.String(), func(t *testing.T) {
			a, b, err := socket.Pair(Memory, socket.SeqPacket, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			a = Faulty(a, c.fault, 2)
			for _, piece := range []string{"aa", "bb", "cc", "dd", "ee"} {
				if n, err := a.Send(&socket.Message{Buffers: [][]byte{[]byte(piece)}}); n != 2 || err != nil {
					t.Errorf("Send = %d, %v", n, err)
				}
			}
			a.Close()
			var got []string
			buf := make([]byte, 10)
			for {
				n, err := b.Read(buf)
				if err != nil {
					break
				}
				got = append(got, string(buf[:n]))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("read %q, want %q", got, c.want)
			}
		})
	}
}

func TestFaultyUrgent(t *testing.T) {
	a, b, err := socket.Pair(Memory, socket.Stream, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	a = Faulty(a, Late, 2)
	defer a.Close()
	none := func() {
		t.Helper()
		b.SetReadDeadline(longAgo)
		if n, err := b.ReceiveUrgent(t.Context(), make([]byte, 1)); n != 0 || !timedOut(err) {
			t.Errorf("ReceiveUrgent = %d, %v, before it was due", n, err)
		}
		b.SetReadDeadline(time.Time{})
	}
	a.Write([]byte("before"))
	if n, err := a.SendUrgent([]byte("!")); n != 1 || err != nil {
		t.Fatalf("SendUrgent = %d, %v", n, err)
	}
	none()
	a.Write([]byte("first"))
	none()
	a.Write([]byte("second"))
	urgent := make([]byte, 1)
	if n, err := b.ReceiveUrgent(t.Context(), urgent); n != 1 || err != nil || urgent[0] != '!' {
		t.Errorf("ReceiveUrgent = %d, %v, %q", n, err, urgent)
	}
}

// TestFaultyListener shows that what a faulty socket accepts is faulty, and
// that a faulty one still is a socket in every other way.
func TestFaultyListener(t *testing.T) {
	sound := listening(Memory, socket.SeqPacket, func() socket.Name { return freshName(t) })
	mk := func() (*socket.Socket, func(context.Context) (*socket.Socket, error), func(), error) {
		l, dial, stop, err := sound()
		if err != nil {
			return nil, nil, nil, err
		}
		return Faulty(l, Lose, 3), dial, stop, nil
	}
	TestListener(t, mk)
	_, s, stop, err := connected(mk)()
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	if _, ok := s.Unwrap().(*faultyMessenger); !ok {
		t.Errorf("accepted a %T", s.Unwrap())
	}
}

func TestMissorted(t *testing.T) {
	for _, c := range []struct {
		name    string
		numbers []uint64
		want    []string
	}{
		{"all", []uint64{0, 1, 2}, nil},
		{"none", nil, nil},
		{"lost", []uint64{0, 2}, []string{"message 1 was lost"}},
		{"first lost", []uint64{1}, []string{"message 0 was lost"}},
		{"twice", []uint64{0, 1, 1}, []string{"message 1 arrived twice"}},
		{"late", []uint64{0, 2, 1}, []string{"message 1 arrived after message 2: out of order"}},
	} {
		if got := missorted(c.numbers); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
