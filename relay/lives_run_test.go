package relay_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"zocalo"
	"zocalo/socket"
)

// A Config says which lives to play.
type Config struct {
	Engines []Engine
	Kinds   []Kind

	Seed  uint64
	Lives int64
	Only  int64  // the one life to play, over and over; negative is all
	Rows  string // only rows whose text has this

	AtOnce int    // how many lives at a time
	Dir    string // for sockets in the file system

	Progress func(done int64) // now and then, if not nil
}

// A Report says what became of the lives of a run.
type Report struct {
	Lives   int64
	Faults  []string         // the first of them
	Wrong   int64            // how many lives were wrong
	Counts  map[string]int64 // lives by row
	Lacking []string         // kinds that this machine lacks
}

type run struct {
	Config
	rows      []*Row
	sums      []int // of the weights of rows up to each
	listeners map[string]*zocalo.Listener
	refusing  map[string]string // addresses without a listener, by kind
	held      []func() error    // what keeps them
	serving   sync.WaitGroup
	ready     chan struct{} // closed when all rows are known
	lives     []life
	done      atomic.Int64

	mu     sync.Mutex
	report Report
	sorts  map[string]*sort
}

// Run plays lives, and returns when all are over, and all that belonged to them
// is closed. An error says that they could not be played.
func Run(ctx context.Context, c Config) (*Report, error) {
	if c.AtOnce <= 0 {
		c.AtOnce = 64
	}
	r := &run{Config: c, ready: make(chan struct{}), listeners: map[string]*zocalo.Listener{}, refusing: map[string]string{}}
	r.report.Counts = map[string]int64{}
	r.lives = make([]life, c.Lives)
	err := r.prepare(ctx)
	close(r.ready)
	if err == nil {
		r.play(ctx)
	}
	for _, row := range r.rows {
		if stopErr := row.stop(); stopErr != nil {
			r.fault("%v", stopErr)
		}
	}
	for _, l := range r.listeners {
		l.Close()
	}
	for _, done := range r.held {
		done()
	}
	r.serving.Wait()
	if err != nil {
		return nil, err
	}
	r.judge()
	return &r.report, nil
}

// A sort is faults that differ in numbers and names only.
type sort struct {
	first string
	count int
}

var numbers = regexp.MustCompile(`[0-9A-F]*[0-9][0-9A-F:.#]*|/[^ ]*`)

func (r *run) fault(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	r.wrong(numbers.ReplaceAllString(text, "N"), text)
}

// wrong counts a fault of a sort.
func (r *run) wrong(of, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.Wrong++
	if r.sorts == nil {
		r.sorts = map[string]*sort{}
	}
	if r.sorts[of] == nil {
		r.sorts[of] = &sort{first: text}
	}
	r.sorts[of].count++
}

// prepare makes the rows, and listens for the servers.
func (r *run) prepare(ctx context.Context) error {
	var kinds []Kind
	for _, k := range r.Kinds {
		if err := lacks(ctx, k, r.Dir); err != nil {
			r.report.Lacking = append(r.report.Lacking, fmt.Sprintf("%s: %v", k.Name, err))
			continue
		}
		kinds = append(kinds, k)
	}
	sum := 0
	add := func(row *Row) {
		if !strings.Contains(row.String(), r.Rows) {
			return
		}
		r.rows = append(r.rows, row)
		sum += row.weight()
		r.sums = append(r.sums, sum)
	}
	for i := range r.Engines {
		e := &r.Engines[i]
		for _, from := range kinds {
			for _, to := range kinds {
				p := pair{from, to}
				for _, v := range variants {
					if !e.Bears(from.Scheme, to.Scheme, p.messages() && !(from.Messages && to.Messages), v.options) {
						continue
					}
					row := &Row{engine: e, pair: p, variant: v}
					var err error
					if v.refused {
						row.to, err = r.nobody(ctx, p)
					} else {
						row.to, err = r.listen(ctx, p)
					}
					if err != nil {
						return err
					}
					add(row)
				}
			}
			if from.Messages || !from.HalfClose || !e.Bears(from.Scheme, "exec", false, Options{}) {
				continue
			}
			for _, n := range []int{-1, 2000} {
				row := &Row{engine: e, pair: pair{from, Kind{Name: "exec", HalfClose: true}}, variant: variants[0], program: n}
				row.to = row.programText()
				add(row)
			}
		}
	}
	if len(r.rows) == 0 {
		return errors.New("no row is left")
	}
	return nil
}

