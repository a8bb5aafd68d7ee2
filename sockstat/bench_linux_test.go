package sockstat

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func init() {
	childJobs["hold"] = holdMixed
	childJobs["list"] = listAll
}

const (
	benchProcesses = 4
	benchSockets   = 10000 // of each process: half TCP, three tenths unix, the rest UDP
	detailsEnv     = "SOCKSTAT_TEST_DETAILS"
)

// holdMixed opens the sockets of one process of the benchmark.
func holdMixed() error {
	l, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	// Each process has an address of its own, and with it all ports.
	addr := &unix.SockaddrInet4{Addr: [4]byte{127, 1, byte(os.Getpid() >> 8), byte(os.Getpid())}}
	if err := unix.Bind(l, addr); err != nil {
		return err
	}
	if err := unix.Listen(l, 128); err != nil {
		return err
	}
	sa, err := unix.Getsockname(l)
	if err != nil {
		return err
	}
	for range benchSockets / 4 {
		c, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		if err := unix.Connect(c, sa); err != nil {
			return err
		}
		if _, _, err := unix.Accept4(l, unix.SOCK_CLOEXEC); err != nil {
			return err
		}
	}
	for range benchSockets * 3 / 20 {
		if _, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
	}
	for range benchSockets / 5 {
		u, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		if err := unix.Bind(u, addr); err != nil {
			return err
		}
	}
	return ready("")
}

// listAll prints a table of all sockets, as a command would.
func listAll() error {
	details, err := strconv.Atoi(os.Getenv(detailsEnv))
	if err != nil {
		return err
	}
	var shown []*Column
	for _, name := range []string{"kind", "state", "recvq", "sendq", "local", "peer", "process", "pid", "fd", "peer_process"} {
		c, err := FindColumn(name)
		if err != nil {
			return err
		}
		shown = append(shown, c)
	}
	out := bufio.NewWriter(os.Stdout)
	var line []byte
	for s, err := range Sockets(context.Background(), Query{Details: Details(details)}) {
		if err != nil {
			return err
		}
		line = line[:0]
		for _, c := range shown {
			line = append(c.AppendText(line, s), ' ')
		}
		out.Write(append(line, '\n'))
	}
	return out.Flush()
}

// A command is what is measured, with what it took.
type command struct {
	argv           []string
	env            []string
	elapsed, cpu   []float64 // seconds
	memory         int       // bytes resident at most, as far as it was seen
	watchingMemory bool
}

func (c *command) run(b *testing.B, ns *testNetns) {
	b.Helper()
	cmd := exec.Command(c.argv[0], c.argv[1:]...)
	cmd.Env = append(os.Environ(), c.env...)
	start := time.Now()
	ns.do(cmd.Start)
	ended := make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for c.watchingMemory {
			c.memory = max(c.memory, residentPeak(cmd.Process.Pid))
			select {
			case <-ended:
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	err := cmd.Wait()
	elapsed := time.Since(start)
	close(ended)
	<-watched
	must(b, err)
	if !c.watchingMemory {
		usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
		c.elapsed = append(c.elapsed, elapsed.Seconds())
		c.cpu = append(c.cpu, float64(usage.Utime.Nano()+usage.Stime.Nano())/1e9)
	}
}

// residentPeak is the most memory that a process has had resident, 0 if it is gone. (The peak that wait4 tells
// is that of the parent where the parent is larger.)
func residentPeak(pid int) int {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, found := bytes.Cut(status, []byte("VmHWM:"))
	if !found {
		return 0
	}
	kib, err := strconv.Atoi(string(bytes.Fields(rest)[0]))
	if err != nil {
		return 0
	}
	return kib << 10
}

// BenchmarkBesideSS lists 40 000 sockets with ss and with this package, in
// alternating runs of whole processes that write a table to /dev/null, and reports the ratios, ours
// to ss's: the median, with the least and the most, of elapsed and CPU time; and of memory. Run it as root:
//
//	go test -run '^$' -bench BesideSS -benchtime 15x ./sockstat
func BenchmarkBesideSS(b *testing.B) {
	if _, err := exec.LookPath("ss"); err != nil {
		b.Skip("ss (Debian's iproute2) is not there to compare with")
	}
	ns := newNetns(b)
	ns.do(func() error {
		for range benchProcesses {
			child(b, "hold")
		}
		return nil
	})
	exe, err := os.Executable()
	must(b, err)
	for _, bench := range []struct {
		name, flags string
		details     Details
	}{
		{"ss-a", "-a", PeerNames},
		{"ss-a-with-peers", "-a", Peers},
		{"ss-ap", "-ap", Processes},
		{"ss-ap-with-peers", "-ap", Processes | Peers},
	} {
		b.Run(bench.name, func(b *testing.B) {
			theirs := &command{argv: []string{"ss", bench.flags}}
			ours := &command{argv: []string{exe}, env: []string{childEnv + "=list", detailsEnv + "=" + strconv.Itoa(int(bench.details))}}
			for i := 0; b.Loop(); i++ {
				pair := []*command{ours, theirs}
				if i%2 == 1 {
					slices.Reverse(pair)
				}
				for _, c := range pair {
					c.run(b, ns)
				}
			}
			for range 3 {
				for _, c := range []*command{ours, theirs} {
					c.watchingMemory = true
					c.run(b, ns)
				}
			}
			report(b, "elapsed", ours.elapsed, theirs.elapsed)
			report(b, "cpu", ours.cpu, theirs.cpu)
			b.ReportMetric(float64(ours.memory)/float64(theirs.memory), "memory-ratio")
			b.ReportMetric(float64(ours.memory)/(1<<20), "MiB-ours")
			b.ReportMetric(float64(theirs.memory)/(1<<20), "MiB-ss")
		})
	}
}

func report(b *testing.B, what string, ours, theirs []float64) {
	ratios := make([]float64, len(ours))
	for i := range ours {
		ratios[i] = ours[i] / theirs[i]
	}
	slices.Sort(ratios)
	slices.Sort(ours)
	slices.Sort(theirs)
	b.ReportMetric(ratios[len(ratios)/2], what+"-ratio")
	b.ReportMetric(ratios[0], what+"-least")
	b.ReportMetric(ratios[len(ratios)-1], what+"-most")
	b.ReportMetric(1000*ours[len(ours)/2], what+"-ms-ours")
	b.ReportMetric(1000*theirs[len(theirs)/2], what+"-ms-ss")
}

func BenchmarkParse(b *testing.B) {
	for _, r := range recordings[:6] {
		b.Run(r.name, func(b *testing.B) {
			answer, err := os.ReadFile("testdata/" + r.name + ".bin")
			must(b, err)
			var p parser
			var s Socket
			n := 0
			b.ReportAllocs()
			for b.Loop() {
				n = 0
				_, _, err := parseAnswer(answer, recordedSequence, func(body []byte) error {
					n++
					return p.parse(body, r.kind, &s)
				})
				must(b, err)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/socket")
		})
	}
}

func BenchmarkJSON(b *testing.B) {
	s := web()
	var line []byte
	b.ReportAllocs()
	for b.Loop() {
		line = s.AppendJSON(line[:0])
	}
}
