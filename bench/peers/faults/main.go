// Command faults compares what zocalo's relay does to connections with what toxiproxy does:
//
//	go run ./faults [-only WORK] [-rounds N]
//
// in the folder bench/peers. The rounds alternate between the programs; each row is the median with the least
// and the greatest. Client, relay and server share the machine.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"zocalo/bench/peers/compare"
)

var (
	rounds   = flag.Int("rounds", 5, "how often each program runs")
	duration = flag.Duration("duration", 2*time.Second, "how long each run lasts")
	only     = flag.String("only", "", "run the `works` whose name has this in it, and no other")
	verbose  = flag.Bool("v", false, "show what the programs say")
)

// A program is one of those compared.
type program struct {
	name  string
	start func(dir, to string, w *work) (*running, error)
}

// A running program relays from an address.
type running struct {
	cmd  *exec.Cmd
	from string
}

// A work is what is measured.
type work struct {
	name    string
	fault   string // of zocalo
	toxic   string // of toxiproxy, as JSON
	unit    string
	measure func(r *running, base float64) (float64, error)
	base    func(to string) (float64, error) // of the server without a relay
}

func main() {
	flag.Parse()
	err := compare.WithZocalo(func(dir, zocalo string) error {
		if err := compare.Build("go", "build", "-o", filepath.Join(dir, "toxiproxy"), "github.com/Shopify/toxiproxy/v2/cmd/server"); err != nil {
			return err
		}
		return compareAll(dir)
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		os.Exit(1)
	}
}

var programs = []program{
	{"zocalo", startZocalo()},
	{"zocalo, a plan that does nothing yet", startZocalo("--fault", "stall,pairs=0%")},
	{"toxiproxy", startToxiproxy},
}

var works = []work{
	{"unfaulted, bytes", "", "", "MB/s", bulk, nil},
	{"unfaulted, processor time", "", "", "ns a KiB", processor, nil},
	{"unfaulted, round trip of 64 bytes, median", "", "", "us", func(r *running, _ float64) (float64, error) { return trip(r.from, *duration, 0) }, nil},
	{"unfaulted, connections", "", "", "a second", connections, nil},
	delay("1ms", 1), delay("10ms", 10), delay("100ms", 100),
	rate(10), rate(1000), rate(100_000), rate(400_000),
}

// delay measures how much longer than asked for, and than without a relay after a pause as long, the median round
// trip takes.
func delay(text string, ms int) work {
	return work{"error of a latency of " + text, "down:latency=" + text,
		fmt.Sprintf(`{"name":"t","type":"latency","stream":"downstream","attributes":{"latency":%d}}`, ms), "us",
		func(r *running, base float64) (float64, error) {
			took, err := trip(r.from, max(*duration, 30*time.Duration(ms)*time.Millisecond), 0)
			return took - base - float64(ms)*1000, err
		},
		func(to string) (float64, error) {
			pause := time.Duration(ms) * time.Millisecond
			return trip(to, max(time.Second, 30*pause), pause)
		}}
}

// rate measures what share of a rate, in kB/s, comes.
func rate(kB int) work {
	return work{fmt.Sprintf("rate of %d kB/s", kB), fmt.Sprintf("down:rate=%dkB", kB),
		fmt.Sprintf(`{"name":"t","type":"bandwidth","stream":"downstream","attributes":{"rate":%d}}`, kB), "% of it",
		func(r *running, _ float64) (float64, error) {
			got, err := bulk(r, 0)
			return got * 1e6 / (float64(kB) * 1e3) * 100, err
		}, nil}
}

func compareAll(dir string) error {
	to, err := serve()
	if err != nil {
		return err
	}
	for i := range works {
		w := &works[i]
		if !strings.Contains(w.name, *only) {
			continue
		}
		fmt.Printf("\n%s, %s\n", w.name, w.unit)
		values := map[string][]float64{}
		var names []string
		for range *rounds {
			for _, p := range programs {
				if w.fault != "" && strings.Contains(p.name, "nothing") {
					continue
				}
				base := 0.0
				if w.base != nil {
					if base, err = w.base(to); err != nil {
						return err
					}
				}
				r, err := p.start(dir, to, w)
				if err != nil {
					return fmt.Errorf("%s: %w", p.name, err)
				}
				v, err := w.measure(r, base)
				r.cmd.Process.Kill()
				r.cmd.Wait()
				if err != nil {
					return fmt.Errorf("%s: %s: %w", w.name, p.name, err)
				}
				if !slices.Contains(names, p.name) {
					names = append(names, p.name)
				}
				values[p.name] = append(values[p.name], v)
			}
		}
		for _, name := range names {
			fmt.Printf("  %-40s %s\n", name, compare.Spread(values[name], "%.1f"))
		}
	}
	return nil
}

// start runs a program until it answers at an address.
func start(from string, command ...string) (*running, error) {
	cmd := exec.Command(command[0], command[1:]...)
	if *verbose {
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &running{cmd, from}, await(from)
}

func await(address string) error {
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		c, err := net.Dial("tcp", address)
		if err == nil {
			return c.Close()
		}
		if time.Now().After(end) {
			return err
		}
	}
}

// free is an address nobody listens on.
func free() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func startZocalo(flags ...string) func(string, string, *work) (*running, error) {
	return func(dir, to string, w *work) (*running, error) {
		from, err := free()
		if err != nil {
			return nil, err
		}
		args := append([]string{filepath.Join(dir, "zocalo"), "relay"}, flags...)
		if w.fault != "" {
			args = append(args, "--fault", w.fault)
		}
		return start(from, append(args, "tcp-listen:"+from, "tcp:"+to)...)
	}
}

func startToxiproxy(dir, to string, w *work) (*running, error) {
	api, err := free()
	if err != nil {
		return nil, err
	}
	from, err := free()
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(api)
	r, err := start(api, filepath.Join(dir, "toxiproxy"), "-port", port)
	if err != nil {
		return nil, err
	}
	r.from = from
	if err := post(api, "/proxies", fmt.Sprintf(`{"name":"p","listen":%q,"upstream":%q}`, from, to)); err != nil {
		return nil, err
	}
	if w.toxic != "" {
		if err := post(api, "/proxies/p/toxics", w.toxic); err != nil {
			return nil, err
		}
	}
	return r, await(from)
}

func post(api, path, body string) error {
	answer, err := http.Post("http://"+api+path, "application/json", bytes.NewBufferString(body))
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if text, _ := io.ReadAll(answer.Body); answer.StatusCode/100 != 2 {
		return fmt.Errorf("%s: %s: %s", path, answer.Status, text)
	}
	return nil
}

// cpu is the processor time of a program.
func (r *running) cpu() (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", r.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	var user, system int64
	fmt.Sscan(fields[11], &user)
	fmt.Sscan(fields[12], &system)
	return time.Duration(user+system) * 10 * time.Millisecond, nil
}

// serve is a server: a byte 'b' asks for bytes without end, 'e' for an echo.
func serve() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go answer(c)
		}
	}()
	return l.Addr().String(), nil
}

