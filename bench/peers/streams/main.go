// Command streams compares zocalo's relay and echo of streams with haproxy
// (splicing), nginx, socat, package net, and an epoll loop in C, and its ends of TLS
// with stunnel4 and hitch besides, and its proxies with dante, microsocks, squid and
// tinyproxy, in alternating runs:
//
//	go run ./streams [-only WORK]
//
// in the folder bench/peers. It needs gcc, haproxy, nginx with its stream module,
// and socat. Each row is the median of the rounds with the least and the
// greatest, then zocalo's first line by each other's of the same round. The
// relays have one thread or loop; client, relay and server share the machine.
package main

import (
	_ "embed"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"zocalo/bench/peers/compare"
)

var (
	rounds   = flag.Int("rounds", 5, "how often each program runs")
	duration = flag.Duration("duration", 2*time.Second, "how long each run lasts")
	only     = flag.String("only", "", "run the `works` whose name has this in it, and no other")
	against  = flag.String("programs", "", "and only the programs whose names have one of these `words`, parted by commas")
	before   = flag.String("before", "", "measure this `binary` of zocalo too, as one that was built before a change")
	idle     = flag.Int("idle", 2500, "connections of the work idle")
	verbose  = flag.Bool("v", false, "show what the programs say")
	as       = flag.String("be", "", "for the program itself: be a relay or an echo")
)

//go:embed c/echo.c
var echoSource string

// A work is what is measured of each program: one figure or several.
type work struct {
	name     string
	from     string // the network of FROM
	programs *[]program
	figures  []string // what is measured, with its unit
	// processors is what Go programs may use: GOMAXPROCS.
	processors int
	measure    func(w *world, p *place, r *running) ([]float64, error)
}

// A world is what the programs reach.
type world struct {
	dir  string
	sink *sink
	echo string // the address of an echo server
}

var works = []work{
	{"bulk, tcp, 1 flow", "tcp", &relays, []string{"Gbit/s", "processor ms a GB"}, 1, bulkOf(1)},
	{"bulk, tcp, 8 flows", "tcp", &relays, []string{"Gbit/s", "processor ms a GB"}, 1, bulkOf(8)},
	{"bulk on two processors, tcp, 8 flows", "tcp", &flows, []string{"Gbit/s", "processor ms a GB"}, 2, bulkOf(8)},
	{"bulk, unix to tcp, 1 flow", "unix", &relays, []string{"Gbit/s", "processor ms a GB"}, 1, bulkOf(1)},
	{"ping-pong of 64 bytes", "tcp", &relays, []string{"p50 µs", "p99 µs", "processor µs per message"}, 2,
		func(w *world, p *place, r *running) ([]float64, error) {
			before := r.cpu()
			p50, p99, n, err := pingPong(p.from, *duration)
			return []float64{p50, p99, float64(r.cpu()-before) / 1e3 / float64(n)}, err
		}},
	{"connections, 50 at once", "tcp", &relays, []string{"processor µs per connection", "per second"}, 2,
		func(w *world, p *place, r *running) ([]float64, error) { return cost(p, r, &crowd{renew: true}, 50) }},
	{"idle connections", "tcp", &relays, []string{"bytes resident"}, 2, idleMemory},
	{"echo, 1000 connections of 64 bytes", "tcp", &echoes, []string{"processor µs per message", "messages per second"}, 1,
		func(w *world, p *place, r *running) ([]float64, error) { return cost(p, r, &crowd{}, 1000) }},
	{"two loops by one, connections, 50 at once", "tcp", &loops, []string{"processor µs per connection", "per second"}, 2,
		func(w *world, p *place, r *running) ([]float64, error) { return cost(p, r, &crowd{renew: true}, 50) }},
}

func bulkOf(flows int) func(*world, *place, *running) ([]float64, error) {
	return func(w *world, p *place, r *running) ([]float64, error) {
		before, bytes := r.cpu(), w.sink.bytes.Load()
		rate, err := bulk(p.from, w.sink, flows, *duration)
		return []float64{rate * 8 / 1e9, float64(r.cpu()-before) / 1e6 / (float64(w.sink.bytes.Load()-bytes) / 1e9)}, err
	}
}

// cost is processor time for each message, and messages a second.
func cost(p *place, r *running, c *crowd, n int) ([]float64, error) {
	before := r.cpu()
	rate, err := c.run(p.from, n, *duration)
	if c.done == 0 {
		return nil, err
	}
	return []float64{float64(r.cpu()-before) / 1e3 / float64(c.done), rate}, err
}

