package replay

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"zocalo"
	"zocalo/address"
	"zocalo/frame"
	"zocalo/record/capture"
	"zocalo/server"
	"zocalo/socket"
)

// What [Options] mean where they do not say.
const (
	DefaultConcurrency = 256
	DefaultWait        = 5 * time.Second
)

// Options say how conversations are played. The zero Options play each once, as fast as
// it was, and compare what comes.
type Options struct {
	// Speed is how many times as fast as in the recording everything is sent: 10, or 0.5.
	// 0 means 1, and math.Inf(1) or less than 0 as fast as the other side takes it. The times
	// are those of one clock from the beginning to the end, so that what is late once makes
	// nothing after it late.
	Speed float64

	// Causal sends what followed an answer once that answer has come, at once, whatever
	// the times in the recording; and begins a conversation once those have ended that had
	// ended before it began.
	Causal bool

	// Ignore are what may differ, such as dates and numbers: where one matches in the
	// recording, it must match at the same place of what comes, whatever it matches there.
	// They look at one answer of a stream at a time, or one message.
	Ignore []*Pattern

	// NoCompare takes any answers.
	NoCompare bool

	// Repeat is how often all is played, one round after the other; 0 means once, negative
	// for as long as the context lasts.
	Repeat int

	// Rate is how many conversations begin in a second, instead of at the times of the
	// recording, with the rounds close upon each other. 0 or less is as recorded.
	Rate float64

	// Concurrency bounds how many are played at once; one more begins when another has
	// ended, and its times with it. 0 means DefaultConcurrency, negative is no bound.
	Concurrency int

	// Wait is how much longer than in the recording an answer may take, and how long the other side
	// may take nothing. 0 means DefaultWait, negative any time.
	Wait time.Duration

	// Dialer connects; nil is the zero Dialer.
	Dialer *zocalo.Dialer

	// OnResult, if not nil, is told of each conversation as it ends, by one goroutine at a time.
	OnResult func(*Result)
}

// speed is 0 where nothing is waited for.
func (o *Options) speed() float64 {
	switch {
	case o.Speed == 0:
		return 1
	case o.Speed < 0 || math.IsInf(o.Speed, 0) || math.IsNaN(o.Speed):
		return 0
	}
	return o.Speed
}

// scaled is a time of the recording as it is played.
func (o *Options) scaled(d time.Duration) time.Duration {
	if o.speed() == 0 {
		return 0
	}
	return time.Duration(min(float64(d)/o.speed(), math.MaxInt64/4))
}

func (o *Options) wait() time.Duration {
	const any = 100 * 365 * 24 * time.Hour
	switch {
	case o.Wait == 0:
		return DefaultWait
	case o.Wait < 0:
		return any
	}
	return o.Wait
}

func (o *Options) concurrency() int {
	switch {
	case o.Concurrency == 0:
		return DefaultConcurrency
	case o.Concurrency < 0:
		return math.MaxInt32
	}
	return o.Concurrency
}

// rounds is how often all is played; negative for ever.
func (o *Options) rounds() int {
	if o.Repeat == 0 {
		return 1
	}
	return o.Repeat
}

// A Report is what came of all conversations.
type Report struct {
	Conversations int // that were played, each as often as it was
	Alike         int // that were as recorded
	Differing     int
	Failed        int // that could not be played to their end
	Unplayed      int // that were not begun, or not ended, since the context had ended

	Waited int // for a place, since Concurrency others were open

	First   *Result // the first with a difference; nil where there is none
	Failure *Result // the first that failed

	BytesSent, BytesReceived       int64
	MessagesSent, MessagesReceived int64
	Answers                        int64
	Took                           time.Duration

	// How late what was sent was, by the clock of the recording: the median, the 99th
	// percentile and the most. Late is how many sendings these are of; 0 where nothing was
	// sent by the clock.
	Late                       int64
	LateP50, LateP99, LateMost time.Duration
}