func answer(c net.Conn) {
	defer c.Close()
	b := make([]byte, 256<<10)
	if _, err := io.ReadFull(c, b[:1]); err != nil {
		return
	}
	if b[0] == 'b' {
		for {
			if _, err := c.Write(b); err != nil {
				return
			}
		}
	}
	for {
		n, err := c.Read(b)
		if err != nil {
			return
		}
		if _, err := c.Write(b[:n]); err != nil {
			return
		}
	}
}

func ask(address, what string) (net.Conn, error) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	_, err = c.Write([]byte(what))
	return c, err
}

// bulk is how much comes, in MB/s, once the first has come.
func bulk(r *running, _ float64) (float64, error) {
	c, err := ask(r.from, "b")
	if err != nil {
		return 0, err
	}
	defer c.Close()
	b := make([]byte, 256<<10)
	for end := time.Now().Add(500 * time.Millisecond); time.Now().Before(end); {
		if _, err := c.Read(b); err != nil {
			return 0, err
		}
	}
	began, n := time.Now(), 0
	for time.Since(began) < *duration {
		m, err := c.Read(b)
		if n += m; err != nil {
			return 0, err
		}
	}
	return float64(n) / time.Since(began).Seconds() / 1e6, nil
}

// processor is the relay's processor time for a KiB.
func processor(r *running, _ float64) (float64, error) {
	before, err := r.cpu()
	if err != nil {
		return 0, err
	}
	c, err := ask(r.from, "b")
	if err != nil {
		return 0, err
	}
	defer c.Close()
	b, n := make([]byte, 256<<10), 0
	for began := time.Now(); time.Since(began) < *duration; {
		m, err := c.Read(b)
		if n += m; err != nil {
			return 0, err
		}
	}
	after, err := r.cpu()
	return float64(after-before) / (float64(n) / 1024), err
}

// trip is the median round trip in microseconds, with a pause before each, in which processors may go to sleep.
func trip(address string, d, pause time.Duration) (float64, error) {
	c, err := ask(address, "e")
	if err != nil {
		return 0, err
	}
	defer c.Close()
	b := make([]byte, 64)
	var all []float64
	for began := time.Now(); time.Since(began) < d || len(all) < 20; {
		time.Sleep(pause)
		sent := time.Now()
		if _, err := c.Write(b); err != nil {
			return 0, err
		}
		if _, err := io.ReadFull(c, b); err != nil {
			return 0, err
		}
		all = append(all, float64(time.Since(sent))/1e3)
	}
	slices.Sort(all)
	return all[len(all)/2], nil
}

// connections is how many connections with one round trip there are in a second, 4 at once.
func connections(r *running, _ float64) (float64, error) {
	var done [4]int
	errs := make(chan error, len(done))
	began := time.Now()
	for i := range done {
		go func() {
			for time.Since(began) < *duration {
				c, err := ask(r.from, "ex")
				if err != nil {
					errs <- err
					return
				}
				if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
					errs <- err
					return
				}
				if raw, err := c.(*net.TCPConn).SyscallConn(); err == nil { // lest ports run out
					raw.Control(func(fd uintptr) {
						syscall.SetsockoptLinger(int(fd), syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1})
					})
				}
				c.Close()
				done[i]++
			}
			errs <- nil
		}()
	}
	n := 0
	for range done {
		if err := <-errs; err != nil {
			return 0, err
		}
	}
	for _, d := range done {
		n += d
	}
	return float64(n) / time.Since(began).Seconds(), nil
}
