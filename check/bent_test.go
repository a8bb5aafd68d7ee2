package check_test

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"zocalo/check"
	"zocalo/socket"
)

// disordered serves the second client before the first.
type disordered struct {
	bentSocket
	mu     sync.Mutex
	first  socket.Endpoint
	served int
}

func (d *disordered) Accept(ctx context.Context) (socket.Endpoint, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.served++
	switch d.served {
	case 1:
		first, err := d.bentSocket.Accept(ctx)
		if err != nil {
			return nil, err
		}
		d.first = first
		return d.bentSocket.Accept(ctx)
	case 2:
		return d.first, nil
	}
	return d.bentSocket.Accept(ctx)
}

// deaf sockets leave their calls waiting when they are closed, until the test
// is over.
type deaf struct{ bentSocket }

func (deaf) Close() error { return nil }

// untimed sockets know no deadlines.
type untimed struct{ bentSocket }

func (untimed) SetReadDeadline(time.Time) error { return nil }

// misnamed sockets take everybody for the same peer.
type misnamed struct{ bentSocket }

func (m misnamed) Peer() socket.Name {
	name, _ := socket.UnixName("@somebody")
	return name
}

func (m misnamed) Receive(msg *socket.Message) error {
	err := m.Socket.Receive(msg)
	msg.Peer = m.Peer()
	return err
}

// careless sockets say that all went well when it did not.
type careless struct{ bentSocket }

func (c careless) Write(b []byte) (int, error) {
	if n, err := c.Socket.Write(b); err == nil || !refused(err) {
		return n, err
	}
	return len(b), nil
}

func (c careless) Connect(ctx context.Context, peer socket.Name) error {
	if err := c.Socket.Connect(ctx, peer); !refused(err) {
		return err
	}
	return nil
}

func refused(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOTCONN) || errors.Is(err, syscall.EPIPE)
}

// stuck sockets wait for a connection that nobody can make, for so long.
type stuck struct {
	bentSocket
	time.Duration
}

func (s stuck) Write(b []byte) (int, error) {
	n, err := s.Socket.Write(b)
	if errors.Is(err, syscall.ENOTCONN) {
		time.Sleep(s.Duration)
		return 0, os.ErrDeadlineExceeded
	}
	return n, err
}

// silent sockets cut messages and do not say so.
type silent struct{ bentSocket }

func (s silent) Read(b []byte) (int, error) {
	n, err := s.Socket.Read(b)
	if errors.Is(err, socket.ErrTruncated) {
		err = nil
	}
	return n, err
}

// narrow sockets cut what is longer than 1000 bytes.
type narrow struct{ bentSocket }

func (s narrow) Write(b []byte) (int, error) {
	if _, err := s.Socket.Write(b[:min(len(b), 1000)]); err != nil {
		return 0, err
	}
	return len(b), nil
}

// emptyless sockets do not send empty messages.
type emptyless struct{ bentSocket }

func (s emptyless) Write(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	return s.Socket.Write(b)
}

// oneWay sockets send in one direction only, that of whoever connected.
type oneWay struct {
	bentSocket
	accepted bool
}

func (s oneWay) Write(b []byte) (int, error) {
	if s.accepted {
		return len(b), nil
	}
	return s.Socket.Write(b)
}

func (s oneWay) Accept(ctx context.Context) (socket.Endpoint, error) {
	c, err := s.Socket.Accept(ctx)
	if err != nil {
		return nil, err
	}
	return oneWay{bentSocket{Socket: c}, true}, nil
}

// hasty sockets do not wait for a client.
type hasty struct{ bentSocket }

func (h hasty) Accept(ctx context.Context) (socket.Endpoint, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Nanosecond)
	defer cancel()
	c, err := h.Socket.Accept(ctx)
	if err != nil {
		return nil, syscall.EAGAIN
	}
	return c, nil
}

func TestBentSockets(t *testing.T) {
	for _, test := range []struct {
		name     string
		kind     string
		property string
		bend     func(bentSocket) socket.Endpoint
	}{
		{"accepts out of order", "memory", "queue",
			func(b bentSocket) socket.Endpoint { return &disordered{bentSocket: b} }},
		{"does not wait in accept", "memory", "waiting", func(b bentSocket) socket.Endpoint { return hasty{b} }},
		{"ignores deadlines", "memory", "waiting", func(b bentSocket) socket.Endpoint { return untimed{b} }},
		{"lies about its peer", "memory-seqpacket", "names", func(b bentSocket) socket.Endpoint { return misnamed{b} }},
		{"lies about the sender", "memory-dgram", "names", func(b bentSocket) socket.Endpoint { return misnamed{b} }},
		{"sends before it is connected", "memory", "connected", func(b bentSocket) socket.Endpoint { return careless{b} }},
		{"waits for a connection", "memory", "connected", func(b bentSocket) socket.Endpoint { return stuck{b, 3 * time.Second} }},
		{"connects to nobody", "memory", "nobody", func(b bentSocket) socket.Endpoint { return careless{b} }},
		{"sends to nobody", "memory-dgram", "nobody", func(b bentSocket) socket.Endpoint { return careless{b} }},
		{"cuts in silence", "memory-seqpacket", "bounded", func(b bentSocket) socket.Endpoint { return silent{b} }},
		{"loses empty messages", "memory-dgram", "bounded", func(b bentSocket) socket.Endpoint { return emptyless{b} }},
		{"cuts large messages", "memory-seqpacket", "largest", func(b bentSocket) socket.Endpoint { return narrow{b} }},
		{"cuts large sends", "memory", "largest", func(b bentSocket) socket.Endpoint { return narrow{b} }},
		{"goes one way", "memory", "ways", func(b bentSocket) socket.Endpoint { return oneWay{bentSocket: b} }},
	} {
		t.Run(test.name, func(t *testing.T) {
			src := open(t, test.kind)
			synctest.Test(t, func(t *testing.T) {
				wantBroken(t, try(t, src, test.property))
				wantBroken(t, try(t, bend(src, func(s *socket.Socket) socket.Endpoint { return test.bend(bentSocket{s, test.bend}) }), test.property), test.property)
			})
		})
	}
}

