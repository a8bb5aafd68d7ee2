package record

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"

	"zocalo/internal/pcapng"
)

// A Recorder writes what passes through pairs into a file, or several. Its methods may
// be called from several goroutines at once.
type Recorder struct {
	o    Options
	path string
	w    io.Writer // in place of path
	all  *sink     // nil where each pair has its own

	started atomic.Bool

	mu      sync.Mutex
	pairs   int64 // so far
	servers map[string]netip.AddrPort
	open    map[*Pair]struct{}
	failed  error
	lost    uint64 // by sinks that are closed
	closed  bool
	told    bool

	watch   atomic.Pointer[watch] // of the relay that was hooked last
	listens func()                // hears no more of secrets; nil where it does not
	hellos  map[string]*Pair
}

// Prepare returns a Recorder whose file, at path, is made by [Recorder.Start]: before
// that nothing is recorded, and a file that is there stays.
func Prepare(path string, o Options) *Recorder {
	r := &Recorder{o: o, path: path, w: o.Output, servers: map[string]netip.AddrPort{}, open: map[*Pair]struct{}{}}
	if r.o.Log == nil {
		r.o.Log = slog.New(slog.DiscardHandler)
	}
	return r
}

// Create makes the file at path and a Recorder that writes to it: [Prepare] and
// [Recorder.Start].
func Create(path string, o Options) (*Recorder, error) {
	r := Prepare(path, o)
	return r, r.Start()
}

// New makes a Recorder that writes to w, one block or several at a time, and does not close
// it. It takes no MaxSize, MaxTime or PerPair.
func New(w io.Writer, o Options) (*Recorder, error) {
	o.Output = w
	r := Prepare("", o)
	return r, r.Start()
}

// Start makes the file, once, before anything that is to be recorded begins. The file can be read by its
// owner alone, since it holds whatever passes. One that is there is emptied, and its mode made
// so, as tcpdump's -w does; a symbolic link is followed, and what is no plain file, as a named
// pipe, keeps its mode. With MaxSize, MaxTime or PerPair the name is that of several files,
// with a number and a time, or the number of a pair, before its extension.
func (r *Recorder) Start() error {
	switch {
	case r.started.Load():
		return nil
	case r.w != nil && (r.o.rotates() || r.o.PerPair):
		return errors.New("record: several files need a path")
	case r.o.PerPair:
		r.started.Store(true)
		return nil
	}
	out := output{w: r.w, path: r.path, o: &r.o}
	if err := out.begin(nil); err != nil {
		out.close()
		return err
	}
	r.all = newSink(&r.o, out, r.warn)
	r.started.Store(true)
	return nil
}

// warn says what one has to know of the recording, once of a kind.
func (r *Recorder) warn(format string, args ...any) { r.o.Log.Warn(fmt.Sprintf(format, args...)) }

// Err is why the recording has stopped, nil while it goes on.
func (r *Recorder) Err() error {
	if r.all != nil {
		return r.all.failure()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}

// Lost is how many packets are not in the recording, for want of room in the queue.
func (r *Recorder) Lost() uint64 {
	r.mu.Lock()
	n := r.lost
	open := make([]*Pair, 0, len(r.open))
	for p := range r.open {
		open = append(open, p)
	}
	r.mu.Unlock()
	if r.all != nil {
		return r.all.lostSoFar()
	}
	for _, p := range open {
		n += p.sink.lostSoFar()
	}
	return n
}

// Close writes what waits and closes the file. Pairs that are open then are recorded no
// more. Its error is that of Err.
func (r *Recorder) Close() error {
	if r.listens != nil {
		r.listens()
	}
	if r.all != nil {
		err := r.all.close()
		if n := r.all.lostSoFar(); n > 0 {
			r.warn("the recording lacks %d packets", n)
		}
		return err
	}
	r.mu.Lock()
	r.closed = true
	open := r.open
	r.open = map[*Pair]struct{}{}
	r.mu.Unlock()
	for p := range open {
		r.closes(p)
	}
	if n := r.Lost(); n > 0 {
		r.warn("the recordings lack %d packets", n)
	}
	return r.Err()
}

// sinkOf returns where a pair is recorded, nil for nowhere.
func (r *Recorder) sinkOf(p *Pair) *sink {
	if !r.started.Load() {
		return nil
	}
	if r.all != nil {
		return r.all
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || r.failed != nil {
		return nil
	}
	out := output{path: ofPair(r.path, p.info.Pair, p.info.Wire), o: &r.o}
	if err := out.begin(nil); err != nil {
		out.close()
		r.failed = err
		go r.warn("the recording has stopped; the traffic continues without it: %v", err)
		return nil
	}
	r.open[p] = struct{}{}
	return newSink(&r.o, out, r.once)
}

// once is warn for the sinks of pairs, of which one tells for all.
func (r *Recorder) once(format string, args ...any) {
	r.mu.Lock()
	told := r.told
	r.told = true
	r.mu.Unlock()
	if !told {
		r.warn(format, args...)
	}
}

// closes closes the file of a pair that has one of its own.
func (r *Recorder) closes(p *Pair) {
	err := p.sink.close()
	lost := p.sink.lostSoFar() // not while mu is held, which is taken under the sink's
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.open, p)
	r.lost += lost
	if err != nil && r.failed == nil {
		r.failed = err
	}
}

func (s *sink) lostSoFar() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lost
}

// number returns the number of the next pair.
func (r *Recorder) number() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pairs++
	return r.pairs
}

// The addresses of ends that have none on the Internet are of 240.0.0.0/4, which no host
// has (RFC 1112, section 4): those that were reached are 240.0.0.1 and so on, one for
// each name, and those that came are 241.0.0.1 and so on, one for each pair.
const (
	serverNet = 240 << 24
	clientNet = 241 << 24
)

func madeUp(net uint32, n int64) netip.Addr {
	v := net + uint32(n)&0xffffff
	return netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
}

// serverAt returns the address for a name.
func (r *Recorder) serverAt(name string) netip.AddrPort {
	r.mu.Lock()
	defer r.mu.Unlock()
	at, known := r.servers[name]
	if !known {
		at = netip.AddrPortFrom(madeUp(serverNet, int64(len(r.servers))+1), portOf(name))
		if len(r.servers) < maxInterfaces {
			r.servers[name] = at
		}
	}
	return at
}

// clientAt returns the address for whoever came, of a pair.
func clientAt(n int64) netip.AddrPort {
	return netip.AddrPortFrom(madeUp(clientNet, n), uint16(1024+n%64_000))
}

// names is the block that tells the names of made-up addresses.
func names(all ...pcapng.Name) []byte { return pcapng.AppendNames(nil, all) }
