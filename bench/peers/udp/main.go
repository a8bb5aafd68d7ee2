// Command udp compares how many datagrams a second zocalo relay, nginx and
// socat pass from udp to udp, in alternating runs:
//
//	go run ./udp
//
// in the folder bench/peers. It needs nginx with its stream module, and socat.
// Datagrams of 1200 bytes are sent without a pause, over loopback, and counted
// where they arrive. It prints the rates, which part of what was sent arrived,
// and the processor time that the relay took for each that did: the median, and
// the least and the greatest. Rates and times are also printed as zocalo's
// advantage over each peer in the same round. The time of many
// processes that each took less than a tick of the system's clock is not known,
// as that of socat with 1000 peers.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"zocalo/bench/peers/compare"
)

var (
	rounds   = flag.Int("rounds", 5, "how often each relay runs")
	duration = flag.Duration("duration", 2*time.Second, "how long each run lasts")
	size     = flag.Int("size", 1200, "bytes of a datagram")
	only     = flag.String("only", "", "run the `work` whose name has this in it, and no other")
	before   = flag.String("before", "", "measure this `binary` of zocalo too, as one that was built before a change")
	trace    = flag.String("wrap", "", "put this `command` before zocalo's, as perf record")
)

// A work is what is sent.
type work struct {
	name  string
	peers int
	train int // datagrams of one send
	batch int // sends of one system call
}

var works = []work{
	{"1 peer, sendmmsg of 64", 1, 1, 64},
	{"1 peer, one call a datagram", 1, 1, 1},
	{"1 peer, GSO", 1, 48, 1},
	{"1000 peers, one call a datagram", 1000, 1, 1},
	{"1000 peers, GSO", 1000, 8, 1},
}

// A relay is a program to compare; command takes the ports.
type relay struct {
	name    string
	command func(dir, port, target string) ([]string, error)
	rates   []float64 // datagrams a second, a round each
	shares  []float64 // of the datagrams sent, those that arrived, in percent
	costs   []float64 // microseconds of processor time a datagram
}

func main() {
	flag.Parse()
	if err := compare.WithZocalo(run); err != nil {
		fmt.Fprintln(os.Stderr, "udp:", err)
		os.Exit(1)
	}
}

func run(dir, zocalo string) error {
	for _, w := range works {
		if !strings.Contains(w.name, *only) {
			continue
		}
		relays := []*relay{{name: "zocalo relay", command: zocaloRelay(zocalo)}}
		if *before != "" {
			relays = append(relays, &relay{name: "zocalo before", command: zocaloRelay(*before)})
		}
		if err := w.compare(dir, append(relays, []*relay{
			{name: "nginx", command: nginx},
			{name: "socat fork", command: func(_, port, target string) ([]string, error) {
				return []string{"socat", "-b", "65536", "UDP4-LISTEN:" + port + ",bind=127.0.0.1,fork,reuseaddr,rcvbuf=4194304", "UDP4:127.0.0.1:" + target}, nil
			}},
		}...)); err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
	}
	return nil
}

func zocaloRelay(binary string) func(dir, port, target string) ([]string, error) {
	return func(_, port, target string) ([]string, error) {
		return append(strings.Fields(*trace), binary, "relay", "-q", "udp4-listen:127.0.0.1:"+port, "udp4:127.0.0.1:"+target), nil
	}
}

// nginx relays with one worker, as zocalo has one loop. It and socat get the
// receive buffer that zocalo gives to itself.
func nginx(dir, port, target string) ([]string, error) {
	config := fmt.Sprintf(`daemon off;
master_process off;
worker_rlimit_nofile 8192;
pid %[1]s/nginx.pid;
error_log /dev/null crit;
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
events { worker_connections 4096; }
stream { server { listen 127.0.0.1:%[2]s udp rcvbuf=4m; proxy_pass 127.0.0.1:%[3]s; proxy_timeout 60s; } }
`, dir, port, target)
	path := filepath.Join(dir, "nginx.conf")
	return []string{"nginx", "-p", dir, "-c", path}, os.WriteFile(path, []byte(config), 0o600)
}

func (w work) compare(dir string, relays []*relay) error {
	for range *rounds {
		for _, r := range relays {
			if err := r.measure(w, dir); err != nil {
				return fmt.Errorf("%s: %w", r.name, err)
			}
		}
	}
	fmt.Printf("%-32s %31s %22s %16s %22s %22s\n", w.name, "datagrams per second", "advantage", "arrived, %", "µs each", "advantage")
	for _, r := range relays {
		rates, costs := make([]float64, len(r.rates)), make([]float64, len(r.rates))
		for i := range rates {
			rates[i] = relays[0].rates[i] / r.rates[i]
			costs[i] = r.costs[i] / relays[0].costs[i]
		}
		cost, costAdvantage := compare.Spread(r.costs, "%.2f"), compare.Spread(costs, "%.2f")
		if slices.ContainsFunc(r.costs, func(c float64) bool { return !(c > 0) }) {
			cost, costAdvantage = "unknown", "unknown"
		}
		fmt.Printf("%-32s %31s %22s %16s %22s %22s\n", "  "+r.name, compare.Spread(r.rates, "%.0f"), compare.Spread(rates, "%.2f"), compare.Spread(r.shares, "%.0f"), cost, costAdvantage)
	}
	return nil
}

// measure starts the relay, and counts what comes out of it.
func (r *relay) measure(w work, dir string) error {
	sink, err := newSink()
	if err != nil {
		return err
	}
	defer sink.close()
	port, err := freePort()
	if err != nil {
		return err
	}
	args, err := r.command(dir, port, sink.port())
	if err != nil {
		return err
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) // to every process of socat's
		time.AfterFunc(time.Second, func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
		cmd.Wait()
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}()
	source, err := newSource(w, port)
	if err != nil {
		return err
	}
	defer source.close()
	if err := source.greet(sink); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), *duration)
	defer cancel()
	before, begin := sink.count.Load(), time.Now()
	spent := processorTime(cmd.Process.Pid)
	sent := source.run(ctx)
	n := float64(sink.count.Load() - before)
	took := time.Since(begin)
	spent = processorTime(cmd.Process.Pid) - spent
	r.rates = append(r.rates, n/took.Seconds())
	r.shares = append(r.shares, 100*n/float64(sent))
	r.costs = append(r.costs, float64(spent.Microseconds())/n)
	return nil
}

// processorTime is what the processes of a group have used.
func processorTime(group int) (sum time.Duration) {
	const tick = 10 * time.Millisecond // USER_HZ
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		// The fields after the name, which may hold anything: proc(5).
		fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
		if len(fields) < 13 || fields[2] != strconv.Itoa(group) {
			continue
		}
		for _, field := range fields[11:13] {
			n, _ := strconv.Atoi(field)
			sum += time.Duration(n) * tick
		}
	}
	return sum
}