// lacks says why this machine has no sockets of a kind; nil where it has.
func lacks(ctx context.Context, k Kind, dir string) error {
	l, err := zocalo.Listen(ctx, k.listens(dir))
	if err != nil {
		return err
	}
	defer l.Close()
	if k.layered() { // whoever connects waits for an Accept
		go func() {
			if s, err := l.Accept(ctx); err == nil {
				s.Close()
			}
		}()
	}
	c, err := zocalo.Dial(ctx, k.dials(l.Name()))
	if err != nil {
		return err
	}
	return c.Close()
}

// listen returns the address of a server for a pair. Pairs whose servers need
// not be told apart share one.
func (r *run) listen(ctx context.Context, p pair) (string, error) {
	name := p.to.Name + p.format(p.to)
	l := r.listeners[name]
	if l == nil {
		var err error
		if l, err = zocalo.Listen(ctx, p.to.listens(r.Dir)); err != nil {
			return "", err
		}
		r.listeners[name] = l
		r.serving.Go(func() {
			<-r.ready
			for {
				s, err := l.Accept(context.Background())
				if err != nil {
					return
				}
				r.serving.Go(func() { r.serve(s, p) })
			}
		})
	}
	return p.to.dials(l.Name()) + p.format(p.to), nil
}

// nobody returns an address for a pair that has no listener.
func (r *run) nobody(ctx context.Context, p pair) (string, error) {
	at := r.refusing[p.to.Name]
	if at == "" {
		var done func() error
		var err error
		if at, done, err = nobodyAt(ctx, p.to, r.Dir); err != nil {
			return "", err
		}
		r.refusing[p.to.Name] = at
		r.held = append(r.held, done)
	}
	return at + p.format(p.to), nil
}

// generator is that of one life.
func (r *run) generator(number int64) *rand.Rand {
	return rand.New(rand.NewPCG(r.Seed, uint64(number)))
}

// plan returns the row and the plan of a life.
func (r *run) plan(number int64) (*Row, *plan, *rand.Rand) {
	if r.Only >= 0 {
		number = r.Only
	}
	rng := r.generator(number)
	i, found := slices.BinarySearch(r.sums, rng.IntN(r.sums[len(r.sums)-1]))
	if found {
		i++
	}
	row := r.rows[i]
	return row, newPlan(rng, row), rng
}

// play plays all lives.
func (r *run) play(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	var cycling sync.WaitGroup
	for _, row := range r.rows {
		if row.variant.cycles {
			cycling.Go(func() { row.cycle(ctx, r.fault) })
		}
	}
	var next atomic.Int64
	var workers sync.WaitGroup
	for range r.AtOnce {
		workers.Go(func() {
			for {
				number := next.Add(1) - 1
				if number >= r.Config.Lives || ctx.Err() != nil {
					return
				}
				r.client(ctx, number)
				if n := r.done.Add(1); r.Progress != nil && n%1000 == 0 {
					r.Progress(n)
				}
			}
		})
	}
	workers.Wait()
	cancel()
	cycling.Wait()
}

