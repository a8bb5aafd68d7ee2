package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A program is what is compared: a relay or an echo server.
type program struct {
	name    string
	command func(p *place) []string
}

// A place is where a program works.
type place struct {
	dir      string
	from, to string // "tcp:127.0.0.1:8000" or "unix:/path"
}

func cut(address string) (network, endpoint string) {
	network, endpoint, _ = strings.Cut(address, ":")
	return network, endpoint
}

func (p *place) port() string {
	_, port, _ := net.SplitHostPort(endpoint(p.from))
	return port
}

// config writes a file for a program, and returns its path.
func (p *place) config(name, text string) string {
	path := filepath.Join(p.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		panic(err)
	}
	return path
}

func zocaloRelay(flags ...string) func(*place) []string { return relayOf("", flags...) }

// relayOf is a relay by a binary, the one just built if it is "".
func relayOf(binary string, flags ...string) func(*place) []string {
	return func(p *place) []string {
		network, endpoint := cut(p.from)
		zocalo := binary
		if zocalo == "" {
			zocalo = filepath.Join(p.dir, "zocalo")
		}
		args := append([]string{zocalo, "relay", "-q", "--max-conns", "20000"}, flags...)
		return append(args, network+"-listen:"+endpoint, p.to)
	}
}

var relays = []program{
	{"zocalo, one loop", zocaloRelay("--path", "fast", "--loops", "1")},
	{"zocalo, general path", zocaloRelay("--path", "general")},
	{"net and io.Copy", func(p *place) []string { return []string{os.Args[0], "-be", "relay", p.from, p.to} }},
	{"haproxy", func(p *place) []string {
		bind := strings.TrimPrefix(p.from, "tcp:")
		if path, ok := strings.CutPrefix(p.from, "unix:"); ok {
			bind = "unix@" + path
		}
		return []string{"haproxy", "-db", "-f", p.config("haproxy.cfg", `global
	nbthread 1
	maxconn 6000
defaults
	mode tcp
	option splice-auto
	timeout connect 5s
	timeout client 60s
	timeout server 60s
frontend f
	bind `+bind+` backlog 4096
	default_backend b
backend b
	server s `+strings.TrimPrefix(p.to, "tcp:")+"\n")}
	}},
	{"nginx", func(p *place) []string {
		return []string{"nginx", "-p", p.dir, "-e", "stderr", "-c", p.config("nginx.conf", `load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off;
user root;
pid nginx.pid;
error_log stderr error;
worker_processes 1;
worker_rlimit_nofile 20000;
events { worker_connections 20000; }
stream {
	server {
		listen `+strings.TrimPrefix(p.from, "tcp:")+` backlog=4096;
		proxy_pass `+strings.TrimPrefix(p.to, "tcp:")+`;
	}
}
`)}
	}},
	{"socat", func(p *place) []string {
		network, endpoint := cut(p.from)
		listen := "UNIX-LISTEN:" + endpoint + ",fork"
		if network == "tcp" {
			listen = "TCP-LISTEN:" + p.port() + ",bind=127.0.0.1,fork,reuseaddr,backlog=4096"
		}
		return []string{"socat", "-b", "65536", listen, "TCP:" + strings.TrimPrefix(p.to, "tcp:")}
	}},
}

// flows are what uses as many processors as it is given.
var flows = slices.Concat([]program{{"zocalo, its own number of loops", zocaloRelay("--path", "fast")}}, relays[2:3], relays[len(relays)-1:])

// loops are zocalo with one loop and with two.
var loops = []program{
	relays[0],
	{"zocalo, two loops", zocaloRelay("--path", "fast", "--loops", "2")},
}

var echoes = []program{
	{"zocalo, one loop", func(p *place) []string {
		return []string{filepath.Join(p.dir, "zocalo"), "echo", "-q", "--path", "fast", p.from}
	}},
	{"zocalo, general path", func(p *place) []string {
		return []string{filepath.Join(p.dir, "zocalo"), "echo", "-q", "--path", "general", p.from}
	}},
	{"package net, a goroutine each", func(p *place) []string { return []string{os.Args[0], "-be", "echo", p.from} }},
	{"C, epoll", func(p *place) []string { return []string{filepath.Join(p.dir, "echo"), p.port()} }},
}

// A running is a program that runs.
type running struct{ cmd *exec.Cmd }

// start starts a program, and waits until it takes connections.
func (pr *program) start(p *place, processors int) (*running, error) {
	args := pr.command(p)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Env = append(os.Environ(), "GOMAXPROCS="+strconv.Itoa(processors), "GODEBUG=multipathtcp=0")
	if *verbose {
		cmd.Stderr = os.Stderr
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	r := &running{cmd}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		c, err := dial(p.from)
		if err == nil {
			c.Close()
			time.Sleep(50 * time.Millisecond) // for the end of that
			return r, nil
		}
		if time.Now().After(end) {
			r.stop()
			return nil, fmt.Errorf("%v does not listen: %w", args, err)
		}
	}
}

func (r *running) stop() {
	syscall.Kill(-r.cmd.Process.Pid, syscall.SIGKILL)
	r.cmd.Wait()
}

// processes returns the program's own and its children's.
func (r *running) processes() (pids []int) {
	pids = []int{r.cmd.Process.Pid}
	for i := 0; i < len(pids); i++ {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", pids[i]))
		for _, child := range strings.Fields(string(text)) {
			if pid, err := strconv.Atoi(child); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// cpu returns the processor time that the program has taken.
func (r *running) cpu() (total time.Duration) {
	for _, pid := range r.processes() {
		tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
		for _, path := range tasks {
			var ns int64
			if text, err := os.ReadFile(path); err == nil {
				fmt.Sscan(string(text), &ns)
			}
			total += time.Duration(ns)
		}
	}
	return total
}

// memory returns the resident memory of the program's own, in bytes.
func (r *running) memory() (total int64) {
	for _, pid := range r.processes() {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		for line := range strings.Lines(string(text)) {
			var kib int64
			if rest, ok := strings.CutPrefix(line, "RssAnon:"); ok {
				fmt.Sscan(rest, &kib)
				total += kib << 10
			}
		}
	}
	return total
}

// be is what this program does in a process of its own, to be compared.
func be(what string, args []string) error {
	network, endpoint := cut(args[0])
	l, err := net.Listen(network, endpoint)
	if err != nil {
		return err
	}
	if what == "tls" {
		cert, err := tls.LoadX509KeyPair(args[2], args[2])
		if err != nil {
			return err
		}
		l = tls.NewListener(l, &tls.Config{
			Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS13, CurvePreferences: []tls.CurveID{tls.X25519},
		})
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		if what == "echo" {
			go func() {
				defer c.Close()
				b := make([]byte, 4096)
				for {
					n, err := c.Read(b)
					if err != nil {
						return
					}
					if _, err := c.Write(b[:n]); err != nil {
						return
					}
				}
			}()
			continue
		}
		go func() {
			defer c.Close()
			if s, ok := c.(*tls.Conn); ok && s.Handshake() != nil {
				return
			}
			to, err := dial(args[1])
			if err != nil {
				return
			}
			defer to.Close()
			go func() {
				io.Copy(to, c)
				to.(interface{ CloseWrite() error }).CloseWrite()
			}()
			io.Copy(c, to)
		}()
	}
}