// run is one call of Run or Serve.
type run struct {
	o     *Options
	clock *clock
	lateness

	mu     sync.Mutex
	report *Report
}

// lateness is how late things were.
type lateness struct {
	mu  sync.Mutex
	hdr *hdrhistogram.Histogram
}

func (l *lateness) add(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hdr.RecordValue(min(max(int64(d), 0), l.hdr.HighestTrackableValue())) // cannot fail: it is within the range
}

func newRun(o *Options) *run {
	return &run{o: o, clock: newClock(), report: new(Report), lateness: lateness{hdr: hdrhistogram.New(1, int64(time.Hour), 3)}}
}

// end returns the report.
func (r *run) end(began time.Time) *Report {
	r.clock.close()
	p := r.report
	p.Took = time.Since(began)
	if p.Late = r.hdr.TotalCount(); p.Late > 0 {
		p.LateP50 = time.Duration(r.hdr.ValueAtQuantile(50))
		p.LateP99 = time.Duration(r.hdr.ValueAtQuantile(99))
		p.LateMost = time.Duration(r.hdr.Max())
	}
	return p
}

// add adds a result to the report.
func (r *run) add(ctx context.Context, result *Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.report
	p.BytesSent += result.BytesSent
	p.BytesReceived += result.BytesReceived
	p.MessagesSent += result.MessagesSent
	p.MessagesReceived += result.MessagesReceived
	p.Answers += int64(result.Answers)
	switch {
	case result.Difference != nil:
		p.Differing++
		if p.First == nil {
			p.First = result
		}
	case result.Err != nil && ctx.Err() != nil:
		p.Unplayed++
		return
	case result.Err != nil:
		p.Failed++
		if p.Failure == nil {
			p.Failure = result
		}
	default:
		p.Alike++
	}
	p.Conversations++
	if r.o.OnResult != nil {
		r.o.OnResult(result)
	}
}

// Run plays the part of the clients: it connects to an address for each conversation, sends
// what the client had sent, and compares what comes. It returns when all have ended, or
// ctx has; the report is of what was played until then.
//
// Conversations that are TooLarge have nothing to play, and are not for this.
func Run(ctx context.Context, all []*capture.Conversation, to address.Address, o Options) *Report {
	began := time.Now()
	r := newRun(&o)
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b *capture.Conversation) int { return a.Began.Compare(b.Began) })
	dialer := o.Dialer
	if dialer == nil {
		dialer = new(zocalo.Dialer)
	}
	format, _ := address.Frame.In(to.Settings)
	places := make(chan struct{}, o.concurrency())
	var open sync.WaitGroup
	base := time.Now()
	a := newAlarm()
	number := 0
	for round := 1; (o.rounds() < 0 || round <= o.rounds()) && len(all) > 0 && ctx.Err() == nil; round++ {
		order := newOrder(all)
		if o.Rate <= 0 && round > 1 {
			base = time.Now()
		}
		for i, c := range all {
			due := base
			switch {
			case o.Rate > 0:
				due = base.Add(time.Duration(float64(number) / o.Rate * float64(time.Second)))
			case o.Causal:
				order.wait(ctx, i)
			default:
				due = base.Add(o.scaled(c.Began.Sub(all[0].Began)))
			}
			number++
			err := r.clock.sleep(ctx, a, due)
			if err == nil {
				select {
				case places <- struct{}{}:
				default: // its times begin with it
					select {
					case places <- struct{}{}:
						due = time.Now()
						r.report.Waited++
					case <-ctx.Done():
						err = ctx.Err()
					}
				}
			}
			if err != nil {
				r.mu.Lock()
				r.report.Unplayed += len(all) - i
				r.mu.Unlock()
				break
			}
			open.Go(func() {
				defer func() { <-places }()
				defer order.over(i)
				result := &Result{Conversation: c}
				s, err := dialer.DialAddress(ctx, to)
				if err != nil {
					result.Err = err
				} else {
					result = r.play(ctx, s, c, capture.Client, due, format)
				}
				result.Round = round
				r.add(ctx, result)
			})
		}
		if o.Rate <= 0 {
			open.Wait()
		}
	}
	open.Wait()
	return r.end(began)
}

