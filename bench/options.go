package bench

import (
	"context"
	"fmt"
	"time"

	"zocalo/internal/units"
	"zocalo/socket"
)

// A Dial makes a socket whose peer is a [Server] or, for round trips, anything that
// echoes: with a connection, or with a peer set. It is called once for each flow
// and for what is asked beside them, perhaps from several goroutines at once.
type Dial func(ctx context.Context) (*socket.Socket, error)

// Options say what to measure, and how. Only Mode must be set.
type Options struct {
	Mode Mode

	// Direction is which way streams go; "" means [Forward].
	Direction Direction
	// Size is that of a message in bytes or, if the kind keeps no boundaries,
	// of a write; 0 means [DefaultSize] for streams, 8 KiB or 1200 bytes if
	// the kind keeps boundaries, less if it takes no more, and 64 for
	// requests.
	Size int
	// Flows is how many sockets there are at once; 0 or less means 1.
	Flows int
	// Depth is how many requests are under way at once on each flow; 0 or
	// less means 1.
	Depth int
	// Rate is how many messages are sent per second, over all flows; 0 is as
	// fast as possible. The mode AtRate needs it, and Stream may have it.
	Rate float64
	// Batch is how many messages are given to the system at once where the
	// kind has no connections; 0 or less means 64, or 1 with a Rate. More than 64
	// is 64.
	Batch int
	// Verify makes both ends check the content of what they receive.
	Verify bool

	// Duration bounds the measured time; 0 or less means [DefaultDuration], or no
	// bound if there is a Count.
	Duration time.Duration
	// Count bounds the messages, requests or connections, over all flows; 0 or
	// less is no bound. There is no warm-up then, unless WarmUp says so. On a
	// stream it is rounded up to whole frames of at least 4 KiB.
	Count int64
	// WarmUp is what comes before the measured time, and is left out of all figures;
	// negative means none, 0 a twentieth of Duration, at most 500 ms.
	WarmUp time.Duration
	// Interval is the length of the parts in Result.Intervals; 0 or less means
	// a twentieth of Duration, between 10 ms and 1 s. It is at least
	// [MinInterval].
	Interval time.Duration
	// Patience is how long to wait for a peer that says nothing; 0 or less
	// means 5 s. For a kind that may lose messages, a request counts as
	// unanswered after a fifth of it.
	Patience time.Duration

	// OnInterval, if not nil, is called at the end of each interval, the
	// warm-up's too.
	OnInterval func(Interval)

	// Address and Program are for the conditions of the result.
	Address, Program string

	coarse bool // see pacer
}

// DefaultSize is that of writes to a stream, and DefaultDuration how long is
// measured.
const (
	DefaultSize     = 128 << 10
	DefaultDuration = 10 * time.Second
)

// The bounds of options.
const (
	maxFlows = 10_000
	maxDepth = 1024
	maxRate  = 1e8
	// MinInterval is the shortest that Interval may be.
	MinInterval = time.Millisecond
)

// The sizes that are tried where none is given.
const (
	requestSize    = 64
	reliableSize   = 8 << 10
	unreliableSize = 1200
)

// An OptionError says that an option of a run is not possible.
type OptionError struct{ Problem string }

// Error returns the problem.
func (e *OptionError) Error() string { return e.Problem }

func refusef(format string, args ...any) error { return &OptionError{fmt.Sprintf(format, args...)} }

// complete returns the options with everything that was left out.
func (o Options) complete() (Options, error) {
	switch o.Mode {
	case Stream, RoundTrip, AtRate, Connect, Loaded:
	default:
		return o, refusef("mode %q is not one of stream, round-trip, rate, connect, loaded", string(o.Mode))
	}
	switch o.Direction {
	case "":
		o.Direction = Forward
	case Forward, Reverse, Both:
		if o.Mode != Stream && o.Mode != Loaded {
			return o, refusef("a direction is for streams: requests and their answers go both ways")
		}
	default:
		return o, refusef("direction %q is not one of forward, reverse, both", string(o.Direction))
	}
	o.Flows, o.Depth = max(o.Flows, 1), max(o.Depth, 1)
	switch {
	case o.Flows > maxFlows:
		return o, refusef("%d flows: at most %d", o.Flows, maxFlows)
	case o.Depth > maxDepth:
		return o, refusef("depth %d: at most %d", o.Depth, maxDepth)
	case o.Depth > 1 && o.Mode != RoundTrip:
		return o, refusef("a depth is for round trips")
	case o.Size < 0 || o.Size > maxFrame:
		return o, refusef("messages of %d bytes: 1 to %d", o.Size, maxFrame)
	case !(o.Rate >= 0 && o.Rate <= maxRate):
		return o, refusef("a rate of %s per second: at most %s", units.Number(o.Rate), units.Number(maxRate))
	case o.Mode == AtRate && o.Rate == 0:
		return o, refusef("the mode rate needs a rate")
	case o.Rate > 0 && o.Mode != AtRate && o.Mode != Stream:
		return o, refusef("a rate is for requests at fixed times, or for a stream")
	case o.Duration > MaxDuration || o.WarmUp > MaxDuration/2:
		return o, refusef("a run of more than %s", units.Set(MaxDuration))
	case o.Interval > 0 && o.Interval < MinInterval:
		return o, refusef("--interval %v: it must be at least %s", o.Interval, units.Set(MinInterval))
	case o.Verify && o.Mode == Connect:
		return o, refusef("connections have no content to verify")
	}
	if o.Duration <= 0 && o.Count <= 0 {
		o.Duration = DefaultDuration
	}
	if o.WarmUp == 0 && o.Count <= 0 {
		o.WarmUp = min(o.Duration/20, 500*time.Millisecond)
	}
	o.Duration = min(o.Duration, MaxDuration-max(o.WarmUp, 0))
	if o.Count > 0 && o.Count < int64(o.Flows) {
		o.Flows = int(o.Count)
	}
	o.Duration, o.Count, o.WarmUp = max(o.Duration, 0), max(o.Count, 0), max(o.WarmUp, 0)
	if o.Interval <= 0 {
		o.Interval = time.Second
		if o.Duration > 0 {
			o.Interval = min(max(o.Duration/20, 10*time.Millisecond), time.Second)
		}
	}
	if o.Batch <= 0 {
		o.Batch = maxBatch
		if o.Rate > 0 {
			o.Batch = 1
		}
	}
	o.Batch = min(o.Batch, maxBatch)
	if o.Patience <= 0 {
		o.Patience = 5 * time.Second
	}
	return o, nil
}

// gap is the time between two messages of one flow; 0 is as fast as possible.
func (o *Options) gap() time.Duration {
	if o.Rate == 0 {
		return 0
	}
	return max(time.Duration(float64(time.Second)/o.Rate*float64(o.Flows)), 1)
}

// share is a flow's part of the count.
func (o *Options) share(flow int) int64 {
	n := o.Count / int64(o.Flows)
	if int64(flow) < o.Count%int64(o.Flows) {
		n++
	}
	return n
}