// idleMemory is resident memory for each connection that is open and idle.
func idleMemory(w *world, p *place, r *running) ([]float64, error) {
	b := make([]byte, 1)
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	more := func(n int) error {
		for range n {
			c, err := dial(p.from)
			if err != nil {
				return err
			}
			conns = append(conns, c)
			if _, err := c.Write(b); err != nil {
				return err
			}
			if _, err := c.Read(b); err != nil {
				return err
			}
		}
		return nil
	}
	if err := more(200); err != nil { // what the program has once
		return nil, err
	}
	n := *idle
	if strings.HasPrefix(r.cmd.Args[0], "socat") {
		n = min(n, 200) // processes
	}
	before := r.memory()
	if err := more(n); err != nil {
		return nil, err
	}
	time.Sleep(200 * time.Millisecond)
	return []float64{float64(r.memory()-before) / float64(n)}, nil
}

func main() {
	flag.Parse()
	if *before != "" {
		old := []program{{"zocalo before, one loop", relayOf(*before, "--path", "fast", "--loops", "1")}, {"zocalo before, general path", relayOf(*before, "--path", "general")}}
		relays = slices.Insert(relays, 1, old...)
		flows = slices.Insert(flows, 1, program{"zocalo before", relayOf(*before, "--path", "fast")})
	}
	err := error(nil)
	if *as != "" {
		err = be(*as, flag.Args())
	} else {
		err = compare.WithZocalo(run)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "streams:", err)
		os.Exit(1)
	}
}

func run(dir, _ string) error {
	source := filepath.Join(dir, "echo.c")
	if err := os.WriteFile(source, []byte(echoSource), 0o600); err != nil {
		return err
	}
	if err := compare.Build("gcc", "-O2", "-o", filepath.Join(dir, "echo"), source); err != nil {
		return err
	}
	w := &world{dir: dir}
	var err error
	if w.sink, err = newSink(); err != nil {
		return err
	}
	server := &place{dir: dir}
	if server.from, err = freePort(); err != nil {
		return err
	}
	echo, err := echoes[len(echoes)-1].start(server, 1)
	if err != nil {
		return err
	}
	defer echo.stop()
	w.echo = server.from
	for _, work := range slices.Concat(works, tlsWorks, proxyWorks) {
		if !strings.Contains(work.name, *only) {
			continue
		}
		if err := work.run(w); err != nil {
			return fmt.Errorf("%s: %w", work.name, err)
		}
	}
	return nil
}

// run measures every program in each round, and prints.
func (k *work) run(w *world) error {
	programs := slices.DeleteFunc(slices.Clone(*k.programs), func(p program) bool {
		return *against != "" && !slices.ContainsFunc(strings.Split(*against, ","), func(word string) bool { return strings.Contains(p.name, word) })
	})
	if k.from == "unix" {
		// nginx takes a unix listener, but not by the same words.
		programs = slices.DeleteFunc(programs, func(p program) bool { return p.name == "nginx" })
	}
	all := make([][][]float64, len(programs)) // by program, figure and round
	for round := range *rounds {
		for j := range programs {
			i := (j + round) % len(programs)
			figures, err := k.once(w, &programs[i])
			if err != nil {
				return fmt.Errorf("%s: %w", programs[i].name, err)
			}
			if all[i] == nil {
				all[i] = make([][]float64, len(figures))
			}
			for f, v := range figures {
				all[i][f] = append(all[i][f], v)
			}
		}
	}
	for f, figure := range k.figures {
		fmt.Printf("%s: %s\n", k.name, figure)
		for i, p := range programs {
			fmt.Printf("  %-32s %34s", p.name, compare.Spread(all[i][f], "%.4g"))
			if i > 0 {
				ratios := make([]float64, *rounds)
				for r := range ratios {
					ratios[r] = all[0][f][r] / all[i][f][r]
				}
				fmt.Printf("   zocalo by it %s", compare.Spread(ratios, "%.4g"))
			}
			fmt.Println()
		}
	}
	return nil
}

// once measures a program that is started for it.
func (k *work) once(w *world, pr *program) ([]float64, error) {
	p := &place{dir: w.dir, to: w.echo}
	if strings.Contains(k.name, "bulk") {
		p.to = "tcp:" + w.sink.Addr().String()
	}
	var err error
	if p.from, err = freePort(); err != nil {
		return nil, err
	}
	if k.from == "tls" {
		p.from = "tls:" + endpoint(p.from)
	}
	if k.from == "socks5" || k.from == "connect" {
		p.from = k.from + ":" + endpoint(p.from) + "/" + endpoint(p.to)
	}
	if k.from == "unix" {
		p.from = "unix:" + filepath.Join(w.dir, "socket")
		os.Remove(filepath.Join(w.dir, "socket"))
	}
	r, err := pr.start(p, k.processors)
	if err != nil {
		return nil, err
	}
	defer r.stop()
	return k.measure(w, p, r)
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return "tcp:" + l.Addr().String(), nil
}
