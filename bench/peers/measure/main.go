// Command measure compares zocalo bench with the programs that people measure
// with, over loopback, in alternating runs:
//
//	go run ./measure
//
// in the folder bench/peers. It needs iperf3 and sockperf, and prints figures,
// and zocalo's by the peer's of the same round: the median, and the least and
// the greatest. Of throughput a ratio above 1 is zocalo's advantage; of times
// and processor time one below 1 is.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"zocalo/bench/peers/compare"
)

var (
	rounds   = flag.Int("rounds", 7, "how often each program runs")
	duration = flag.Duration("duration", 2*time.Second, "how long each run lasts")
	flows    = flag.Int("flows", 1000, "connections of the last comparison")
	only     = flag.String("only", "", "make only the comparisons whose name holds this")
	echoOn   = flag.Int("echo", 0, "be the echo server of the comparison with sockperf on this port, over TCP, and over UDP on the next")
	client   = flag.String("client", "", "be a client with a goroutine for each connection to this server, for that comparison")
)

func main() {
	flag.Parse()
	run := func() error { return compare.WithZocalo(compareAll) }
	switch {
	case *echoOn != 0:
		go func() {
			if err := echo("udp", uint16(*echoOn+1)); err != nil {
				fmt.Fprintln(os.Stderr, "measure:", err)
			}
		}()
		run = func() error { return echo("tcp", uint16(*echoOn)) }
	case *client != "":
		run = func() error { return goroutines(*client, *flows, *duration) }
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "measure:", err)
		os.Exit(1)
	}
}

// A comparison is one figure, by zocalo and by a peer.
type comparison struct {
	what, peer   string
	format       string
	ours, theirs func() (float64, error)
	a, b         []float64
}

func compareAll(dir, zocalo string) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	const ours, iperf, perfTCP, perfUDP, echoTCP, echoUDP = "29171", "29172", "29173", "29174", "29175", "29176"
	for _, server := range [][]string{
		{zocalo, "bench", "-q", "--serve", "tcp:127.0.0.1:" + ours, "udp:127.0.0.1:" + ours},
		{"iperf3", "-s", "-B", "127.0.0.1", "-p", iperf},
		{"sockperf", "sr", "--tcp", "-i", "127.0.0.1", "-p", perfTCP},
		{"sockperf", "sr", "-i", "127.0.0.1", "-p", perfUDP},
		{os.Args[0], "-echo", echoTCP},
	} {
		c := exec.CommandContext(ctx, server[0], server[1:]...)
		c.Stderr = os.Stderr
		if err := c.Start(); err != nil {
			return err
		}
		defer c.Wait()
		defer cancel()
	}
	time.Sleep(time.Second) // sockperf says nothing when it listens

	seconds := strconv.Itoa(max(1, int(duration.Seconds())))
	bench := func(out any, args ...string) error {
		return outputJSON(out, zocalo, append([]string{"bench", "-q", "--json", "-t", duration.String()}, args...)...)
	}
	throughput := func(args ...string) func() (float64, error) {
		return func() (float64, error) {
			var r struct {
				Far, Near struct {
					Received struct {
						Bytes   float64
						Elapsed float64 `json:"elapsed_ns"`
					}
				}
			}
			err := bench(&r, append([]string{"tcp:127.0.0.1:" + ours, "--stream"}, args...)...)
			got := r.Far.Received
			if got.Bytes == 0 {
				got = r.Near.Received
			}
			return got.Bytes * 8 / got.Elapsed, err
		}
	}
	iperf3 := func(args ...string) func() (float64, error) {
		return func() (float64, error) {
			var r struct {
				End struct {
					SumReceived struct {
						Bits float64 `json:"bits_per_second"`
					} `json:"sum_received"`
				} `json:"end"`
			}
			var err error
			for range 10 { // its server may still be busy with the run before
				err = outputJSON(&r, "iperf3", append([]string{"-c", "127.0.0.1", "-p", iperf, "-t", seconds, "-J"}, args...)...)
				if err == nil && r.End.SumReceived.Bits > 0 {
					break
				}
				time.Sleep(200 * time.Millisecond)
			}
			return r.End.SumReceived.Bits / 1e9, err
		}
	}
	// Each with its own server, and both with the same.
	trip := func(address string) func() (float64, error) {
		return func() (float64, error) {
			var r struct {
				Latency struct{ Percentiles map[string]float64 }
			}
			err := bench(&r, address, "--round-trip", "-s", "64")
			return r.Latency.Percentiles["p50"] / 1e3, err
		}
	}
	all := []*comparison{
		{what: "throughput, Gbit/s", peer: "iperf3", format: "%.1f", ours: throughput(), theirs: iperf3()},
		{what: "the same from the server", peer: "iperf3 -R", format: "%.1f", ours: throughput("--reverse"), theirs: iperf3("-R")},
		{what: "the same, 4 flows", peer: "iperf3 -P 4", format: "%.1f", ours: throughput("--flows", "4"), theirs: iperf3("-P", "4")},
		{what: "median round trip, tcp, one server for both, µs", peer: "sockperf", format: "%.2f", ours: trip("tcp:127.0.0.1:" + echoTCP), theirs: sockperf(seconds, echoTCP, "--tcp")},
		{what: "median round trip, udp, one server for both, µs", peer: "sockperf", format: "%.2f", ours: trip("udp:127.0.0.1:" + echoUDP), theirs: sockperf(seconds, echoUDP)},
		{what: "median round trip, tcp, its own server for each, µs", peer: "sockperf", format: "%.2f", ours: trip("tcp:127.0.0.1:" + ours), theirs: sockperf(seconds, perfTCP, "--tcp")},
		{what: "median round trip, udp, its own server for each, µs", peer: "sockperf", format: "%.2f", ours: trip("udp:127.0.0.1:" + ours), theirs: sockperf(seconds, perfUDP)},
		{what: fmt.Sprintf("processor time per round trip, %d connections, µs", *flows), peer: "goroutines over package net", format: "%.2f",
			ours:   processor(zocalo, "bench", "-q", "--json", "-t", duration.String(), "--warm-up", "0s", "tcp:127.0.0.1:"+ours, "--round-trip", "--flows", strconv.Itoa(*flows)),
			theirs: processor(os.Args[0], "-client", "127.0.0.1:"+ours, "-flows", strconv.Itoa(*flows), "-duration", duration.String())},
	}
	fmt.Printf("%-52s %-28s %26s %26s %22s\n", "", "beside", "zocalo bench", "the peer", "ratio")
	for _, c := range all {
		if !strings.Contains(c.what, *only) {
			continue
		}
		if err := c.run(); err != nil {
			return fmt.Errorf("%s: %w", c.what, err)
		}
		fmt.Println(c)
	}
	return nil
}

