package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// messageSize is what is sent back and forth, in bytes.
const messageSize = 64

// bulk sends through a relay without a pause, and returns the bytes a second
// that arrive at the sink.
func bulk(from string, sink *sink, flows int, d time.Duration) (float64, error) {
	var wg sync.WaitGroup
	conns := make([]net.Conn, flows)
	for i := range conns {
		c, err := dial(from)
		if err != nil {
			return 0, err
		}
		defer c.Close()
		conns[i] = c
	}
	var failed atomic.Pointer[error]
	for _, c := range conns {
		wg.Go(func() {
			b := make([]byte, 256<<10)
			for {
				if _, err := c.Write(b); err != nil {
					failed.CompareAndSwap(nil, &err)
					return
				}
			}
		})
	}
	time.Sleep(d / 5) // to come up to speed
	start, before := time.Now(), sink.bytes.Load()
	time.Sleep(d)
	rate := float64(sink.bytes.Load()-before) / time.Since(start).Seconds()
	if err := failed.Load(); err != nil {
		return 0, *err
	}
	for _, c := range conns {
		c.Close()
	}
	wg.Wait()
	return rate, nil
}

// dial connects to "tcp:ADDRESS", "tls:ADDRESS" or "unix:PATH".
func dial(address string) (net.Conn, error) {
	network, endpoint := cut(address)
	if isTLS(address) {
		return dialTLS(endpoint)
	}
	if isProxied(address) {
		return dialProxied(address)
	}
	return net.Dial(network, endpoint)
}

// A sink reads what comes, and counts it.
type sink struct {
	net.Listener
	bytes atomic.Int64
}

func newSink() (*sink, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &sink{Listener: l}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				b := make([]byte, 1<<20)
				for {
					n, err := c.Read(b)
					s.bytes.Add(int64(n))
					if err != nil {
						return
					}
				}
			}()
		}
	}()
	return s, nil
}

// pingPong sends a message and waits for its echo, over and over, by blocking
// calls. It returns the median and the 99th percentile of half the round trip,
// in microseconds.
func pingPong(from string, d time.Duration) (p50, p99 float64, n int, err error) {
	fd, err := connect(from)
	if err != nil {
		return 0, 0, 0, err
	}
	defer unix.Close(fd)
	b := make([]byte, messageSize)
	var took []time.Duration
	for begin := time.Now(); time.Since(begin) < d; {
		start := time.Now()
		if _, err := unix.Write(fd, b); err != nil {
			return 0, 0, 0, err
		}
		for got := 0; got < len(b); {
			n, err := unix.Read(fd, b[got:])
			if err == unix.EINTR {
				continue
			}
			if err != nil || n == 0 {
				return 0, 0, 0, fmt.Errorf("read %d: %w", n, err)
			}
			got += n
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	at := func(q float64) float64 { return float64(took[int(q*float64(len(took)-1))]) / 2e3 }
	return at(0.5), at(0.99), len(took), nil
}

// connect returns a blocking descriptor.
func connect(address string) (int, error) {
	_, endpoint := cut(address)
	sa, err := sockaddr(endpoint)
	if err != nil {
		return -1, err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.Connect(fd, sa)
	}
	return fd, err
}

func sockaddr(endpoint string) (*unix.SockaddrInet4, error) {
	a, err := net.ResolveTCPAddr("tcp4", endpoint)
	if err != nil {
		return nil, err
	}
	return &unix.SockaddrInet4{Port: a.Port, Addr: [4]byte(a.IP.To4())}, nil
}

// A crowd is connections on one epoll instance, each of which sends a message
// whenever the last has come back.
type crowd struct {
	ep    int
	to    *unix.SockaddrInet4
	b     []byte
	renew bool // close and connect again after each message
	done  int64
}

// run keeps n connections busy for d, and returns how many messages came back
// in each second.
func (c *crowd) run(from string, n int, d time.Duration) (rate float64, err error) {
	_, endpoint := cut(from)
	if c.to, err = sockaddr(endpoint); err != nil {
		return 0, err
	}
	if c.ep, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return 0, err
	}
	defer unix.Close(c.ep)
	c.b = make([]byte, messageSize)
	open := map[int]bool{}
	defer func() {
		for fd := range open {
			reset(fd)
		}
	}()
	for range n {
		if err := c.open(open); err != nil {
			return 0, err
		}
	}
	events := make([]unix.EpollEvent, 256)
	var counted int64
	begin, warm := time.Now(), d/5
	var start time.Time
	for {
		passed := time.Since(begin)
		if start.IsZero() && passed > warm {
			start, counted = time.Now(), c.done
		}
		if passed > warm+d {
			return float64(c.done-counted) / time.Since(start).Seconds(), nil
		}
		got, err := unix.EpollWait(c.ep, events, 1000)
		if err == unix.EINTR {
			continue
		}
		if err != nil || got == 0 {
			return 0, errors.Join(err, errors.New("nothing came back for a second"))
		}
		for _, e := range events[:got] {
			if err := c.step(int(e.Fd), e.Events, open); err != nil {
				return 0, err
			}
		}
	}
}

func (c *crowd) open(open map[int]bool) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := unix.Connect(fd, c.to); err != nil && err != unix.EINPROGRESS {
		return err
	}
	open[fd] = true
	return unix.EpollCtl(c.ep, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLOUT, Fd: int32(fd)})
}

func (c *crowd) step(fd int, events uint32, open map[int]bool) error {
	if events&unix.EPOLLOUT != 0 {
		if events&unix.EPOLLERR != 0 {
			return errors.New("a connection was refused")
		}
		if err := unix.EpollCtl(c.ep, unix.EPOLL_CTL_MOD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}); err != nil {
			return err
		}
		_, err := unix.Write(fd, c.b)
		return err
	}
	n, err := unix.Read(fd, c.b[:cap(c.b)])
	if n != messageSize {
		return fmt.Errorf("%d bytes came back: %w", n, errors.Join(err, io.ErrUnexpectedEOF))
	}
	c.done++
	if !c.renew {
		_, err := unix.Write(fd, c.b)
		return err
	}
	delete(open, fd)
	reset(fd)
	return c.open(open)
}

// reset closes without leaving the port in TIME_WAIT.
func reset(fd int) {
	unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	unix.Close(fd)
}
