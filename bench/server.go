package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"zocalo/echo"
	"zocalo/internal/units"
	"zocalo/server"
	"zocalo/socket"
)

// A Server is the far end of runs: it answers any number of clients at once,
// over sockets of any kind. Handle serves a connection, Datagrams a socket
// without connections. The zero Server is ready. The fields must not change
// once it serves.
type Server struct {
	// Program is what the server calls itself in its reports.
	Program string
	// Patience is how long a client may be silent, or take nothing, before
	// its flow is given up; 0 or less means 30 s.
	Patience time.Duration
	// MaxSize is the largest message that a client may ask for, in bytes;
	// 0 or less means 16 MiB, and more is that.
	MaxSize int
	// MaxTime bounds a run, with its warm-up: a client that asks for more is refused, and a flow that goes
	// on for longer, and Patience beyond it, is reset. MaxRate bounds the bits per second of each stream, in each
	// direction: a client that asks for more is refused, and over a connection one that asks for no rate is
	// kept to it. Requests and their answers have no such bound. 0 or less is none.
	MaxTime time.Duration
	MaxRate int64
	// OnQuiet, if not nil, is called whenever the last flow has ended.
	OnQuiet func()
	// OnRun, if not nil, is told of each flow when it begins: who asks, and
	// for what, in words.
	OnRun func(peer socket.Name, what string)
	// Log is told what went wrong; nil discards that.
	Log *slog.Logger

	coarse bool // see pacer

	threads atomic.Int64 // streams that are echoed by a thread each

	mu   sync.Mutex
	runs map[uint64]int // flows by run
}

// Peers bounds who is served over a socket without connections, as
// [server.Server] does with connections.
type Peers struct {
	server.Lists
	// MaxSessions bounds the flows at once; 0 or less means DefaultMaxSessions.
	MaxSessions int
	// MaxPerPeer bounds the flows of a single address; see [accept.NewPerPeer].
	MaxPerPeer int
}

// DefaultMaxSessions is how many flows a socket without connections has at once
// where [Peers] does not say.
const DefaultMaxSessions = 1024

const (
	defaultPatience = 30 * time.Second
)

func (s *Server) patience() time.Duration {
	if s.Patience <= 0 {
		return defaultPatience
	}
	return s.Patience
}

func (s *Server) log() *slog.Logger {
	if s.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.Log
}

// past is a deadline that has passed.
var past = time.Unix(1, 0)

// accept reads a greeting, and answers it. A token of 0 says that it was
// refused.
func (s *Server) accept(text []byte, kind socket.Properties) (g greeting, a answer) {
	if err := g.parse(text); err != nil {
		a.reason = err.Error()
		return g, a
	}
	most := maxFrame
	if s.MaxSize > 0 {
		most = min(most, s.MaxSize)
	}
	switch {
	case g.size > most:
		a.reason = fmt.Sprintf("messages: at most %d bytes", most)
	case g.service == framed && kind.Bounded && g.size < headerSize:
		a.reason = fmt.Sprintf("messages: at least %d bytes", headerSize)
	case g.direction&reverse != 0 && g.duration == 0 && g.count == 0:
		a.reason = "neither a duration nor a count"
	case s.MaxTime > 0 && g.duration > s.MaxTime:
		a.reason = fmt.Sprintf("runs: at most %s", units.Set(s.MaxTime))
	case s.MaxRate > 0 && g.service == framed && (g.gap > 0 && g.rate() > float64(s.MaxRate) || g.gap == 0 && g.direction&forward != 0 && kind.Bounded && !kind.Connected):
		a.reason = fmt.Sprintf("streams: at most %s", units.RateSet(float64(s.MaxRate)))
	default:
		if s.MaxRate > 0 && g.gap == 0 { // of what this end sends
			g.gap = max(time.Duration(float64(g.size)*8/float64(s.MaxRate)*float64(time.Second)), 1)
		}
		a.token = randomNumber()
	}
	return g, a
}

// longest is for how long a connection may go on where runs have a bound: with the time that
// it takes to read, at the greatest rate, what was in buffers at the end.
func (s *Server) longest() time.Duration {
	const buffered = 16 << 20
	d := s.MaxTime + s.patience()
	if s.MaxRate > 0 {
		d += time.Duration(buffered * 8 / float64(s.MaxRate) * float64(time.Second))
	}
	return d
}

