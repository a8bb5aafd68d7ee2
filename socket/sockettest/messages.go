package sockettest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"zocalo/socket"
)

// A MakePair makes two sockets that are connected to each other, so that what
// one writes the other reads; datagram sockets too. stop closes both, if they
// are not closed yet, and whatever was made along with them.
type MakePair func() (a, b *socket.Socket, stop func(), err error)

// A Trait tells a test what it cannot know of a kind.
type Trait func(*traits)

type traits struct {
	largest  int
	tooLarge int
	noEmpty  bool
	patience time.Duration
}

// Largest gives a size in bytes, and messages up to it must arrive; 8192
// without it.
func Largest(n int) Trait { return func(t *traits) { t.largest = n } }

// TooLarge gives a size in bytes that the kind must refuse with EMSGSIZE.
// Without it that is not tested.
func TooLarge(n int) Trait { return func(t *traits) { t.tooLarge = n } }

// NoEmpty says that the kind cannot carry a message of no bytes, and must
// refuse it.
func NoEmpty() Trait { return func(t *traits) { t.noEmpty = true } }

// Patience is how long a test waits for what ought to come, before it says
// that it did not; 10 s without it. Sockets that pass are never waited for.
func Patience(d time.Duration) Trait { return func(t *traits) { t.patience = d } }

// TestMessages tests that a kind of socket with message boundaries does what
// package socket asks of it. It is the twin of golang.org/x/net/nettest.TestConn,
// which is for streams. What it expects follows from the sockets' Properties:
// a connected kind has an end-of-file; a reliable one makes a fast sender
// wait, and may be sent a lot at once. An unreliable kind is sent little at a
// time, and is expected to lose nothing of that: the test is for two sockets
// on one machine.
//
// It should run with the race detector too.
func TestMessages(t *testing.T, mk MakePair, about ...Trait) {
	know := traits{largest: 8192, patience: 10 * time.Second}
	for _, trait := range about {
		trait(&know)
	}
	a, _, stop, err := mk()
	if err != nil {
		t.Fatalf("no pair of sockets: %v", err)
	}
	promised := a.Properties()
	stop()

	for _, e := range []struct {
		name string
		try  func(*bout)
		when bool
	}{
		{"Boundaries", (*bout).boundaries, true},
		{"Load", (*bout).load, true},
		{"Truncation", (*bout).truncation, true},
		{"ScatterGather", (*bout).scatterGather, true},
		{"Empty", (*bout).empty, true},
		{"TooLarge", (*bout).tooLarge, know.tooLarge > 0},
		{"EndAfterClose", (*bout).endAfterClose, promised.Connected},
		{"EndAfterShutdown", (*bout).endAfterShutdown, promised.Connected},
		{"Names", (*bout).names, true},
		{"PastDeadline", (*bout).pastDeadline, true},
		{"PresentDeadline", (*bout).presentDeadline, true},
		{"FutureDeadline", (*bout).futureDeadline, true},
		{"Close", (*bout).closeWakes, true},
		{"RacyRead", (*bout).racyRead, true},
		{"RacyWrite", (*bout).racyWrite, true},
		{"ConcurrentMethods", (*bout).concurrentMethods, true},
	} {
		if !e.when {
			continue
		}
		t.Run(e.name, func(t *testing.T) {
			b := newBout(t, mk, know)
			defer b.stop()
			e.try(b)
		})
	}
}

// A bout is one test with its pair of sockets.
type bout struct {
	*testing.T
	traits
	a, b *socket.Socket
	mk   MakePair
	stop func()
}

// newBout makes a pair. Both have a deadline, so that nothing waits for ever;
// should they ignore it, they are closed.
func newBout(t *testing.T, mk MakePair, know traits) *bout {
	t.Helper()
	a, b, stop, err := mk()
	if err != nil {
		t.Fatalf("no pair of sockets: %v", err)
	}
	once := sync.OnceFunc(stop)
	watchdog := time.AfterFunc(6*know.patience, func() {
		t.Error("it hangs in spite of its deadlines: closing the sockets")
		once()
	})
	bt := &bout{T: t, traits: know, a: a, b: b, mk: mk, stop: func() { watchdog.Stop(); once() }}
	bt.allow(a, b)
	return bt
}

// allow gives sockets the usual deadline.
func (t *bout) allow(sockets ...*socket.Socket) {
	t.Helper()
	for _, s := range sockets {
		if err := s.SetDeadline(time.Now().Add(t.patience)); err != nil {
			t.Errorf("SetDeadline: %v", err)
		}
	}
}

// directions are the two ways between the sockets.
func (t *bout) directions() [2][2]*socket.Socket {
	return [2][2]*socket.Socket{{t.a, t.b}, {t.b, t.a}}
}

// write sends a message, and says so if it cannot.
func (t *bout) write(s *socket.Socket, data []byte) bool {
	t.Helper()
	n, err := s.Write(data)
	if err != nil || n != len(data) {
		t.Errorf("Write of %d bytes = %d, %v", len(data), n, err)
		return false
	}
	return true
}

