//go:build unix

package control

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A Server is the control socket of this process.
type Server struct {
	// Verb is what the process does.
	Verb string
	// Rows returns what it holds now of what is asked for. One call is under way at a
	// time, and it may take a moment.
	Rows func(*Request) []Row

	began    time.Time
	path     string
	listener *net.UnixListener
	places   chan struct{}
	asking   sync.Mutex // of Rows
	ending   chan struct{}
	mu       sync.Mutex
	clients  map[*net.UnixConn]struct{}
	closed   bool
	done     chan struct{} // closed once nothing is accepted any more
}

// Open makes the socket, and serves it until Close. What processes left behind that
// are gone is removed.
func (s *Server) Open() error {
	dir, err := ownFolder()
	if err != nil {
		return err
	}
	removeStale(dir)
	s.path = filepath.Join(dir, fmt.Sprintf("%d-%08x%s", os.Getpid(), rand.Uint32(), suffix))
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: s.path + making, Net: "unix"})
	if err != nil {
		return err
	}
	l.SetUnlinkOnClose(false) // the name is another one by then
	if err = os.Chmod(s.path+making, 0o600); err == nil {
		err = os.Rename(s.path+making, s.path)
	}
	if err != nil {
		l.Close()
		os.Remove(s.path + making)
		return err
	}
	s.began, s.listener, s.places, s.clients = time.Now(), l, make(chan struct{}, mostClients), make(map[*net.UnixConn]struct{})
	s.ending = make(chan struct{})
	s.done = make(chan struct{})
	go s.accept()
	return nil
}

// Close takes the socket away, and ends what is being answered. It does not wait for
// Rows: the process may end.
func (s *Server) Close() {
	os.Remove(s.path)
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.ending)
	}
	s.listener.Close()
	for c := range s.clients {
		c.Close()
	}
	s.mu.Unlock()
	<-s.done
}

// Remove takes the socket away alone: for a process that ends at once.
func (s *Server) Remove() { os.Remove(s.path) }

func (s *Server) accept() {
	defer close(s.done)
	for {
		select {
		case s.places <- struct{}{}:
		case <-s.ending:
			return
		}
		c, err := s.listener.AcceptUnix()
		if err != nil {
			<-s.places
			if errors.Is(err, net.ErrClosed) {
				return
			}
			select {
			case <-s.ending:
			case <-time.After(time.Second): // descriptors are out
			}
			continue
		}
		s.mu.Lock()
		s.clients[c] = struct{}{}
		if s.closed {
			c.Close()
		}
		s.mu.Unlock()
		go func() {
			s.serve(c)
			c.Close()
			s.mu.Lock()
			delete(s.clients, c)
			s.mu.Unlock()
			<-s.places
		}()
	}
}

// serve answers one client: this user, or root.
func (s *Server) serve(c *net.UnixConn) {
	if uid, _, err := peer(c); err != nil || uid != os.Geteuid() && uid != 0 {
		return
	}
	in := bufio.NewReaderSize(c, mostRequest)
	for {
		c.SetDeadline(time.Now().Add(patience))
		line, err := in.ReadSlice('\n')
		if err != nil && !(errors.Is(err, io.EOF) && len(line) > 0) && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
		if s.answer(c, line, err) != nil || err != nil {
			return
		}
	}
}

// answer answers a line that asks.
func (s *Server) answer(c io.Writer, line []byte, tooLong error) error {
	out := bufio.NewWriter(c)
	lines := json.NewEncoder(out)
	h := Header{Zocalo: Version, PID: os.Getpid(), Verb: s.Verb, Began: s.began, Netns: Netns()}
	var r Request
	switch err := json.Unmarshal(line, &r); {
	case errors.Is(tooLong, bufio.ErrBufferFull):
		h.Error = fmt.Sprintf("a request of more than %d bytes", mostRequest)
	case err != nil:
		h.Error = "a request is a line of JSON, as {\"zocalo\":1,\"ask\":\"sockets\"}"
	case r.Zocalo != Version:
		h.Error = fmt.Sprintf("version %d of the protocol: this is %d", r.Zocalo, Version)
	case r.Ask != "sockets":
		h.Error = fmt.Sprintf("unknown request %.40q: it is \"sockets\"", r.Ask)
	}
	lines.Encode(h) // a failure is the Flush's
	if h.Error != "" {
		return out.Flush()
	}
	s.asking.Lock()
	rows := s.Rows(&r)
	s.asking.Unlock()
	left := max(len(rows)-mostRows, 0)
	for i := range rows[:len(rows)-left] {
		lines.Encode(&rows[i])
	}
	lines.Encode(end{true, left})
	return out.Flush()
}

// removeStale removes the sockets of processes that are gone: there is no such process,
// and nobody listens, as one of another pid namespace might.
func removeStale(dir string) {
	for _, path := range (place{dir, os.Geteuid()}).sockets() {
		number, _, _ := strings.Cut(filepath.Base(path), "-")
		if pid, err := strconv.Atoi(number); err != nil || pid <= 0 || !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			continue
		}
		if strings.HasSuffix(path, making) {
			if info, err := os.Lstat(path); err != nil || time.Since(info.ModTime()) < time.Minute {
				continue
			}
		}
		c, err := net.DialTimeout("unix", path, lookPatience)
		switch {
		case err == nil:
			c.Close()
		case isRefused(err):
			os.Remove(path) // or another was faster
		}
	}
}