// rate is that of a stream in bits per second, where it has one.
func (g *greeting) rate() float64 { return float64(g.size) * 8 / g.gap.Seconds() }

// enter counts a flow of a run, until leave. alone says whether all flows are
// of that run.
func (s *Server) enter(run uint64) (alone func() bool, leave func()) {
	var once sync.Once
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.runs == nil {
		s.runs = make(map[uint64]int)
	}
	s.runs[run]++
	return func() bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			return len(s.runs) == 1
		}, func() {
			once.Do(func() {
				s.mu.Lock()
				if s.runs[run]--; s.runs[run] == 0 {
					delete(s.runs, run)
				}
				quiet := len(s.runs) == 0
				s.mu.Unlock()
				if quiet && s.OnQuiet != nil {
					s.OnQuiet()
				}
			})
		}
}

func (s *Server) tell(peer socket.Name, g *greeting) {
	if s.OnRun != nil {
		s.OnRun(peer, g.String())
	}
}

// String says in words what is asked for.
func (g *greeting) String() string {
	if g.service == echoed {
		return fmt.Sprintf("echo, %d bytes", g.size)
	}
	way := map[uint8]string{0: "watch", forward: "send", reverse: "receive", forward | reverse: "send and receive"}[g.direction]
	if g.direction == 0 {
		return way
	}
	return fmt.Sprintf("%s, %d bytes per message", way, g.size)
}

// A meter watches what a flow costs at this end.
type meter struct {
	mu    sync.Mutex
	began Processor
	alone func() bool
	mixed bool // other runs were there at the begin
}

func (m *meter) begin() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.began = ProcessorNow()
	m.mixed = !m.alone()
}

// spent is the CPU time since begin.
func (m *meter) spent() Processor {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := ProcessorNow().Since(m.began)
	p.Shared = m.mixed || !m.alone()
	return p
}

// Handle serves one connection until its client is done, or ctx ends. It may
// have closed the socket then, or not.
func (s *Server) Handle(ctx context.Context, c *socket.Socket) {
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(past) })
	defer stop()
	if s.MaxTime > 0 {
		defer time.AfterFunc(s.longest(), func() { c.Abort() }).Stop()
	}
	// Whoever closed the socket at this end knows why.
	if err := s.serve(ctx, c); err != nil && ctx.Err() == nil && !errors.Is(err, net.ErrClosed) {
		s.log().Warn("bench ended", "peer", c.Peer().String(), "error", err)
	}
}

func (s *Server) serve(ctx context.Context, c *socket.Socket) error {
	c.SetDeadline(time.Now().Add(s.patience()))
	text, err := readGreeting(c)
	if err == io.EOF || errors.Is(err, syscall.ECONNRESET) && len(text) == 0 {
		return nil // a client that only connects, and may then reset
	}
	if err != nil {
		return err
	}
	g, a := s.accept(text, c.Properties())
	if _, err := c.Write(a.append(nil)); err != nil {
		return err
	}
	if a.token == 0 {
		return errors.New(a.reason)
	}
	s.tell(c.Peer(), &g)
	alone, leave := s.enter(g.run)
	defer leave()
	if g.service == echoed {
		if handled, err := s.echoWaiting(ctx, c); handled {
			return err
		}
		c.SetDeadline(time.Time{})
		e := echo.Echoer{MaxMessage: g.size, Idle: s.patience()}
		return e.Connection(ctx, c)
	}
	f := &servedFlow{server: s, socket: c, ask: &g, token: a.token, meter: meter{alone: alone}, ended: make(chan struct{})}
	return f.serve()
}

// readGreeting reads a greeting, or its like. Messages before it are those by which a
// client tries what it can send.
func readGreeting(c *socket.Socket) ([]byte, error) {
	if !c.Type().Bounded() {
		b := make([]byte, greetingSize)
		n, err := io.ReadFull(c, b)
		return b[:n], err
	}
	const tries = 32
	b := make([]byte, 2*greetingSize)
	for range tries {
		n, err := c.Read(b)
		if err == nil && n > 0 && b[0] == greetingWord[0] {
			return b[:n], nil
		}
		if err != nil && !errors.Is(err, socket.ErrTruncated) {
			return nil, err
		}
	}
	return nil, errors.New("no greeting came")
}

// A coarseDeadline is a socket's deadline, renewed before each of many calls
// without the cost of setting it each time: it is up to a quarter later.
type coarseDeadline struct{ set time.Time }

