package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A listed is a server of the command on an address.
type listed struct {
	address string // what a client gives to talk

	mu        sync.Mutex // guards the next two
	out, said bytes.Buffer
}

// locked is a writer to a buffer of a listed.
type locked struct {
	mu *sync.Mutex
	to *bytes.Buffer
}

func (l locked) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.to.Write(b)
}

// startListed starts the command with --json, waits until it says where it
// listens, and ends it with the test. Where it does not come to that, it returns
// what it said.
func startListed(t *testing.T, args ...string) (s *listed, refused string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), longestRun)
	cmd := exec.CommandContext(ctx, "zocalo", args...)
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0", "NO_COLOR=1")
	s = &listed{}
	cmd.Stderr = locked{&s.mu, &s.said}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	r := bufio.NewReader(out)
	line, _ := r.ReadBytes('\n')
	var said struct{ Event, Address string }
	if json.Unmarshal(line, &said) != nil || said.Event != "listening" {
		cmd.Wait()
		cancel()
		return nil, s.said.String()
	}
	s.address = said.Address
	over := make(chan struct{})
	go func() {
		defer close(over)
		io.Copy(locked{&s.mu, &s.out}, r)
		cmd.Wait()
	}()
	t.Cleanup(func() {
		cancel()
		<-over
	})
	return s, ""
}

func (s *listed) log() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.said.String()
}

// freePort returns a UDP port of 127.0.0.1 that nobody has at the moment.
func freePort(t *testing.T) int {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).Port
}

// TestListsHoldEverywhere tries --allow and --deny with every kind that the
// Internet or a unix socket carries, at every verb that serves. Where a list knows
// nothing of the peers, it is refused.
func TestListsHoldEverywhere(t *testing.T) {
	dir := t.TempDir()
	xns := func(scheme string) func() (string, string) {
		return func() (string, string) {
			name, port := scheme+":0#2608C123456#5000", freePort(t)
			return fmt.Sprintf("%s,link=udp-listen:127.0.0.1:%d", name, port), fmt.Sprintf("%s,link=udp:127.0.0.1:%d", name, port)
		}
	}
	plain := func(address string) func() (string, string) {
		return func() (string, string) { return address, "" }
	}
	var names atomic.Int64
	local := func(scheme string) func() (string, string) {
		return func() (string, string) {
			return fmt.Sprintf("%s:%s/%d", scheme, dir, names.Add(1)), ""
		}
	}
	me, other := fmt.Sprintf("uid:%d", os.Getuid()), fmt.Sprintf("uid:%d", os.Getuid()+1)
	const here, elsewhere = "127.0.0.1", "127.0.0.2"
	echo, _ := startListed(t, "echo", "--json", "tcp:127.0.0.1:0")
	echoDatagrams, _ := startListed(t, "echo", "--json", "udp:127.0.0.1:0")
	for _, k := range []struct {
		scheme    string
		addresses func() (server, client string) // no client: as the server says
		me, other string                         // words
		datagrams bool
	}{
		{"tcp", plain("tcp:127.0.0.1:0"), here, elsewhere, false},
		{"udp", plain("udp:127.0.0.1:0"), here, elsewhere, true},
		{"iso", plain("iso:127.0.0.1:0"), here, elsewhere, false},
		{"iso-stream", plain("iso-stream:127.0.0.1:0"), here, elsewhere, false},
		{"iso-dgram", plain("iso-dgram:127.0.0.1:0"), here, elsewhere, true},
		{"unix", local("unix"), me, other, false},
		{"unix-seqpacket", local("unix-seqpacket"), me, other, false},
		{"spp", xns("spp"), here, elsewhere, false},
		{"spp-stream", xns("spp-stream"), here, elsewhere, false},
		{"idp", xns("idp"), here, elsewhere, true},
	} {
		to := echo.address
		if k.datagrams {
			to = echoDatagrams.address
		}
		messages := !slices.Contains([]string{"tcp", "unix", "iso-stream", "spp-stream"}, k.scheme)
		if messages && !k.datagrams {
			to += ",frame=len32"
		}
		for _, verb := range [][]string{
			{"echo"}, {"echo", "--path", "general"}, {"serve"}, {"relay"}, {"relay", "--path", "general"},
			{"listen"}, {"listen", "--keep"}, {"bench", "--serve"}, {"hub"},
		} {
			if verb[0] == "hub" && messages {
				continue // its clients speak over streams
			}
			for _, list := range []struct {
				flag, word string
				in         bool
			}{{"--deny", k.me, false}, {"--allow", k.me, true}, {"--allow", k.other, false}} {
				if list.word == k.other && verb[0] != "echo" {
					continue // enough is enough
				}
				t.Run(strings.Join(append(slices.Clone(verb), k.scheme, list.flag, list.word), " "), func(t *testing.T) {
					t.Parallel()
					server, client := k.addresses()
					args := append([]string{verb[0], "--json", list.flag, list.word}, verb[1:]...)
					switch verb[0] {
					case "relay":
						scheme, endpoint, _ := strings.Cut(server, ":")
						args = append(args, scheme+"-listen:"+endpoint, to)
					case "serve":
						args = append(args, server, "--", "cat")
					case "hub":
						args = append(args, "--listen", server)
					default:
						args = append(args, server)
					}
					s, refused := startListed(t, args...)
					if s == nil {
						t.Fatalf("zocalo %q: %s", args, refused)
					}
					client = cmp.Or(client, s.address)
					in := admits(t, verb[0], s, client, messages, list.in)
					if in != list.in {
						t.Errorf("zocalo %q: a client of it was served: %v, want %v; it said:\n%s", args, in, list.in, s.log())
					}
				})
			}
		}
	}

	for _, address := range []string{"unix:" + filepath.Join(dir, "u"), "unix-dgram:" + filepath.Join(dir, "d"), "spp:0#2608C123456#5000,link=memory:lists", "idp:0#2608C123456#5000,link=memory:lists"} {
		for _, verb := range []string{"echo", "serve", "relay", "listen", "bench"} {
			args := map[string][]string{"serve": {address, "--", "cat"}, "relay": {strings.Replace(address, ":", "-listen:", 1), "exec:cat,frame=lines"}, "bench": {"--serve", address}}[verb]
			if args == nil {
				args = []string{address}
			}
			if verb == "relay" && strings.HasPrefix(address, "unix:") {
				args[1] = "exec:cat"
			}
			for _, flag := range []string{"--allow", "--deny"} {
				args := append([]string{verb, "--json", flag, here}, args...)
				if s, refused := startListed(t, args...); s != nil || !strings.Contains(refused, flag+" "+here) {
					t.Errorf("zocalo %q was not refused: %s", args, refused)
				}
			}
		}
	}
}

