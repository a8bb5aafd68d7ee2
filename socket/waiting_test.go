package socket_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"zocalo/socket"
)

// A blocker is a call that waits on a socket until something ends it.
type blocker struct {
	name  string
	reads bool // the read deadline ends it, else the write deadline
	call  func(s *socket.Socket) error
	// fits reports whether the call exists on a kind, and waits there.
	fits func(testKind) bool
}

func every(testKind) bool       { return true }
func isStream(k testKind) bool  { return k.Type == socket.Stream }
func reliable(k testKind) bool  { return k.Properties().Reliable }
func hasUrgent(k testKind) bool { return k.Properties().Urgent > 0 }
func isUDP(k testKind) bool     { return k.Type == socket.Datagram && k.Domain != socket.Unix }
func isMessages(k testKind) bool {
	return k.Type == socket.Datagram
}

func message(size int) *socket.Message {
	return &socket.Message{Buffers: [][]byte{make([]byte, size)}}
}

// large is more than any kind takes in at once, without being too large.
func large(s *socket.Socket) []byte {
	if s.Type() == socket.Stream {
		return make([]byte, 8<<20)
	}
	return make([]byte, 1000)
}

// untilError repeats a call that sends.
func untilError(f func() error) error {
	for {
		if err := f(); err != nil {
			return err
		}
	}
}

var blockers = []blocker{
	{"Read", true, func(s *socket.Socket) error { _, err := s.Read(make([]byte, 10)); return err }, every},
	{"ReadLent", true, func(s *socket.Socket) error {
		_, err := s.ReadLent(func() []byte { return make([]byte, 10) }, func() {})
		return err
	}, every},
	{"Receive", true, func(s *socket.Socket) error { return s.Receive(message(10)) }, every},
	{"ReceiveBatch", true, func(s *socket.Socket) error {
		_, err := s.ReceiveBatch([]socket.Message{*message(10), *message(10)})
		return err
	}, every},
	{"ReceiveUrgent", true, func(s *socket.Socket) error {
		_, err := s.ReceiveUrgent(context.Background(), make([]byte, 1))
		return err
	}, hasUrgent},
	{"WriteTo", true, func(s *socket.Socket) error { _, err := s.WriteTo(io.Discard); return err }, isStream},
	{"PacketConn.ReadFrom", true, func(s *socket.Socket) error {
		_, _, err := s.PacketConn().ReadFrom(make([]byte, 10))
		return err
	}, isMessages},
	{"ReadMsgUDP", true, func(s *socket.Socket) error {
		type messenger interface {
			ReadMsgUDP(b, oob []byte) (n, oobn, flags int, addr *net.UDPAddr, err error)
		}
		_, _, _, _, err := s.PacketConn().(messenger).ReadMsgUDP(make([]byte, 10), nil)
		return err
	}, isUDP},
	{"rawConn.Read", true, func(s *socket.Socket) error {
		raw, err := s.SyscallConn()
		if err != nil {
			return err
		}
		return raw.Read(func(uintptr) bool { return false })
	}, every},
	{"Write", false, func(s *socket.Socket) error {
		return untilError(func() error { _, err := s.Write(large(s)); return err })
	}, reliable},
	{"Writev", false, func(s *socket.Socket) error {
		return untilError(func() error { _, err := s.Writev([][]byte{large(s), large(s)}); return err })
	}, reliable},
	{"Send", false, func(s *socket.Socket) error {
		return untilError(func() error { _, err := s.Send(&socket.Message{Buffers: [][]byte{large(s)}}); return err })
	}, reliable},
	{"SendBatch", false, func(s *socket.Socket) error {
		return untilError(func() error { _, err := s.SendBatch([]socket.Message{{Buffers: [][]byte{large(s)}}}); return err })
	}, reliable},
	{"Send to a name", false, func(s *socket.Socket) error {
		m := &socket.Message{Buffers: [][]byte{large(s)}, Peer: s.Peer()}
		return untilError(func() error { _, err := s.Send(m); return err })
	}, func(k testKind) bool { return k.Domain == socket.Unix && k.Type == socket.Datagram }},
	{"SendUrgent", false, func(s *socket.Socket) error {
		return untilError(func() error { _, err := s.SendUrgent(large(s)); return err })
	}, hasUrgent},
	{"ReadFrom", false, func(s *socket.Socket) error {
		zero, err := os.Open("/dev/zero")
		if err != nil {
			return err
		}
		defer zero.Close()
		_, err = s.ReadFrom(zero)
		return err
	}, isStream},
}