// client plays the client of a life.
func (r *run) client(ctx context.Context, number int64) {
	row, p, rng := r.plan(number)
	l := &r.lives[number]
	l.number, l.row = number, row
	s, err := r.dial(ctx, row)
	if err != nil {
		l.dialErr = err
		return
	}
	head := binary.BigEndian.AppendUint64(nil, uint64(number))
	if p.silent || row.program != 0 {
		head = nil
	}
	c := &player{
		wire: newWire(s, row.pair, row.pair.from), role: &p.client, peer: &p.server, head: head, rng: rng,
		voice: voiceOf(number, true), hears: voiceOf(number, false), expected: p.server.total, mutual: p.server.end.breaks(),
	}
	if row.program != 0 {
		c.hears, c.expected = c.voice, row.answers(p.client.total)
		c.mutual = row.program > 0
	}
	l.client = c.play()
}

// dial connects to the relay of a row. One that is stopped now and then may
// have to be tried again.
func (r *run) dial(ctx context.Context, row *Row) (*socket.Socket, error) {
	for try := 0; ; try++ {
		at, err := row.address(r.Dir)
		if err != nil {
			return nil, err
		}
		s, err := zocalo.Dial(ctx, at)
		if err == nil || !row.variant.cycles || try == 20 {
			return s, err
		}
		time.Sleep(time.Millisecond)
	}
}

func newWire(s *socket.Socket, p pair, k Kind) *wire {
	return &wire{s: s, messages: p.messages(), framed: p.framed(k)}
}

// serve plays the server of whatever life comes.
func (r *run) serve(s *socket.Socket, p pair) {
	s.SetDeadline(time.Now().Add(lifePatience))
	w := newWire(s, p, p.to)
	var head [8]byte
	var err error
	if w.messages {
		_, err = w.read(head[:])
	} else {
		_, err = io.ReadFull(s, head[:])
	}
	if err != nil {
		if e := endOf(err); e == hung || e == other {
			r.fault("a server at %v waits for the first bytes: %v", s.Name(), err)
		}
		s.Close()
		return
	}
	number := int64(binary.BigEndian.Uint64(head[:]))
	if number < 0 || number >= int64(len(r.lives)) {
		r.fault("a server at %v reads the number of a life, %d, that there is not", s.Name(), number)
		s.Abort()
		return
	}
	row, plan, _ := r.plan(number)
	l := &r.lives[number]
	if l.server.began {
		r.fault("life %d (%v) reaches the server twice", number, row)
		s.Abort()
		return
	}
	c := &player{
		wire: newWire(s, row.pair, row.pair.to), role: &plan.server, peer: &plan.client, rng: rand.New(rand.NewPCG(r.Seed, uint64(number)+1<<40)),
		voice: voiceOf(number, false), hears: voiceOf(number, true), expected: plan.client.total, mutual: plan.client.end.breaks(),
	}
	l.server = c.play()
}

// judge judges all lives.
func (r *run) judge() {
	for i := range r.lives {
		l := &r.lives[i]
		if l.row == nil {
			continue // the run was cancelled
		}
		_, p, _ := r.plan(l.number)
		r.report.Lives++
		r.report.Counts[l.row.String()]++
		for _, fault := range l.judge(p) {
			r.wrong(l.row.String()+numbers.ReplaceAllString(fault, "N"), fmt.Sprintf("life %d (%v; %v): %s", l.number, l.row, p, fault))
		}
	}
	r.tellFaults()
}

// tellFaults puts one fault of each sort into the report.
func (r *run) tellFaults() {
	for _, name := range slices.Sorted(maps.Keys(r.sorts)) {
		s := r.sorts[name]
		if s.count > 1 {
			s.first = fmt.Sprintf("%d like this: %s", s.count, s.first)
		}
		r.report.Faults = append(r.report.Faults, s.first)
	}
}

// Table returns the number of lives by engine and pair of kinds, for people.
func (r *Report) Table() string {
	pairs := map[string]int64{}
	for row, n := range r.Counts {
		pairs[row[:strings.LastIndex(row, ",")]] += n
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(pairs)) {
		fmt.Fprintf(&b, "%8d  %s\n", pairs[name], name)
	}
	return b.String()
}