// renew lets calls take for the patience from now on. A patience of 0 makes
// the next one count anew.
func (d *coarseDeadline) renew(c *socket.Socket, patience time.Duration) {
	if patience == 0 {
		d.set = time.Time{}
		return
	}
	if now := time.Now(); d.set.IsZero() || now.Sub(d.set) > patience/4 {
		d.set = now
		c.SetDeadline(now.Add(patience + patience/4))
	}
}

// A servedFlow is a connection with frames, at the server.
type servedFlow struct {
	server *Server
	socket *socket.Socket
	ask    *greeting
	token  uint64
	meter  meter

	receiver *receiver
	sender   *sender
	started  bool
	over     bool          // the client's data is
	ended    chan struct{} // closed when the client's data is over
	writing  sync.WaitGroup
	failure  atomic.Pointer[error] // of the writer
}

func (f *servedFlow) serve() error {
	f.receiver = newReceiver(f.ask, f.socket.Properties())
	f.receiver.control, f.receiver.onMeasured = f.control, f.meter.begin
	f.sender = &sender{socket: f.socket, ask: f.ask, pace: pacer{coarse: f.server.coarse}, onMeasured: f.meter.begin}
	f.socket.SetDeadline(time.Time{})
	done := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		limit := f.server.patience() + f.ask.duration + f.ask.gap
		watchdog(done, func() time.Duration { return limit }, func() int64 { return moved(&f.receiver.all, &f.sender.all) },
			func() { f.socket.SetDeadline(past) })
	})
	defer watching.Wait()
	defer close(done)
	f.receiver.most = f.server.MaxRate
	err := f.receiver.read(f.socket)
	f.sender.stop.Store(true)
	if !f.over {
		f.socket.SetDeadline(past) // the writer has nobody to report to
		close(f.ended)
	}
	f.writing.Wait()
	if p := f.failure.Load(); p != nil && f.over {
		return *p
	}
	if err == io.EOF && f.over {
		return nil
	}
	return err
}

// control does what the client's frames ask for.
func (f *servedFlow) control(h *header, _ []byte) error {
	switch {
	case h.kind == startFrame && !f.started && h.number == f.token:
		f.started = true
		f.meter.begin()
		f.writing.Go(f.write)
	case h.kind == markFrame: // it may come before the start, which then begins anew
		f.meter.begin()
	case h.kind == stopFrame:
		f.sender.stop.Store(true)
	case h.kind == endFrame && f.started && !f.over:
		f.over = true
		close(f.ended)
	default:
		return fmt.Errorf("an unexpected frame of type %d", h.kind)
	}
	return nil
}

// write sends the data that is asked for, and when the client's is over too,
// the report.
func (f *servedFlow) write() {
	var err error
	if f.ask.direction&reverse != 0 {
		err = f.sender.run()
	}
	if err == nil {
		err = f.sender.end(f.socket)
	}
	<-f.ended
	if err == nil && f.over {
		err = f.report()
	}
	if err != nil {
		f.failure.Store(&err)
		f.socket.SetReadDeadline(past)
	}
}

func (f *servedFlow) report() error {
	r := f.server.report(f.receiver, f.sender, &f.meter, -1)
	var t TCP
	if t.Add(f.socket) {
		r.TCP = &t
	}
	frames, err := r.encode()
	for _, frame := range frames {
		if err == nil {
			_, err = f.socket.Write(frame)
		}
	}
	return err
}

// report tells what went over a flow. expected is how many messages the
// client sent, less than 0 where the receiver knows.
func (s *Server) report(r *receiver, x *sender, m *meter, expected int64) *report {
	t := &report{
		Program: s.Program, Machine: ThisMachine(s.Program), Process: thisProcess(),
		Side:          Side{Corrupt: r.corrupt, Processor: m.spent()},
		TotalReceived: r.all.traffic(0), TotalSent: x.all.traffic(0),
	}
	t.Side.Received = r.counted.traffic(r.elapsed())
	if !x.began.IsZero() {
		t.Side.Sent = x.counted.traffic(x.ended.Sub(x.began))
	}
	if r.tracker != nil && x.ask.direction&forward != 0 {
		if expected < 0 {
			expected = r.announced
		}
		t.Side.Arrivals = r.tracker.finish(r.warmUp, expected)
	}
	return t
}