// waitingCalls runs a test for every blocking call of every kind, with a
// socket on which it waits.
func waitingCalls(t *testing.T, test func(t *testing.T, s *socket.Socket, b blocker)) {
	kinds := append(append(append([]testKind{}, streams...), datagrams...), seqPackets...)
	each(t, kinds, func(t *testing.T, k testKind) {
		for _, b := range blockers {
			if !b.fits(k) {
				continue
			}
			t.Run(b.name, func(t *testing.T) {
				s, _ := k.pair(t)
				test(t, s, b)
			})
		}
	})
}

func setDeadline(s *socket.Socket, b blocker, when time.Time) error {
	if b.reads {
		return s.SetReadDeadline(when)
	}
	return s.SetWriteDeadline(when)
}

var longAgo = time.Unix(1, 0)

func TestCloseEndsCalls(t *testing.T) {
	waitingCalls(t, func(t *testing.T, s *socket.Socket, b blocker) {
		first := start(t, b.name, func() error { return b.call(s) })
		second := start(t, b.name+" in line", func() error { return b.call(s) })
		check(t, s.Close())
		first.end(net.ErrClosed)
		second.end(net.ErrClosed)
		wantError(t, b.name+" after Close", b.call(s), net.ErrClosed)
		wantError(t, "a second Close", s.Close(), net.ErrClosed)
	})
}

func TestDeadlineEndsCalls(t *testing.T) {
	waitingCalls(t, func(t *testing.T, s *socket.Socket, b blocker) {
		first := start(t, b.name, func() error { return b.call(s) })
		second := start(t, b.name+" in line", func() error { return b.call(s) })
		check(t, setDeadline(s, b, longAgo))
		first.end(os.ErrDeadlineExceeded)
		second.end(os.ErrDeadlineExceeded)
		wantError(t, b.name+" past its deadline", b.call(s), os.ErrDeadlineExceeded)

		check(t, setDeadline(s, b, time.Now().Add(time.Millisecond)))
		wantError(t, b.name+" until its deadline", b.call(s), os.ErrDeadlineExceeded)

		// A deadline taken back, or too far away to be counted, is none.
		for _, never := range []time.Time{{}, time.Unix(1<<40, 0)} {
			check(t, setDeadline(s, b, never))
			third := start(t, b.name+" without a deadline", func() error { return b.call(s) })
			check(t, setDeadline(s, b, longAgo))
			third.end(os.ErrDeadlineExceeded)
		}
	})
}

