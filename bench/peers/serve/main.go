// Command serve compares how many connections a second zocalo serve, ncat and
// socat answer with a small static program, in alternating runs:
//
//	go run ./serve
//
// in the folder bench/peers. It needs gcc, ncat and socat, and prints the
// rates, and zocalo's by each peer's of the same round: the median, and the
// least and the greatest. A ratio above 1 is zocalo's advantage.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"zocalo/bench/peers/compare"
)

var (
	rounds   = flag.Int("rounds", 5, "how often each server runs")
	duration = flag.Duration("duration", 2*time.Second, "how long each run lasts")
	clients  = flag.Int("clients", 4, "connections at once")
)

// answer is what the program says, and the client checks.
const answer = "hello\n"

const source = `#include <unistd.h>
int main(void) { return write(1, "hello\n", 6) != 6; }
`

// A peer is a server to compare; command takes the port and the program.
type peer struct {
	name    string
	command func(port, program string) []string
	rates   []float64 // connections a second, a round each
}

func main() {
	flag.Parse()
	if err := compare.WithZocalo(run); err != nil {
		fmt.Fprintln(os.Stderr, "serve:", err)
		os.Exit(1)
	}
}

func run(dir, zocalo string) error {
	program := filepath.Join(dir, "hello")
	if err := os.WriteFile(program+".c", []byte(source), 0o600); err != nil {
		return err
	}
	if err := compare.Build("gcc", "-O2", "-static", "-o", program, program+".c"); err != nil {
		return err
	}
	peers := []*peer{
		{name: "zocalo serve", command: func(port, program string) []string {
			return []string{zocalo, "serve", "tcp:127.0.0.1:" + port, "--", program}
		}},
		{name: "zocalo serve -q --stderr discard", command: func(port, program string) []string {
			return []string{zocalo, "serve", "-q", "--stderr", "discard", "tcp:127.0.0.1:" + port, "--", program}
		}},
		{name: "ncat -k -e", command: func(port, program string) []string {
			return []string{"ncat", "-k", "-l", "127.0.0.1", port, "-e", program}
		}},
		{name: "socat fork EXEC", command: func(port, program string) []string {
			return []string{"socat", "TCP-LISTEN:" + port + ",bind=127.0.0.1,fork,reuseaddr,backlog=128", "EXEC:" + program}
		}},
	}
	for range *rounds {
		for _, p := range peers {
			rate, err := p.measure(program)
			if err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			p.rates = append(p.rates, rate)
		}
	}
	fmt.Printf("%-34s %28s", "server", "connections per second")
	for _, p := range peers[2:] {
		fmt.Printf("%28s", "by "+p.name)
	}
	fmt.Println()
	for _, p := range peers {
		fmt.Printf("%-34s %28s", p.name, compare.Spread(p.rates, "%.0f"))
		for _, other := range peers[2:] {
			ratios := make([]float64, len(p.rates))
			for i := range ratios {
				ratios[i] = p.rates[i] / other.rates[i]
			}
			fmt.Printf("%28s", compare.Spread(ratios, "%.2f"))
		}
		fmt.Println()
	}
	return nil
}

// measure starts the server, and counts what clients get of it.
func (p *peer) measure(program string) (rate float64, err error) {
	port, err := freePort()
	if err != nil {
		return 0, err
	}
	args := p.command(port, program)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	defer func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		cmd.Wait()
	}()
	address := "127.0.0.1:" + port
	for end := time.Now().Add(5 * time.Second); ; {
		if err = connect(address); err == nil {
			break
		}
		if time.Now().After(end) {
			return 0, err
		}
		time.Sleep(10 * time.Millisecond)
	}
	var served atomic.Int64
	var failure atomic.Pointer[error]
	begin := time.Now()
	var wg sync.WaitGroup
	for range *clients {
		wg.Go(func() {
			for time.Since(begin) < *duration && failure.Load() == nil {
				if err := connect(address); err != nil {
					failure.Store(&err)
					return
				}
				served.Add(1)
			}
		})
	}
	wg.Wait()
	if err := failure.Load(); err != nil {
		return 0, *err
	}
	return float64(served.Load()) / time.Since(begin).Seconds(), nil
}

// connect is one connection, to the program's end.
func connect(address string) error {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	got, err := io.ReadAll(c)
	if err == nil && string(got) != answer {
		err = errors.New("the program answered " + strconv.Quote(string(got)))
	}
	return err
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}