// A socket whose Close wakes nobody is found out, and the run ends all the
// same.
func TestCloseThatDoesNotWake(t *testing.T) {
	for _, kind := range []string{"memory", "memory-dgram", "memory-seqpacket"} {
		t.Run(kind, func(t *testing.T) {
			src := open(t, kind)
			synctest.Test(t, func(t *testing.T) {
				var all []*socket.Socket
				deafen := func(b bentSocket) socket.Endpoint {
					all = append(all, b.Socket)
					return deaf{b}
				}
				report := try(t, bend(src, func(s *socket.Socket) socket.Endpoint {
					return deafen(bentSocket{s, deafen})
				}), "waiting")
				wantBroken(t, report, "waiting")
				for _, s := range all {
					s.Close()
				}
			})
		})
	}
}

// busy sockets take so long for the second of all connections that whoever
// makes it gives up.
type busy struct {
	bentSocket
	connections *int
}

func (b busy) Connect(ctx context.Context, peer socket.Name) error {
	if *b.connections++; *b.connections == 2 {
		return context.DeadlineExceeded
	}
	return b.Socket.Connect(ctx, peer)
}

// A queue that only seemed to be full is no broken promise.
func TestQueueThatSeemsFull(t *testing.T) {
	src := open(t, "memory")
	synctest.Test(t, func(t *testing.T) {
		connections := 0
		occupy := func(b bentSocket) socket.Endpoint { return busy{b, &connections} }
		report := try(t, bend(src, func(s *socket.Socket) socket.Endpoint {
			return occupy(bentSocket{s, occupy})
		}), "waiting")
		wantBroken(t, report)
		if f, _ := report.Finding("waiting"); connections < 5 || !strings.Contains(f.Seen, "connect is woken by its context, Close") {
			t.Errorf("after %d connections: %+v", connections, f)
		}
	})
}

// A call that nothing ends is given up, and is no broken promise.
func TestCallThatNeverEnds(t *testing.T) {
	src := open(t, "memory")
	synctest.Test(t, func(t *testing.T) {
		report := try(t, bend(src, func(s *socket.Socket) socket.Endpoint {
			return stuck{bentSocket{Socket: s}, time.Hour}
		}), "connected")
		if f, _ := report.Finding("connected"); f.Verdict != check.Failed {
			t.Errorf("%+v, want an error", f)
		}
		time.Sleep(time.Hour)
	})
}

// What fails for another reason is no broken promise.
func TestFailureIsNoBrokenPromise(t *testing.T) {
	src := open(t, "memory")
	made := 0
	poor := *src
	poor.New = func() (*socket.Socket, error) {
		if made++; made > 1 {
			return nil, &net.OpError{Op: "socket", Err: syscall.EMFILE}
		}
		return src.New()
	}
	report, err := check.Try(t.Context(), &poor, check.Options{Properties: []string{"reliable", "queue", "speed"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, property := range []string{"reliable", "queue", "speed"} {
		f, ok := report.Finding(property)
		if !ok || f.Verdict != check.Failed || f.Reason == "" {
			t.Errorf("%s: %+v, want an error with its reason", property, f)
		}
	}
	all := check.Report{Kinds: []check.KindReport{report}}
	if all.Broken() || !all.Failed() {
		t.Errorf("broken %v, failed %v; want the latter alone", all.Broken(), all.Failed())
	}
}

// forgetful sockets lose the first message of a ping's size.
type forgetful struct {
	bentSocket
	lost *atomic.Bool
}

func (s forgetful) Write(b []byte) (int, error) {
	if len(b) == 64 && s.lost.CompareAndSwap(false, true) {
		return len(b), nil
	}
	return s.Socket.Write(b)
}

// A message that is lost on its way there and back, of a kind that may lose, is
// no failure of the experiment.
func TestSpeedOfWhatLoses(t *testing.T) {
	src := open(t, "udp")
	var lost atomic.Bool
	forget := func(b bentSocket) socket.Endpoint { return forgetful{b, &lost} }
	report := tryWithin(t, 100*time.Millisecond, bend(src, func(s *socket.Socket) socket.Endpoint {
		return forget(bentSocket{s, forget})
	}), "speed")
	if wantBroken(t, report); !lost.Load() {
		t.Error("nothing was lost")
	}
}