func TestContextEndsItsOwnAccept(t *testing.T) {
	each(t, append(streams, seqPackets...), func(t *testing.T, k testKind) {
		l := k.listener(t)
		accept := func(ctx context.Context) func() error {
			return func() error {
				c, err := l.Accept(ctx)
				if err == nil {
					c.Close()
				}
				return err
			}
		}
		for _, name := range []string{"never joined the poller", "joined before"} {
			t.Run(name, func(t *testing.T) {
				one, cancelOne := context.WithCancel(t.Context())
				two, cancelTwo := context.WithCancel(t.Context())
				defer cancelTwo()
				first := start(t, "the first Accept", accept(one))
				second := start(t, "the Accept in line", accept(two))
				third := start(t, "the last Accept", accept(t.Context()))
				cancelOne()
				first.end(context.Canceled)
				cancelTwo()
				second.end(context.Canceled)
				c := k.open(t)
				check(t, c.Connect(t.Context(), l.Name()))
				third.end(nil)
			})
		}
		t.Run("the one in line first", func(t *testing.T) {
			two, cancelTwo := context.WithCancel(t.Context())
			first := start(t, "the first Accept", accept(t.Context()))
			second := start(t, "the Accept in line", accept(two))
			cancelTwo()
			second.end(context.Canceled)
			c := k.open(t)
			check(t, c.Connect(t.Context(), l.Name()))
			first.end(nil)
		})
		t.Run("a deadline of its own", func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			wantError(t, "Accept", accept(ctx)(), context.DeadlineExceeded)
		})
		t.Run("the socket's deadline stays", func(t *testing.T) {
			check(t, l.SetReadDeadline(time.Now().Add(time.Hour)))
			ctx, cancel := context.WithCancel(t.Context())
			first := start(t, "Accept", accept(ctx))
			cancel()
			first.end(context.Canceled)
			check(t, l.SetReadDeadline(longAgo))
			wantError(t, "Accept past the deadline", accept(t.Context())(), os.ErrDeadlineExceeded)
			ctx, cancel = context.WithCancel(t.Context())
			cancel()
			wantError(t, "Accept past both", accept(ctx)(), os.ErrDeadlineExceeded)
			check(t, l.SetReadDeadline(time.Time{}))
			wantError(t, "Accept past its context", accept(ctx)(), context.Canceled)
		})
		t.Run("Shutdown", func(t *testing.T) {
			waiting := start(t, "Accept", accept(t.Context()))
			err := l.Shutdown(socket.ShutdownRead)
			if err != nil {
				// Not every kind has that for a listener; none may hang.
				check(t, l.Close())
				<-waiting.err
				return
			}
			waiting.end(syscall.EINVAL)
		})
	})
}

// Another process that has the listener shuts it down.
func TestAcceptOnceShutElsewhere(t *testing.T) {
	each(t, []testKind{tcp, unixStream, unixSeqPacket}, func(t *testing.T, k testKind) {
		l := k.listener(t)
		accept := func() error { _, err := l.Accept(t.Context()); return err }
		waiting := start(t, "Accept", accept)
		raw, err := l.SyscallConn()
		check(t, err)
		check(t, raw.Control(func(fd uintptr) { err = syscall.Shutdown(int(fd), syscall.SHUT_RDWR) }))
		check(t, err)
		waiting.end(syscall.EINVAL)
		wantError(t, "the next Accept", accept(), syscall.EINVAL)
		check(t, l.WaitAccept(t.Context()))
		_, _, err = l.AcceptNow()
		wantError(t, "AcceptNow", err, syscall.EINVAL)
	})
}

func TestContextEndsReceiveUrgent(t *testing.T) {
	each(t, urgentStreams, func(t *testing.T, k testKind) {
		a, b := k.pair(t)
		ctx, cancel := context.WithCancel(t.Context())
		buf := make([]byte, 1)
		urgent := start(t, "ReceiveUrgent", func() error { _, err := a.ReceiveUrgent(ctx, buf); return err })
		read := start(t, "Read", func() error { _, err := a.Read(make([]byte, 1)); return err })
		cancel()
		urgent.end(context.Canceled)
		_, err := b.Write([]byte("x"))
		check(t, err)
		read.end(nil)
		next := start(t, "the next ReceiveUrgent", func() error { _, err := a.ReceiveUrgent(t.Context(), buf); return err })
		_, err = b.SendUrgent([]byte("!"))
		check(t, err)
		next.end(nil)
	})
}

// fullListener returns a unix listener whose queue is full.
func fullListener(t *testing.T, k testKind) *socket.Socket {
	l := k.bound(t)
	check(t, l.Listen(1))
	ctx, cancel := context.WithCancel(t.Context())
	c := start(t, "Connect", func() error {
		return untilError(func() error { return k.open(t).Connect(ctx, l.Name()) })
	})
	cancel()
	c.end(context.Canceled)
	return l
}

// A unix listener with a full queue gives no event when there is room again.
func TestConnectWaits(t *testing.T) {
	each(t, []testKind{unixStream, unixSeqPacket}, func(t *testing.T, k testKind) {
		l := fullListener(t, k)
		connect := func(ctx context.Context, s *socket.Socket) func() error {
			return func() error { return s.Connect(ctx, l.Name()) }
		}
		ctx, cancel := context.WithCancel(t.Context())
		c := start(t, "Connect", connect(ctx, k.open(t)))
		cancel()
		c.end(context.Canceled)

		s := k.open(t)
		c = start(t, "Connect", connect(t.Context(), s))
		check(t, s.SetWriteDeadline(longAgo))
		c.end(os.ErrDeadlineExceeded)

		s = k.open(t)
		c = start(t, "Connect", connect(t.Context(), s))
		check(t, s.Close())
		c.end(net.ErrClosed)

		c = start(t, "Connect", connect(t.Context(), k.open(t)))
		a, err := l.Accept(t.Context())
		check(t, err)
		defer a.Close()
		c.end(nil)
	})
}

