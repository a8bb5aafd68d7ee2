package examples

import (
	"bufio"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// A server hands its listeners to a successor again and again under load, and no
// connection is lost.
func TestHandOver(t *testing.T) {
	const connections, clients, handOvers = 10000, 8, 5
	path := filepath.Join(t.TempDir(), "s")
	server := exec.CommandContext(t.Context(), build(t, "hand-over"), "tcp:localhost:0", "unix:"+path)
	stderr, err := server.StderrPipe() // which the successors have too
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Wait() })
	said := bufio.NewScanner(stderr)
	if !said.Scan() {
		t.Fatal("the server says nothing")
	}
	_, port, ok := strings.Cut(said.Text(), " listening on tcp:127.0.0.1:")
	if !ok {
		t.Fatalf("the server says %q", said.Text())
	}
	if !said.Scan() { // of the unix socket
		t.Fatal("the server says nothing of its second address")
	}
	go io.Copy(io.Discard, stderr)
	ask := func(i int) (pid int, err error) {
		network, address := "tcp", net.JoinHostPort("127.0.0.1", port)
		if i%2 == 1 {
			network, address = "unix", path
		}
		c, err := net.Dial(network, address)
		if err != nil {
			return 0, err
		}
		defer c.Close()
		answer, err := io.ReadAll(c)
		if err != nil {
			return 0, err
		}
		return strconv.Atoi(strings.TrimSpace(string(answer)))
	}

	var asked, lost atomic.Int64
	var mu sync.Mutex
	pids := map[int]bool{}
	last := 0
	// handOver has the process that answered last replaced.
	handOver := func(pid int) {
		mu.Lock()
		defer mu.Unlock()
		if !pids[pid] {
			pids[pid] = true
			last = pid
			if len(pids) <= handOvers {
				syscall.Kill(pid, syscall.SIGHUP)
			}
		}
	}
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for {
				i := int(asked.Add(1))
				if i > connections {
					return
				}
				pid, err := ask(i)
				if err != nil {
					if lost.Add(1) < 5 {
						t.Errorf("connection %d: %v", i, err)
					}
					continue
				}
				handOver(pid)
			}
		})
	}
	wg.Wait()
	t.Logf("%d connections, %d lost, %d processes", connections, lost.Load(), len(pids))
	if len(pids) < 3 {
		t.Errorf("%d processes answered, want %d", len(pids), handOvers+1)
	}
	pid, err := ask(0)
	if err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if !pids[pid] {
		last = pid
	}
	syscall.Kill(last, syscall.SIGTERM)
	if pid != last {
		syscall.Kill(pid, syscall.SIGTERM)
	}
}