// expect reads one message, and compares.
func (t *bout) expect(s *socket.Socket, want []byte) bool {
	t.Helper()
	b := make([]byte, 2*len(want)+64) // with room for more than it should be
	n, err := s.Read(b)
	if err != nil {
		t.Errorf("Read of a message of %d bytes: %v", len(want), err)
		return false
	}
	return t.same(b[:n], want)
}

func (t *bout) same(got, want []byte) bool {
	t.Helper()
	if diff := difference(got, want); diff != "" {
		t.Error(diff)
		return false
	}
	return true
}

// roundTrip shows that the pair still works.
func (t *bout) roundTrip() bool {
	t.Helper()
	t.allow(t.a, t.b)
	ok := true
	for _, d := range t.directions() {
		ok = ok && t.write(d[0], []byte("still here")) && t.expect(d[1], []byte("still here"))
	}
	return ok
}

// content returns bytes that no other seed gives.
func content(seed uint64, size int) []byte {
	b := make([]byte, size)
	fill(b, seed)
	return b
}

func fill(b []byte, seed uint64) {
	source := rand.NewPCG(seed, 1)
	var word [8]byte
	for len(b) > 0 {
		binary.LittleEndian.PutUint64(word[:], source.Uint64())
		b = b[copy(b, word[:]):]
	}
}

func (t *bout) boundaries() {
	sizes := []int{1, 2, 1000, t.largest}
	if !t.noEmpty {
		sizes = append(sizes, 0)
	}
	for _, d := range t.directions() {
		for _, size := range sizes {
			want := content(uint64(size), size)
			if !t.write(d[0], want) || !t.expect(d[1], want) {
				return
			}
		}
		// Messages that wait together stay apart.
		together := []int{1, 2, 3, 100, 17}
		for i, size := range together {
			if !t.write(d[0], content(uint64(i), size)) {
				return
			}
		}
		for i, size := range together {
			if !t.expect(d[1], content(uint64(i), size)) {
				return
			}
		}
	}
}

func (t *bout) truncation() {
	long, next := content(1, 100), content(2, 10)
	send := func() bool { return t.write(t.a, long) && t.write(t.a, next) }

	if !send() {
		return
	}
	b := make([]byte, 10)
	if n, err := t.b.Read(b); n != 10 || !errors.Is(err, socket.ErrTruncated) {
		t.Errorf("Read of a message of 100 bytes into 10 = %d, %v, want 10, ErrTruncated", n, err)
	}
	t.same(b, long[:10])
	if n, err := t.b.Read(b); n != 10 || err != nil {
		t.Errorf("Read of a message of 10 bytes into 10 = %d, %v, want 10, nil", n, err)
	}
	t.same(b, next)

	if !send() {
		return
	}
	m := socket.Message{Buffers: [][]byte{make([]byte, 4), make([]byte, 6)}}
	err := t.b.Receive(&m)
	if m.N != 10 || m.Size != 100 || m.Flags&socket.Truncated == 0 || !errors.Is(err, socket.ErrTruncated) {
		t.Errorf("Receive of a message of 100 bytes into 10: N %d, Size %d, Flags %#x, %v, want 10, 100, Truncated, ErrTruncated",
			m.N, m.Size, m.Flags, err)
	}
	t.same(bytes.Join(m.Buffers, nil), long[:10])
	err = t.b.Receive(&m)
	if m.N != 10 || m.Size != 10 || m.Flags&socket.Truncated != 0 || err != nil {
		t.Errorf("Receive of a message of 10 bytes into 10: N %d, Size %d, Flags %#x, %v, want 10, 10, no Truncated, nil",
			m.N, m.Size, m.Flags, err)
	}
	t.same(bytes.Join(m.Buffers, nil), next)
}

func (t *bout) scatterGather() {
	whole := content(1, 300)
	parts := [][]byte{whole[:1], whole[1:100], nil, whole[100:]}
	if n, err := t.a.Writev(parts); n != 300 || err != nil {
		t.Errorf("Writev of 300 bytes in 4 buffers = %d, %v", n, err)
		return
	}
	if !t.expect(t.b, whole) {
		return
	}
	if n, err := t.a.Send(&socket.Message{Buffers: parts}); n != 300 || err != nil {
		t.Errorf("Send of 300 bytes in 4 buffers = %d, %v", n, err)
		return
	}
	m := socket.Message{Buffers: [][]byte{make([]byte, 250), nil, make([]byte, 20), make([]byte, 100)}}
	if err := t.b.Receive(&m); m.N != 300 || m.Size != 300 || err != nil {
		t.Errorf("Receive of 300 bytes into 4 buffers: N %d, Size %d, %v", m.N, m.Size, err)
		return
	}
	t.same(bytes.Join(m.Buffers, nil)[:300], whole)
}

func (t *bout) empty() {
	calls := []struct {
		name string
		send func() (int, error)
	}{
		{"Write", func() (int, error) { return t.a.Write(nil) }},
		{"Send", func() (int, error) { return t.a.Send(&socket.Message{}) }},
	}
	for _, c := range calls {
		n, err := c.send()
		if t.noEmpty != (err != nil) || n != 0 {
			t.Errorf("%s of an empty message = %d, %v, with empty messages carried: %t", c.name, n, err, !t.noEmpty)
			return
		}
	}
	t.write(t.a, []byte("after"))
	if !t.noEmpty {
		if n, err := t.b.Read(make([]byte, 10)); n != 0 || err != nil {
			t.Errorf("Read of an empty message = %d, %v, want 0, nil", n, err)
		}
		m := socket.Message{Buffers: [][]byte{make([]byte, 10)}}
		if err := t.b.Receive(&m); m.N != 0 || m.Size != 0 || err != nil {
			t.Errorf("Receive of an empty message: N %d, Size %d, %v, want 0, 0, nil", m.N, m.Size, err)
		}
	}
	t.expect(t.b, []byte("after"))
}

func (t *bout) tooLarge() {
	size := t.traits.tooLarge
	if n, err := t.a.Write(make([]byte, size)); n != 0 || !errors.Is(err, syscall.EMSGSIZE) {
		t.Errorf("Write of %d bytes = %d, %v, want 0, EMSGSIZE", size, n, err)
	}
	m := socket.Message{Buffers: [][]byte{make([]byte, size-1), make([]byte, 1)}}
	if n, err := t.a.Send(&m); n != 0 || !errors.Is(err, syscall.EMSGSIZE) {
		t.Errorf("Send of %d bytes = %d, %v, want 0, EMSGSIZE", size, n, err)
	}
	t.roundTrip()
}

func (t *bout) endAfterClose() {
	sent := t.sendSome()
	if err := t.a.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	t.expectEnd(sent)
}

func (t *bout) endAfterShutdown() {
	if !t.write(t.a, []byte("first")) || !t.expect(t.b, []byte("first")) {
		return
	}
	sent := t.sendSome()
	if err := t.a.Shutdown(socket.ShutdownWrite); errors.Is(err, errors.ErrUnsupported) {
		t.Skip("the kind cannot end one direction and keep the other")
	} else if err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if n, err := t.a.Write([]byte("late")); n != 0 || err == nil {
		t.Errorf("Write after Shutdown = %d, %v, want an error", n, err)
	}
	t.expectEnd(sent)
	// The other direction goes on.
	if t.write(t.b, []byte("answer")) {
		t.expect(t.a, []byte("answer"))
	}
}

// sendSome sends a few messages from a, an empty one last where it can be.
func (t *bout) sendSome() [][]byte {
	list := [][]byte{content(1, 10), content(2, 1000), content(3, 1)}
	if !t.noEmpty {
		list = append(list, nil)
	}
	for _, m := range list {
		t.write(t.a, m)
	}
	return list
}

// expectEnd reads on b what was sent, and then the end, again and again.
func (t *bout) expectEnd(sent [][]byte) {
	t.Helper()
	for _, want := range sent {
		if !t.expect(t.b, want) {
			return
		}
	}
	for range 2 {
		if n, err := t.b.Read(make([]byte, 10)); n != 0 || err != io.EOF {
			t.Errorf("Read at the end = %d, %v, want 0, io.EOF", n, err)
		}
		if err := t.b.Receive(&socket.Message{Buffers: [][]byte{make([]byte, 10)}}); err != io.EOF {
			t.Errorf("Receive at the end: %v, want io.EOF", err)
		}
	}
}

func (t *bout) names() {
	for _, d := range t.directions() {
		s, peer := d[0], d[1]
		if s.Peer() != peer.Name() {
			t.Errorf("Peer is %q, and the peer's Name %q", s.Peer(), peer.Name())
		}
		for _, x := range []struct {
			name socket.Name
			addr net.Addr
		}{{s.Name(), s.LocalAddr()}, {s.Peer(), s.RemoteAddr()}} {
			if !x.name.IsZero() && (x.addr == nil || x.addr.String() != x.name.String()) {
				t.Errorf("the net.Addr of %q is %v", x.name, x.addr)
			}
		}
		if !t.write(s, []byte("who")) {
			return
		}
		m := socket.Message{Buffers: [][]byte{make([]byte, 10)}, Peer: peer.Name()}
		if err := peer.Receive(&m); err != nil {
			t.Errorf("Receive: %v", err)
			return
		}
		// Kinds with a connection need not say again who it is.
		if m.Peer != s.Name() && !(m.Peer.IsZero() && s.Properties().Connected) {
			t.Errorf("Receive says that %q sent, and it was %q", m.Peer, s.Name())
		}
	}
	name, peer := t.a.Name(), t.a.Peer()
	t.a.Close()
	if t.a.Name() != name || t.a.Peer() != peer {
		t.Errorf("after Close, Name and Peer are %q and %q, and were %q and %q", t.a.Name(), t.a.Peer(), name, peer)
	}
}

// timedOut reports whether err is that of a deadline, for both ways of asking.
func timedOut(err error) bool {
	var ne net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) && errors.As(err, &ne) && ne.Timeout()
}
