// Command iperf3 compares zocalo's side of iperf3's protocol with iperf3's own,
// in alternating runs over loopback:
//
//	go run ./iperf3
//
// in the folder bench/peers. It needs iperf3. For each kind of test it prints
// what the receiver got with iperf3 at both ends, and what it got with zocalo as
// the client and as the server by that, of the same round: the median, and the
// least and the greatest. A ratio above 1 is zocalo's advantage.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"zocalo/bench/peers/compare"
)

var (
	rounds   = flag.Int("rounds", 7, "how often each pair runs")
	duration = flag.Int("duration", 2, "how long each run lasts, in seconds")
	only     = flag.String("only", "", "run only the tests whose name begins so")
)

// A test is one kind of test, as each client is told of it.
type test struct {
	name    string
	iperf3  string // arguments
	options string // of zocalo's address
	zocalo  string // arguments
}

var tests = []test{
	{"tcp", "", "", ""},
	{"tcp, reverse", "-R", "", "--reverse"},
	{"tcp, 4 flows", "-P 4", "", "--flows 4"},
	{"udp, 32 KiB, 4 Gbit/s", "-u -l 32768 -b 4G", ",udp,rate=4G", "--size 32768"},
	{"udp, 1400 bytes, no bound", "-u -l 1400 -b 0", ",udp,rate=0", "--size 1400"},
	{"udp, 1400 bytes, no bound, reverse", "-u -l 1400 -b 0 -R", ",udp,rate=0", "--size 1400 --reverse"},
}

func main() {
	flag.Parse()
	if err := compare.WithZocalo(run); err != nil {
		fmt.Fprintln(os.Stderr, "iperf3:", err)
		os.Exit(1)
	}
}

func run(dir, zocalo string) error {
	stock, err := serve("iperf3", "-s", "-B", "127.0.0.1", "-p")
	if err != nil {
		return err
	}
	defer stock.end()
	ours, err := serve(zocalo, "bench", "-q", "--serve", "iperf3:127.0.0.1:")
	if err != nil {
		return err
	}
	defer ours.end()

	fmt.Printf("%-38s %26s %26s %26s\n", "test", "iperf3 to iperf3, Gbit/s", "zocalo to iperf3", "iperf3 to zocalo")
	for _, t := range tests {
		if !strings.HasPrefix(t.name, *only) {
			continue
		}
		var base, client, server []float64
		for range *rounds {
			b, err := t.iperf3To(stock.port)
			if err != nil {
				return fmt.Errorf("%s: %w", t.name, err)
			}
			c, err := t.zocaloTo(zocalo, stock.port)
			if err != nil {
				return fmt.Errorf("%s: %w", t.name, err)
			}
			s, err := t.iperf3To(ours.port)
			if err != nil {
				return fmt.Errorf("%s: %w", t.name, err)
			}
			base, client, server = append(base, b/1e9), append(client, c/b), append(server, s/b)
		}
		fmt.Printf("%-38s %26s %26s %26s\n", t.name, compare.Spread(base, "%.2f"), compare.Spread(client, "%.2f"), compare.Spread(server, "%.2f"))
	}
	return nil
}

// A server runs until end.
type server struct {
	cmd  *exec.Cmd
	port string
}

func (s *server) end() {
	s.cmd.Process.Kill()
	s.cmd.Wait()
}

// serve starts a server whose last argument is, or ends with, the port.
func serve(program string, args ...string) (*server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	l.Close()
	if last := len(args) - 1; strings.HasSuffix(args[last], ":") {
		args[last] += port
	} else {
		args = append(args, port)
	}
	cmd := exec.Command(program, args...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	time.Sleep(500 * time.Millisecond) // connecting would begin a test
	return &server{cmd, port}, nil
}

// iperf3To returns the bits a second that the receiver got from iperf3.
func (t *test) iperf3To(port string) (float64, error) {
	args := []string{"-c", "127.0.0.1", "-p", port, "-J", "-t", strconv.Itoa(*duration)}
	out, err := exec.Command("iperf3", append(args, strings.Fields(t.iperf3)...)...).Output()
	var r struct {
		Error string
		End   struct {
			Received struct {
				Rate float64 `json:"bits_per_second"`
			} `json:"sum_received"`
			Streams []struct {
				UDP *struct {
					Rate    float64 `json:"bits_per_second"`
					Lost    int64   `json:"lost_packets"`
					Packets int64
				}
			}
			Sum struct {
				Rate    float64 `json:"bits_per_second"`
				Percent float64 `json:"lost_percent"`
			}
		}
	}
	if jsonErr := json.Unmarshal(out, &r); jsonErr != nil || r.Error != "" {
		return 0, fmt.Errorf("iperf3: %q, %v, %v", r.Error, jsonErr, err)
	}
	if r.End.Received.Rate > 0 {
		return r.End.Received.Rate, nil
	}
	return r.End.Sum.Rate * (1 - r.End.Sum.Percent/100), nil
}

// zocaloTo is the same from zocalo.
func (t *test) zocaloTo(zocalo, port string) (float64, error) {
	args := []string{"bench", "-q", "--json", "--duration", strconv.Itoa(*duration) + "s", "iperf3:127.0.0.1:" + port + t.options}
	out, err := exec.Command(zocalo, append(args, strings.Fields(t.zocalo)...)...).Output()
	if err != nil {
		return 0, err
	}
	type side struct {
		Received struct {
			Bytes   float64 `json:"bytes"`
			Elapsed float64 `json:"elapsed_ns"`
		} `json:"received"`
	}
	var r struct{ Near, Far side }
	if err := json.Unmarshal(out, &r); err != nil {
		return 0, err
	}
	got := r.Far.Received
	if r.Near.Received.Bytes > 0 {
		got = r.Near.Received
	}
	return got.Bytes * 8 / got.Elapsed * 1e9, nil
}