// An order lets a conversation begin once all have ended that had ended before it began.
type order struct {
	before []int // of each conversation, how many of ended must be over
	place  []int // of each conversation, in ended

	mu    sync.Mutex
	ended []bool // in the order in which they ended in the recording
	first int    // of ended that are over without a gap
	moved chan struct{}
}

func newOrder(all []*capture.Conversation) *order {
	o := &order{before: make([]int, len(all)), place: make([]int, len(all)), ended: make([]bool, len(all)), moved: make(chan struct{}, 1)}
	byEnd := make([]int, len(all))
	for i := range byEnd {
		byEnd[i] = i
	}
	ended := func(i int) time.Time { // of one that was made by hand, perhaps without
		if c := all[i]; c.Ended.After(c.Began) {
			return c.Ended
		}
		return all[i].Began
	}
	slices.SortStableFunc(byEnd, func(a, b int) int { return ended(a).Compare(ended(b)) })
	for n, i := range byEnd {
		o.place[i] = n
	}
	for i, c := range all {
		n, _ := slices.BinarySearchFunc(byEnd, c, func(at int, c *capture.Conversation) int {
			if ended(at).Before(c.Began) {
				return -1
			}
			return 1
		})
		o.before[i] = n
	}
	return o
}

func (o *order) over(i int) {
	o.mu.Lock()
	o.ended[o.place[i]] = true
	for o.first < len(o.ended) && o.ended[o.first] {
		o.first++
	}
	o.mu.Unlock()
	select {
	case o.moved <- struct{}{}:
	default:
	}
}

// wait waits until it is time for one; conversations are asked for in the order in which
// they began.
func (o *order) wait(ctx context.Context, i int) {
	for {
		o.mu.Lock()
		ready := o.first >= o.before[i]
		o.mu.Unlock()
		if ready {
			return
		}
		select {
		case <-o.moved:
		case <-ctx.Done():
			return
		}
	}
}

// errServed ends a server that has played all.
var errServed = errors.New("all conversations were played")

// Serve plays the part of the server, for whoever connects to a listener: each gets the next conversation, in the
// order in which they began, and is sent what the server had sent, never before what it
// had been the answer to. What the clients send is compared. It returns when all have been
// played, or ctx has ended, and closes the listener.
//
// Options.Rate and Dialer mean nothing here.
func Serve(ctx context.Context, all []*capture.Conversation, l *zocalo.Listener, format frame.Format, o Options) (*Report, error) {
	began := time.Now()
	r := newRun(&o)
	serving, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	total := int64(math.MaxInt64)
	if o.rounds() > 0 {
		total = int64(len(all)) * int64(o.rounds())
	}
	var begun, over atomic.Int64
	handler := func(_ context.Context, s *socket.Socket) {
		n := begun.Add(1) - 1
		if n >= total {
			s.Abort()
			return
		}
		result := r.play(serving, s, all[n%int64(len(all))], capture.Server, time.Now(), format)
		result.Round = int(n/int64(len(all))) + 1
		r.add(ctx, result)
		if over.Add(1) == total {
			stop(errServed)
		}
	}
	var err error
	if len(all) == 0 {
		l.Close()
		return r.end(began), nil
	}
	if l.Sockets()[0].Properties().Connected {
		err = (&server.Server{Handler: handler, MaxConns: o.concurrency(), MaxConnsPerPeer: -1, Drain: time.Nanosecond}).Serve(serving, l)
	} else {
		err = (&server.Sessions{Handler: handler, Max: o.concurrency(), Idle: -1, Drain: time.Nanosecond}).Serve(serving, l.Sockets()...)
	}
	if total != math.MaxInt64 {
		r.report.Unplayed = int(total - int64(r.report.Conversations))
	}
	return r.end(began), err
}