// run makes the rounds, each side first in every other.
func (c *comparison) run() error {
	for i := range *rounds {
		sides := []struct {
			f  func() (float64, error)
			to *[]float64
		}{{c.ours, &c.a}, {c.theirs, &c.b}}
		if i%2 == 1 {
			slices.Reverse(sides)
		}
		for _, s := range sides {
			v, err := s.f()
			if err == nil && !(v > 0) {
				err = errors.New("nothing was measured")
			}
			if err != nil {
				return err
			}
			*s.to = append(*s.to, v)
		}
	}
	return nil
}

func (c *comparison) String() string {
	ratios := make([]float64, len(c.a))
	for i := range ratios {
		ratios[i] = c.a[i] / c.b[i]
	}
	return fmt.Sprintf("%-52s %-28s %26s %26s %22s", c.what, c.peer, compare.Spread(c.a, c.format), compare.Spread(c.b, c.format), compare.Spread(ratios, "%.2f"))
}

// output runs a program and returns what it prints.
func output(program string, args ...string) ([]byte, error) {
	out, err := exec.Command(program, args...).Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s%s", err, out, exit.Stderr)
		}
		return nil, fmt.Errorf("%s %s: %w", program, strings.Join(args, " "), err)
	}
	return out, nil
}

func outputJSON(to any, program string, args ...string) error {
	out, err := output(program, args...)
	if err != nil {
		return err
	}
	return json.Unmarshal(out, to)
}

// median finds sockperf's median, which is of half a round trip.
var median = regexp.MustCompile(`percentile 50\.000 = *([0-9.]+)`)

func sockperf(seconds, port string, args ...string) func() (float64, error) {
	return func() (float64, error) {
		out, err := output("sockperf", append([]string{"pp", "-i", "127.0.0.1", "-p", port, "-t", seconds, "-m", "64"}, args...)...)
		if err != nil {
			return 0, err
		}
		m := median.FindSubmatch(out)
		if m == nil {
			return 0, fmt.Errorf("sockperf printed no median:\n%s", out)
		}
		half, err := strconv.ParseFloat(string(m[1]), 64)
		return 2 * half, err
	}
}

// processor returns the processor time of a client in the measured time, by
// the round trips that it made, in microseconds. It tells both itself.
func processor(program string, args ...string) func() (float64, error) {
	return func() (float64, error) {
		var r struct {
			Near struct {
				Processor struct {
					User   float64 `json:"user_ns"`
					System float64 `json:"system_ns"`
				}
			}
			Latency struct{ Count float64 }
		}
		err := outputJSON(&r, program, args...)
		return (r.Near.Processor.User + r.Near.Processor.System) / 1e3 / r.Latency.Count, err
	}
}
