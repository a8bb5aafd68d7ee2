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

// Open makes the socket, and serves it until Close. It removes sockets that dead processes
// left behind.
func (s *Server) Open() error {
	dir, err := Folder()
	if err != nil {
		return err
	}
	for _, path := range (place{dir, os.Geteuid()}).sockets() {
		if owner := ownerOf(path); owner > 0 && !IsGone(owner) {
			continue // which asks nothing of those that run
		}
		if c, err := net.DialTimeout("unix", path, lookPatience); err == nil {
			c.Close() // of another pid namespace
		} else {
			removeStale(path, err)
		}
	}
	s.path = filepath.Join(dir, fmt.Sprintf("%d-%08x%s", os.Getpid(), rand.Uint32(), suffix))
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: s.path, Net: "unix"})
	if err != nil {
		return err
	}
	if err := os.Chmod(s.path, 0o600); err != nil {
		l.Close()
		return err
	}
	s.began, s.listener, s.places, s.clients = time.Now(), l, make(chan struct{}, mostClients), make(map[*net.UnixConn]struct{})
	s.ending = make(chan struct{})
	s.done = make(chan struct{})
	go s.accept()
	return nil
}

// Close removes the socket, and ends the answers under way. It does not wait for
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

// Remove only removes the socket: for a process that ends at once.
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
	if uid, _, err := Peer(c); err != nil || uid != os.Geteuid() && uid != 0 {
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
		h.Error = fmt.Sprintf("the request is longer than %d bytes", mostRequest)
	case err != nil:
		h.Error = "a request is a line of JSON, such as {\"zocalo\":1,\"ask\":\"sockets\"}"
	case r.Zocalo != Version:
		h.Error = fmt.Sprintf("protocol version %d is not supported: this is version %d", r.Zocalo, Version)
	case r.Ask != "sockets":
		h.Error = fmt.Sprintf("unknown request %.40q: the only one is \"sockets\"", r.Ask)
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

// removeStale removes a socket that has no listener, as the error of connecting says, once its
// process is gone or has had the time to listen.
func removeStale(path string, err error) {
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return
	}
	info, err := os.Lstat(path)
	if err == nil && (IsGone(ownerOf(path)) || time.Since(info.ModTime()) > time.Minute) {
		os.Remove(path) // or another was faster
	}
}

// ownerOf is the process that made a socket, by its name; 0 if it is not one of ours.
func ownerOf(path string) int {
	number, _, _ := strings.Cut(filepath.Base(path), "-")
	pid, err := strconv.Atoi(number)
	if err != nil || pid < 0 {
		return 0
	}
	return pid
}

// IsGone reports whether there is no such process in this pid namespace.
func IsGone(pid int) bool { return pid > 0 && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }
