package record

import (
	"context"
	"fmt"
	"sync"
	"time"

	"zocalo/internal/pcapng"
	"zocalo/internal/units"
)

// A sink is a recording in the making: blocks that wait in memory, and the goroutine
// that writes them into a file, or one file after the other.
//
// Blocks are made in the memory in which they wait, by whatever moves the pair, so that
// what passes is copied once before the system copies it. That memory is in chunks,
// which end between blocks, since each file begins between two.
type sink struct {
	o    *Options
	out  output
	tell func(format string, args ...any)

	mu         sync.Mutex
	chunk      *chunk // that is being filled; nil for none
	full       []*chunk
	free       []*chunk
	held       int // bytes in chunk and full
	interfaces []*netInterface
	byName     map[string]*netInterface
	prologue   []*fixture
	sequence   uint64 // of the next chunk
	armed      bool   // the writer will look soon
	space      chan struct{}
	closed     bool
	failed     error // of the file: nothing is recorded any more
	lost       uint64
	told       bool           // that something was lost
	telling    sync.WaitGroup // of that, which the log may hold up

	timer *time.Timer
	wake  chan struct{}
	over  chan struct{} // the writer has returned
}

// A chunk is memory for blocks.
type chunk struct {
	sequence uint64
	b        []byte
}

// A fixture is a block that each file begins with, once there is reason for it: an
// interface, names, secrets.
type fixture struct {
	from  uint64 // the first chunk that needs it has it
	block []byte
}

const (
	chunkSize  = 256 << 10
	smallChunk = 32 << 10 // of recordings with files of their own for each pair, or with small files

	// lookAfter is how long a block may wait for others to be written with it.
	lookAfter = 100 * time.Millisecond

	maxInterfaces = 1000
)

// A netInterface is what Wireshark calls an interface: here the address of an end.
type netInterface struct {
	number   int
	received uint64
	dropped  uint64
	told     uint64 // of those dropped, by an earlier packet
}

func newSink(o *Options, out output, tell func(string, ...any)) *sink {
	s := &sink{
		o: o, out: out, tell: tell, byName: map[string]*netInterface{},
		wake: make(chan struct{}, 1), over: make(chan struct{}), space: make(chan struct{}),
	}
	s.timer = time.AfterFunc(time.Hour, s.rouse)
	s.timer.Stop()
	go s.write()
	return s
}

func (s *sink) rouse() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// await waits for room for n bytes until ctx ends, in a recording that must be whole. It is for before the
// first packet of a piece is made: mu is free meanwhile, and the other side of a pair makes packets
// in the same memory. The caller holds mu.
func (s *sink) await(ctx context.Context, n int) {
	for s.o.Must && s.isFull(n) && ctx.Err() == nil {
		s.rouse()
		space := s.space
		s.mu.Unlock()
		select {
		case <-space:
		case <-ctx.Done():
		}
		s.mu.Lock()
	}
}

// isFull reports whether the queue has no room for n bytes. The caller holds mu.
func (s *sink) isFull(n int) bool {
	return s.failed == nil && !s.closed && s.held > 0 && s.held+n > s.o.queue()
}

// room returns memory for a block of at most n bytes, nil where it is lost: for want of room, or
// because the recording is over. One that must be whole loses none that came through await before ctx
// ended, though the queue be longer by the rest of a piece. The caller holds mu.
func (s *sink) room(ctx context.Context, n int) *chunk {
	if s.failed != nil || s.closed || s.isFull(n) && (!s.o.Must || ctx.Err() != nil) {
		return nil
	}
	if c := s.chunk; c != nil && cap(c.b)-len(c.b) >= n {
		return c
	}
	if s.chunk != nil {
		s.full = append(s.full, s.chunk)
		s.chunk = nil
		s.rouse()
	}
	var c *chunk
	if last := len(s.free) - 1; last >= 0 && cap(s.free[last].b) >= n {
		c, s.free = s.free[last], s.free[:last]
	} else {
		c = &chunk{b: make([]byte, 0, max(n, s.o.chunk()))}
	}
	c.sequence = s.sequence
	s.sequence++
	s.chunk = c
	return c
}

// filled notes that n bytes were added to the chunk. The caller holds mu.
func (s *sink) filled(n int) {
	s.held += n
	switch {
	case s.full != nil:
		s.rouse() // by the chunk, while it is in the processor's cache
	case !s.armed:
		s.armed = true
		s.timer.Reset(lookAfter)
	}
}

// packet records a packet, and reports whether there was room for it. The caller holds mu.
func (s *sink) packet(ctx context.Context, i *netInterface, p *pcapng.Packet) bool {
	i.received++
	c := s.room(ctx, pcapng.PacketSize(p))
	if c == nil {
		s.loses(i)
		return false
	}
	p.Interface, p.Dropped = i.number, i.dropped-i.told
	i.told = i.dropped
	now := p.Time.IsZero()
	if now {
		p.Time = time.Now() // here, lest two have their order turned round
	}
	before := len(c.b)
	c.b = pcapng.AppendPacket(c.b, p)
	if now {
		p.Time = time.Time{}
	}
	s.filled(len(c.b) - before)
	return true
}

// loses counts a packet that is not in the recording. The caller holds mu.
func (s *sink) loses(i *netInterface) {
	i.dropped++
	s.lost++
	if !s.told && s.failed == nil && !s.closed {
		s.told = true
		if s.o.Must {
			s.telling.Go(func() {
				s.tell("the recording is losing packets of connections that ended while the file took nothing")
			})
			return
		}
		s.telling.Go(func() {
			s.tell("the recording is losing packets, since they come faster than the file can be written: --record-must makes the traffic wait instead")
		})
	}
}

// fix adds a block that each later file begins with too. The caller holds mu.
func (s *sink) fix(block []byte) *fixture {
	f := &fixture{block: block}
	s.prologue = append(s.prologue, f)
	held := s.held
	s.held = 0 // there is always room for what packets need
	if c := s.room(context.Background(), len(block)); c != nil {
		c.b = append(c.b, block...)
		f.from = c.sequence
	}
	s.held += held
	s.filled(len(block))
	return f
}

// unfix drops one that nothing needs any more. The caller holds mu.
func (s *sink) unfix(gone *fixture) {
	for i, f := range s.prologue {
		if f == gone {
			s.prologue = append(s.prologue[:i:i], s.prologue[i+1:]...)
			return
		}
	}
}

// interfaceOf returns the interface of that name. The caller holds mu.
func (s *sink) interfaceOf(d pcapng.Interface) *netInterface {
	i := s.byName[d.Name]
	if i == nil && len(s.byName) >= maxInterfaces {
		d.Name = "others"
		i = s.byName[d.Name]
	}
	if i == nil {
		i = &netInterface{number: len(s.interfaces)}
		s.byName[d.Name] = i
		s.interfaces = append(s.interfaces, i)
		s.fix(pcapng.AppendInterface(nil, d))
	}
	return i
}

// write is the goroutine of the file.
func (s *sink) write() {
	defer close(s.over)
	for {
		<-s.wake
		for {
			s.mu.Lock()
			chunks, closed := s.full, s.closed
			if s.chunk != nil {
				chunks = append(chunks, s.chunk)
			}
			s.full, s.chunk, s.armed = nil, nil, false
			s.mu.Unlock()
			for _, c := range chunks {
				s.put(c)
			}
			if closed {
				s.finish()
				return
			}
			if len(chunks) == 0 {
				break
			}
			s.mu.Lock()
			more := s.full != nil
			s.mu.Unlock()
			if !more {
				break
			}
		}
	}
}

// put writes a chunk, in a further file where it is time for one.
func (s *sink) put(c *chunk) {
	if s.failure() == nil {
		err := s.turn(c)
		if err == nil {
			err = s.out.write(c.b)
		}
		s.fails(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held -= len(c.b)
	if c.b = c.b[:0]; cap(c.b) == s.o.chunk() {
		s.free = append(s.free, c)
	}
	close(s.space)
	s.space = make(chan struct{})
}

// turn begins the file in which a chunk belongs, unless it is open.
func (s *sink) turn(c *chunk) error {
	if !s.out.isFull(len(c.b)) {
		return nil
	}
	if s.out.isOpen() {
		if err := s.out.end(s.counts()); err != nil {
			return err
		}
	}
	s.mu.Lock()
	var head []byte
	for _, f := range s.prologue {
		if f.from < c.sequence {
			head = append(head, f.block...)
		}
	}
	s.mu.Unlock()
	return s.out.begin(head)
}

// counts are the statistics of all interfaces so far, as blocks.
func (s *sink) counts() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b []byte
	now := time.Now()
	for _, i := range s.interfaces {
		b = pcapng.AppendStatistics(b, &pcapng.Statistics{
			Interface: i.number, Time: now, Start: s.out.began(), End: now, Received: i.received, Dropped: i.dropped, Delivered: i.received - i.dropped,
		})
	}
	return b
}

func (s *sink) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

// fails ends the recording for an error of the file, and says so once.
func (s *sink) fails(err error) {
	if err == nil {
		return
	}
	s.mu.Lock()
	first := s.failed == nil
	if first {
		s.failed = err
	}
	s.mu.Unlock()
	if first {
		s.tell("the recording has stopped; the traffic continues without it: %v", err)
	}
}

func (s *sink) finish() {
	if s.failure() == nil {
		var err error
		if !s.out.isOpen() {
			err = s.turn(&chunk{sequence: s.sequence}) // an empty recording is a file too
		}
		if err == nil {
			err = s.out.end(s.counts())
		}
		s.fails(err)
	}
	s.out.close()
}

// close writes what waits, and returns when the file is closed.
func (s *sink) close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.rouse()
	s.timer.Stop()
	defer s.telling.Wait()
	for left := s.waiting(); ; {
		timer := time.NewTimer(patience)
		select {
		case <-s.over:
			timer.Stop()
			return s.failure()
		case <-timer.C:
		}
		now := s.waiting()
		if now == left { // as a pipe that nobody reads
			err := fmt.Errorf("the recording is incomplete: nothing read its end within %s", units.Set(patience))
			s.tell("%v", err)
			return err
		}
		left = now
	}
}

// patience is for how long a file may take nothing while the recording is closed.
const patience = 5 * time.Second

func (s *sink) waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held
}