// A TCP connect to an address that answers nothing waits for long.
func TestConnectWaitsTCP(t *testing.T) {
	l := tcp.bound(t)
	check(t, l.Listen(1))
	var waiting []*call
	var socks []*socket.Socket
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for connected := 0; ; { // Linux takes one more than the backlog, and drops the others' requests
		s := tcp.open(t)
		check(t, s.SetWriteDeadline(time.Now().Add(100*time.Millisecond)))
		err := s.Connect(t.Context(), l.Name())
		if err == nil {
			connected++
			continue
		}
		wantError(t, "Connect", err, os.ErrDeadlineExceeded)
		if connected >= 2 {
			break
		}
	}
	for range 2 {
		s := tcp.open(t)
		socks = append(socks, s)
		waiting = append(waiting, start(t, "Connect", func() error { return s.Connect(ctx, l.Name()) }))
	}
	check(t, socks[0].Close())
	waiting[0].end(net.ErrClosed)
	cancel()
	waiting[1].end(context.Canceled)
}

func TestReaderAndWriterNeverWaitForEachOther(t *testing.T) {
	kinds := append(append([]testKind{}, streams...), unixSeqPacket, unixDatagram)
	each(t, kinds, func(t *testing.T, k testKind) {
		a, b := k.pair(t)
		read := start(t, "Read", func() error { _, err := a.Read(make([]byte, 1)); return err })
		write := start(t, "Write", func() error { return untilError(func() error { _, err := a.Write(large(a)); return err }) })
		_, err := b.Write([]byte("x"))
		check(t, err)
		read.end(nil)
		read = start(t, "Read", func() error { _, err := a.Read(make([]byte, 1)); return err })
		check(t, a.SetWriteDeadline(longAgo))
		write.end(os.ErrDeadlineExceeded)
		check(t, a.SetReadDeadline(longAgo))
		read.end(os.ErrDeadlineExceeded)
	})
}

func TestCloseFreesPort(t *testing.T) {
	l := tcp.listener(t)
	name := l.Name()
	accept := start(t, "Accept", func() error { _, err := l.Accept(t.Context()); return err })
	check(t, l.Close())
	again := tcp.open(t)
	check(t, again.Bind(name))
	check(t, again.Listen(0))
	accept.end(net.ErrClosed)
	if l.Name() != name {
		t.Errorf("after Close the name is %v, and was %v", l.Name(), name)
	}
}

func TestErrorsNameBothEnds(t *testing.T) {
	a, b := tcp.pair(t)
	read := make(chan error, 1)
	c := start(t, "Read", func() error { _, err := a.Read(make([]byte, 1)); read <- err; return err })
	check(t, a.Close())
	c.end(net.ErrClosed)
	var op *net.OpError
	if err := <-read; !errors.As(err, &op) {
		t.Fatalf("%v is no *net.OpError", err)
	}
	if op.Op != "read" || op.Net != "tcp" || op.Source == nil || op.Addr == nil || op.Addr.String() != b.Name().String() || op.Source.String() != b.Peer().String() {
		t.Errorf("%+v does not tell both ends", op)
	}
}

