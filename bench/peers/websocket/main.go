// Command websocket compares WebSocket echo servers in alternating runs: zocalo echo ws:,
// gobwas/ws, gorilla/websocket and lxzan/gws used bare, and ws of npm:
//
//	go run ./websocket
//
// in the folder bench/peers, on Linux. The module ws must be among the global ones of npm.
// It prints the processor time of the server for a message, and zocalo's by each peer's of
// the same round (below 1 is zocalo's advantage): the median, and the least and the greatest.
// -only gobwas compares with that peer alone. With -size 16384 it also runs zocalo echo tcp: with frame=len32, which costs no WebSocket.
package main

import (
	"bufio"
	"encoding/binary"
	"flag"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"

	"zocalo/bench/peers/compare"
)

var (
	rounds      = flag.Int("rounds", 5, "how often each server runs")
	duration    = flag.Duration("duration", 2*time.Second, "how long each run lasts")
	connections = flag.Int("connections", 8, "connections at once")
	size        = flag.Int("size", 64, "bytes of a message")
	window      = flag.Int("window", 64, "messages on their way for each connection")
	only        = flag.String("only", "", "compare with these alone, by their names and commas")
	serve       = flag.String("serve", "", "be the server of that name at the port of the first argument")
)

// A peer is a server to compare.
type peer struct {
	name    string
	command func(zocalo, port string) []string
	env     []string
	bare    bool // len32 over TCP

	nanoseconds []float64 // of processor time a message
	rates       []float64 // messages a second
}

func main() {
	flag.Parse()
	if *serve != "" {
		fmt.Fprintln(os.Stderr, servers[*serve](net.JoinHostPort("127.0.0.1", flag.Arg(0))))
		os.Exit(1)
	}
	if err := compare.WithZocalo(run); err != nil {
		fmt.Fprintln(os.Stderr, "websocket:", err)
		os.Exit(1)
	}
}

func run(_, zocalo string) error {
	root, err := exec.Command("npm", "root", "-g").Output()
	if err != nil {
		return fmt.Errorf("npm root -g: %w", err)
	}
	peers := []*peer{{name: "zocalo", command: func(zocalo, port string) []string {
		return []string{zocalo, "echo", "-q", "ws:127.0.0.1:" + port}
	}}}
	for _, name := range []string{"gobwas", "gorilla", "gws"} {
		peers = append(peers, &peer{name: name, command: func(_, port string) []string {
			return []string{os.Args[0], "-serve", name, port}
		}})
	}
	peers = append(peers, &peer{name: "node ws", env: []string{"NODE_PATH=" + strings.TrimSpace(string(root))}, command: func(_, port string) []string {
		return []string{"node", "-e", node, "--", port}
	}})
	if *size >= 1024 {
		peers = append(peers, &peer{name: "zocalo len32", bare: true, command: func(zocalo, port string) []string {
			return []string{zocalo, "echo", "-q", "tcp:127.0.0.1:" + port + ",frame=len32"}
		}})
	}
	if *only != "" {
		peers = slices.DeleteFunc(peers, func(p *peer) bool {
			return p.name != "zocalo" && !slices.Contains(strings.Split(*only, ","), p.name)
		})
	}
	for i := range *rounds {
		for j := range peers {
			p := peers[(i+j)%len(peers)]
			if err := p.measure(zocalo); err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
		}
	}
	for _, p := range peers {
		ratios := make([]float64, len(p.nanoseconds))
		for i, ns := range p.nanoseconds {
			ratios[i] = peers[0].nanoseconds[i] / ns
		}
		fmt.Printf("%-14s %s ns of processor time per message, %s messages per second, zocalo by it %s\n", p.name,
			compare.Spread(p.nanoseconds, "%.0f"), compare.Spread(p.rates, "%.0f"), compare.Spread(ratios, "%.2f"))
	}
	return nil
}

// node is the echo server of npm's ws.
const node = `
const {WebSocketServer} = require('ws')
new WebSocketServer({port: +process.argv.at(-1), host: '127.0.0.1', perMessageDeflate: false, backlog: 64})
	.on('connection', ws => ws.on('message', (d, binary) => ws.send(d, {binary})))`

// measure starts a server, and measures one run.
func (p *peer) measure(zocalo string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	at := l.Addr().String()
	l.Close()
	_, port, _ := net.SplitHostPort(at)
	command := p.command(zocalo, port)
	c := exec.Command(command[0], command[1:]...)
	c.Env = append(os.Environ(), p.env...)
	c.Stderr = os.Stderr
	if err := c.Start(); err != nil {
		return err
	}
	defer func() {
		c.Process.Kill()
		c.Wait()
	}()
	var flows []net.Conn
	for len(flows) < *connections {
		conn, err := p.dial(at)
		if err != nil {
			return err
		}
		defer conn.Close()
		flows = append(flows, conn)
	}
	var answered atomic.Int64
	var all sync.WaitGroup
	for _, f := range flows {
		all.Go(func() { p.flow(f, &answered) })
	}
	time.Sleep(*duration / 4) // until it runs at its pace
	before, messages, began := processor(c.Process.Pid), answered.Load(), time.Now()
	time.Sleep(*duration)
	took, n := processor(c.Process.Pid)-before, answered.Load()-messages
	if n == 0 {
		return fmt.Errorf("nothing came back")
	}
	p.nanoseconds = append(p.nanoseconds, float64(took.Nanoseconds())/float64(n))
	p.rates = append(p.rates, float64(n)/time.Since(began).Seconds())
	for _, f := range flows {
		f.Close()
	}
	all.Wait()
	return nil
}

// dial connects once the server is there.
func (p *peer) dial(at string) (conn net.Conn, err error) {
	for range 200 {
		if conn, err = net.Dial("tcp", at); err == nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if err != nil || p.bare {
		return conn, err
	}
	u, _ := url.Parse("ws://localhost/")
	_, _, err = ws.Dialer{}.Upgrade(conn, u)
	return conn, err
}

// flow keeps a window of messages on their way.
func (p *peer) flow(conn net.Conn, answered *atomic.Int64) {
	h := ws.Header{Fin: true, OpCode: ws.OpBinary, Length: int64(*size)}
	answer := ws.HeaderSize(h) + *size
	h.Masked, h.Mask = true, ws.NewMask()
	var frame strings.Builder
	if p.bare {
		answer = 4 + *size
		var length [4]byte
		binary.BigEndian.PutUint32(length[:], uint32(*size))
		frame.Write(length[:])
	} else {
		ws.WriteHeader(&frame, h)
	}
	frame.WriteString(strings.Repeat("x", *size))
	frames := []byte(strings.Repeat(frame.String(), *window))
	each := frame.Len()
	if _, err := conn.Write(frames); err != nil {
		return
	}
	r := bufio.NewReaderSize(conn, 256<<10)
	for got := 0; ; {
		if _, err := r.Peek(1); err != nil {
			return
		}
		k, _ := r.Discard(r.Buffered())
		got += k
		n := got / answer
		got -= n * answer
		answered.Add(int64(n))
		for n > 0 {
			m := min(n, *window)
			if _, err := conn.Write(frames[:m*each]); err != nil {
				return
			}
			n -= m
		}
	}
}

// processor is the processor time that a process has taken.
func processor(pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(after)
	var ticks int64
	for _, f := range fields[11:13] { // utime and stime
		n, _ := strconv.ParseInt(f, 10, 64)
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}