// admits reports whether a server of that verb serves a client, which is to be
// so as want says. Who is to be served has time.
func admits(t *testing.T, verb string, s *listed, client string, messages, want bool) bool {
	const text = "hola"
	ctx, cancel := context.WithTimeout(t.Context(), scriptPatience)
	defer cancel()
	patience := "200ms"
	if want {
		patience = scriptPatience.String()
	}
	args := []string{"talk", "--idle", patience, client}
	switch {
	case verb == "bench":
		args = []string{"bench", "--round-trip", "--count", "1", "--patience", patience, "--json", client}
	case messages:
		args = append(args, "--whole")
	}
	cmd := exec.CommandContext(ctx, "zocalo", args...)
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	cmd.Stdin = strings.NewReader(text)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	word := text
	switch verb {
	case "hub":
		word = "joined"
		fallthrough
	case "listen":
		if !want {
			cmd.Wait() // after which there is nothing to wait for
			cancel()
		}
		in := s.prints(ctx, word)
		cancel()
		cmd.Wait()
		return in
	case "bench":
		return cmd.Wait() == nil
	}
	b := make([]byte, len(text))
	io.ReadFull(out, b)
	cancel()
	cmd.Wait()
	return string(b) == text
}

// prints reports whether the server prints a word before ctx ends.
func (s *listed) prints(ctx context.Context, word string) bool {
	for {
		s.mu.Lock()
		has := strings.Contains(s.out.String(), word)
		s.mu.Unlock()
		if has || ctx.Err() != nil {
			return has
		}
		time.Sleep(5 * time.Millisecond)
	}
}