// Calls and Close from everywhere at once, for the race detector.
func TestStorm(t *testing.T) {
	each(t, append(append([]testKind{}, streams...), unixSeqPacket, udp), func(t *testing.T, k testKind) {
		for range 20 {
			a, b := k.pair(t)
			var all sync.WaitGroup
			for range 2 {
				for _, s := range []*socket.Socket{a, b} {
					all.Go(func() {
						buf := make([]byte, 100)
						for {
							if _, err := s.Read(buf); err == io.EOF || final(err) {
								return
							}
						}
					})
					all.Go(func() {
						for {
							if _, err := s.Write([]byte("storm")); final(err) {
								return
							}
						}
					})
				}
			}
			for range 5 {
				check(t, a.SetDeadline(longAgo))
				check(t, a.SetDeadline(time.Time{}))
				a.Name()
				b.Peer()
			}
			all.Go(func() { a.Close() })
			all.Go(func() {
				if fd, err := a.Detach(); err == nil {
					os.NewFile(uintptr(fd), "").Close()
				}
				b.Close() // datagrams do not tell it that a is gone
			})
			all.Wait()
		}
	})
}

// final reports whether an error ends a connection.
func final(err error) bool {
	return err != nil && !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, syscall.ECONNREFUSED)
}

// Who waits for what is to be read holds no memory; data, the end, a deadline
// and Close end it.
func TestWaitRead(t *testing.T) {
	a, b, err := socket.Pair(socket.Unix, socket.Stream, 0)
	check(t, err)
	defer b.Close()
	waited := make(chan error)
	go func() { waited <- a.WaitRead() }()
	if _, err := b.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	check(t, <-waited)
	if n, err := a.Read(make([]byte, 10)); n != 1 || err != nil {
		t.Errorf("Read = %d, %v", n, err)
	}
	check(t, a.SetReadDeadline(time.Unix(1, 0)))
	if err := a.WaitRead(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("past the deadline it is %v", err)
	}
	check(t, a.SetReadDeadline(time.Time{}))
	go func() { waited <- a.WaitRead() }()
	check(t, b.Shutdown(socket.ShutdownWrite))
	check(t, <-waited)
	check(t, a.Close())
	if err := a.WaitRead(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("on a closed socket it is %v", err)
	}
}

// Memory is lent for a read that finds something, and for none that waits.
func TestReadLent(t *testing.T) {
	for _, k := range []testKind{unixKind(socket.Stream), inetKind(socket.Inet, socket.Stream, 0)} {
		a, b := k.pair(t)
		lent, memory := 0, make([]byte, 10)
		lend := func() []byte { lent++; return memory }
		giveBack := func() { lent-- }
		type result struct {
			n   int
			err error
		}
		read := make(chan result)
		go func() {
			n, err := a.ReadLent(lend, giveBack)
			read <- result{n, err}
		}()
		_, err := b.Write([]byte("hola"))
		check(t, err)
		if r := <-read; r.n != 4 || r.err != nil || string(memory[:4]) != "hola" || lent != 1 {
			t.Errorf("ReadLent = %d, %v with %q, and memory lent %d times", r.n, r.err, memory, lent)
		}
		giveBack()
		check(t, a.SetReadDeadline(time.Now().Add(time.Millisecond)))
		if n, err := a.ReadLent(lend, giveBack); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) || lent != 0 {
			t.Errorf("past the deadline it is %d, %v, and memory lent %d times", n, err, lent)
		}
		check(t, a.SetReadDeadline(time.Time{}))
		check(t, b.Close())
		if n, err := a.ReadLent(lend, giveBack); n != 0 || err != io.EOF {
			t.Errorf("at the end it is %d, %v", n, err)
		}
	}
	// Kinds with boundaries do the same in two steps.
	a, b, err := socket.Pair(socket.Unix, socket.SeqPacket, 0)
	check(t, err)
	defer a.Close()
	defer b.Close()
	_, err = b.Write([]byte("hola"))
	check(t, err)
	if n, err := a.ReadLent(func() []byte { return make([]byte, 10) }, nil); n != 4 || err != nil {
		t.Errorf("of a message it is %d, %v", n, err)
	}
}

// What cannot be read at all does not make wait for ever.
func TestWaitReadOfWriteOnly(t *testing.T) {
	r, w, err := os.Pipe()
	check(t, err)
	defer r.Close()
	s, err := socket.FromFile(w)
	check(t, err)
	defer s.Close()
	w.Close()
	check(t, s.WaitRead())
	if _, err := s.Read(make([]byte, 1)); !errors.Is(err, syscall.EBADF) {
		t.Errorf("Read's error is %v", err)
	}
}
