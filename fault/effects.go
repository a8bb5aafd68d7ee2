package fault

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"zocalo/codec"
	"zocalo/internal/impair"
)

// A Shape is how delays are distributed around their mean.
type Shape = impair.Shape

// The shapes: see [Latency].
const (
	Uniform = impair.Uniform
	Normal  = impair.Normal
	Pareto  = impair.Pareto
)

// A GilbertElliott loses messages by two states, good and bad, as a radio link does. Chances
// and shares are of 1.
type GilbertElliott struct {
	ToBad, ToGood float64 // chance to leave the good state, and the bad one, before each message
	LostBad       float64 // share lost in the bad state; 0 is all, negative is none
	LostGood      float64 // and in the good one
}

// Latency delays everything, and the end as well. Order is kept, unless Reorder lets messages overtake.
type Latency struct {
	Mean   time.Duration // before which nothing leaves, but for Jitter
	Jitter time.Duration // half the width of Uniform; the standard deviation of Normal and Pareto

	// Shape of the jitter: Uniform, Normal, or Pareto (of index 3: most below the mean, a few far
	// above). Less than no delay is none.
	Shape Shape

	// Correlation of each delay with the one before, from 0 to below 1. The distribution stays what it is.
	Correlation float64

	// Samples, if any, are delays to draw from, each as likely, in place of Mean, Jitter and Shape.
	Samples []time.Duration
	File    string // where they came from, for String

	// Reorder lets each message leave at its own time. Streams keep their order.
	Reorder bool
}

// Rate bounds how many bytes leave in a second.
type Rate struct {
	Bytes int64 // a second; 0 lets nothing pass

	// Burst is how many bytes may leave at once after a pause; 0 is what the rate is in 10 ms.
	Burst int64

	// Queue is how many bytes wait: then a stream and messages of kinds that can make their sender wait do so, and
	// datagrams are dropped. 0 is 64 KiB, or a tenth of a second if that is more (a fiftieth for those that wait).
	Queue int64
}

// Loss loses a share of messages. A stream loses nothing: each segment of 1448 bytes that is lost makes it
// pause, as TCP does until it has sent it again.
type Loss struct {
	Share   float64         // of 1
	Burst   int             // so many in a row are lost, where Share in all are; 0 or 1 is each by itself
	Gilbert *GilbertElliott // in place of Share

	// Pause of a stream for a lost segment, twice as long each time that the same one is lost
	// again; 0 is 200 ms, the least of Linux.
	Pause time.Duration
}

// Slices cuts a stream into pieces that are written each by itself.
type Slices struct {
	Size      int           // bytes, on average
	Variation int           // bytes that the size differs by at most, less than Size
	Pause     time.Duration // between them
}

// SlowOpen lets nothing pass for the first Time of a pair.
type SlowOpen struct{ Time time.Duration }

// SlowClose holds the end of what one side sends back for Time. Datagrams have no end.
type SlowClose struct{ Time time.Duration }

// Stall holds everything until it is over; what came passes then. Of datagrams what there is no room for is dropped.
type Stall struct{}

// Timeout lets everything disappear, and closes both ends so long after it began. 0 never
// does, until the fault is removed or over.
type Timeout struct{ After time.Duration }

// Limit closes both ends once so many bytes have passed. A message beyond it does not pass.
type Limit struct{ Bytes int64 }

// Reset resets both ends, so long after it began, or once so many bytes have passed if Bytes is not 0.
type Reset struct {
	After time.Duration
	Bytes int64
}

// Corrupt flips a bit in a share of messages, or of segments of 1448 bytes of a stream.
type Corrupt struct{ Share float64 }

// Duplicate passes a share of messages twice.
type Duplicate struct{ Share float64 }

// Reorder holds a share of messages back until others have overtaken them.
type Reorder struct {
	Share    float64
	Distance int           // how many overtake; 0 is 1
	Hold     time.Duration // how long to wait for them at most; 0 is 100 ms
}

// Truncate cuts what is longer than Size bytes off a share of messages.
type Truncate struct {
	Share float64 // 0 is all
	Size  int
}

// MTU drops messages of more than Size bytes, as a path does that reports none.
type MTU struct{ Size int }

// Partition cuts the way off: a stream waits until it is over, as one does that sends again and again, and messages are dropped.
type Partition struct{}

// Outage (down) is a server that is not there: the pair is reset as soon as it begins, and open ones are. Datagrams are dropped.
type Outage struct{}

// Blackhole drops all messages.
type Blackhole struct{}

// percent writes a share.
func percent(share float64) string {
	return strconv.FormatFloat(share*100, 'g', 10, 64) + "%"
}

func size(n int64) string { return codec.FormatSize(n) }

// options joins what is not "".
func options(word string, args ...string) string {
	var all []string
	for _, a := range args {
		if a != "" {
			all = append(all, a)
		}
	}
	if len(all) == 0 {
		return word
	}
	return word + "=" + strings.Join(all, ",")
}

// opt is an option if it is given.
func opt(is bool, format string, args ...any) string {
	if !is {
		return ""
	}
	return fmt.Sprintf(format, args...)
}

func (e Latency) String() string {
	first := e.Mean.String()
	switch {
	case e.Samples != nil:
		first = "file(" + e.File + ")"
	case e.Jitter > 0:
		first += "~" + e.Jitter.String()
	}
	return options("latency", first, opt(e.Samples == nil && e.Jitter > 0, "%v", e.Shape),
		opt(e.Correlation > 0, "corr=%v", percent(e.Correlation)), opt(e.Reorder, "reorder"))
}

func (e Rate) String() string {
	return options("rate", size(e.Bytes), opt(e.Burst > 0, "burst=%v", size(e.Burst)), opt(e.Queue > 0, "queue=%v", size(e.Queue)))
}

func (e Loss) String() string {
	first := percent(e.Share)
	switch g := e.Gilbert; {
	case g != nil:
		first = fmt.Sprintf("ge(%v,%v,%v,%v)", percent(g.ToBad), percent(g.ToGood), percent(g.lostBad()), percent(g.LostGood))
	case e.Burst > 1:
		first = fmt.Sprintf("burst(%v,%d)", percent(e.Share), e.Burst)
	}
	return options("loss", first, opt(e.Pause > 0, "pause=%v", e.Pause))
}

func (e Slices) String() string {
	return options("slices", strconv.Itoa(e.Size)+opt(e.Variation > 0, "~%d", e.Variation), opt(e.Pause > 0, "%v", e.Pause))
}

func (e SlowOpen) String() string  { return options("slow-open", e.Time.String()) }
func (e SlowClose) String() string { return options("slow-close", e.Time.String()) }
func (Stall) String() string       { return "stall" }
func (e Timeout) String() string   { return options("timeout", e.After.String()) }
func (e Limit) String() string     { return options("limit", size(e.Bytes)) }
func (e Corrupt) String() string   { return options("corrupt", percent(e.Share)) }
func (e Duplicate) String() string { return options("duplicate", percent(e.Share)) }
func (e MTU) String() string       { return options("mtu", strconv.Itoa(e.Size)) }
func (Partition) String() string   { return "partition" }
func (Outage) String() string      { return "down" }
func (Blackhole) String() string   { return "blackhole" }

func (e Reset) String() string {
	if e.Bytes > 0 {
		return options("reset", sizeWithUnit(e.Bytes))
	}
	return options("reset", opt(e.After > 0, "%v", e.After))
}

// sizeWithUnit is a size that is no time.
func sizeWithUnit(n int64) string {
	text := size(n)
	if last := text[len(text)-1]; last >= '0' && last <= '9' {
		text += "B"
	}
	return text
}

func (e Reorder) String() string {
	return options("reorder", percent(e.Share), opt(e.Distance > 1, "%d", e.Distance), opt(e.Hold > 0, "hold=%v", e.Hold))
}

func (e Truncate) String() string {
	return options("truncate", strconv.Itoa(e.Size), opt(e.Share > 0 && e.Share < 1, "%v", percent(e.Share)))
}

func (Latency) word() string   { return "latency" }
func (Rate) word() string      { return "rate" }
func (Loss) word() string      { return "loss" }
func (Slices) word() string    { return "slices" }
func (SlowOpen) word() string  { return "slow-open" }
func (SlowClose) word() string { return "slow-close" }
func (Stall) word() string     { return "stall" }
func (Timeout) word() string   { return "timeout" }
func (Limit) word() string     { return "limit" }
func (Reset) word() string     { return "reset" }
func (Corrupt) word() string   { return "corrupt" }
func (Duplicate) word() string { return "duplicate" }
func (Reorder) word() string   { return "reorder" }
func (Truncate) word() string  { return "truncate" }
func (MTU) word() string       { return "mtu" }
func (Partition) word() string { return "partition" }
func (Outage) word() string    { return "down" }
func (Blackhole) word() string { return "blackhole" }

// isShare refuses what is no share.
func isShare(what string, share float64) error {
	if !(share >= 0 && share <= 1) {
		return fmt.Errorf("%s: a share is from 0%% to 100%%", what)
	}
	return nil
}

func notNegative(what string, times ...time.Duration) error {
	for _, d := range times {
		if d < 0 {
			return fmt.Errorf("%s: a time must not be negative", what)
		}
	}
	return nil
}

func atLeast[T int | int64](what string, n, least T) error {
	if n < least {
		return fmt.Errorf("%s: %d is less than %d", what, n, least)
	}
	return nil
}

func (e Latency) check() error {
	if e.Shape > Pareto {
		return errors.New("latency: an unknown shape")
	}
	if !(e.Correlation >= 0 && e.Correlation < 1) {
		return errors.New("latency: a correlation is from 0% to below 100%")
	}
	return errors.Join(notNegative("latency", append([]time.Duration{e.Mean, e.Jitter}, e.Samples...)...))
}

func (e Rate) check() error {
	return errors.Join(atLeast("rate", e.Bytes, 0), atLeast("rate: burst", e.Burst, 0), atLeast("rate: queue", e.Queue, 0))
}

func (e Loss) check() error {
	if g := e.Gilbert; g != nil {
		for _, share := range []float64{g.ToBad, g.ToGood, g.lostBad(), g.LostGood} {
			if err := isShare("loss", share); err != nil {
				return err
			}
		}
	}
	if e.Burst > 1 && e.Share >= 1 {
		return errors.New("loss: bursts lose less than all")
	}
	if err := notNegative("loss", e.Pause); err != nil {
		return err
	}
	return isShare("loss", e.Share)
}

func (e Slices) check() error {
	if e.Variation < 0 || e.Variation >= max(e.Size, 1) {
		return errors.New("slices: the variation must be less than the size")
	}
	if err := atLeast("slices", e.Size, 1); err != nil {
		return err
	}
	return notNegative("slices", e.Pause)
}

func (e SlowOpen) check() error  { return notNegative("slow-open", e.Time) }
func (e SlowClose) check() error { return notNegative("slow-close", e.Time) }
func (Stall) check() error       { return nil }
func (e Timeout) check() error   { return notNegative("timeout", e.After) }
func (e Limit) check() error     { return atLeast("limit", e.Bytes, 0) }
func (e Corrupt) check() error   { return isShare("corrupt", e.Share) }
func (e Duplicate) check() error { return isShare("duplicate", e.Share) }
func (e MTU) check() error       { return atLeast("mtu", e.Size, 0) }
func (Partition) check() error   { return nil }
func (Outage) check() error      { return nil }
func (Blackhole) check() error   { return nil }

func (e Reset) check() error {
	if err := atLeast("reset", e.Bytes, 0); err != nil {
		return err
	}
	return notNegative("reset", e.After)
}

func (e Reorder) check() error {
	if err := atLeast("reorder: distance", e.Distance, 0); err != nil {
		return err
	}
	if err := notNegative("reorder", e.Hold); err != nil {
		return err
	}
	return isShare("reorder", e.Share)
}

func (e Truncate) check() error {
	if err := atLeast("truncate", e.Size, 0); err != nil {
		return err
	}
	return isShare("truncate", e.Share)
}

func (g *GilbertElliott) lostBad() float64 {
	switch {
	case g.LostBad == 0:
		return 1
	case g.LostBad < 0:
		return 0
	}
	return g.LostBad
}

// Where effects make no sense.
const (
	onlyMessages = "streams have no messages"
	onlyStreams  = "only streams of bytes can be cut anywhere"
	noEnd        = "datagrams have no end"
	noReset      = "datagrams have no connection to reset"
)

func unlessStreams(c Carried, why string) string {
	if c == streams {
		return why
	}
	return ""
}

func unlessDatagrams(c Carried, why string) string {
	if c == datagrams {
		return why
	}
	return ""
}

func (Latency) senseless(Carried) string     { return "" }
func (Rate) senseless(Carried) string        { return "" }
func (Loss) senseless(Carried) string        { return "" }
func (SlowOpen) senseless(Carried) string    { return "" }
func (SlowClose) senseless(c Carried) string { return unlessDatagrams(c, noEnd) }
func (Stall) senseless(Carried) string       { return "" }
func (Timeout) senseless(Carried) string     { return "" }
func (Limit) senseless(Carried) string       { return "" }
func (Reset) senseless(c Carried) string     { return unlessDatagrams(c, noReset) }
func (Corrupt) senseless(Carried) string     { return "" }
func (Duplicate) senseless(c Carried) string { return unlessStreams(c, onlyMessages) }
func (Reorder) senseless(c Carried) string   { return unlessStreams(c, onlyMessages) }
func (Truncate) senseless(c Carried) string  { return unlessStreams(c, onlyMessages) }
func (MTU) senseless(c Carried) string       { return unlessStreams(c, onlyMessages) }
func (Partition) senseless(Carried) string   { return "" }
func (Outage) senseless(Carried) string      { return "" }
func (Blackhole) senseless(c Carried) string {
	return unlessStreams(c, "streams lose nothing: timeout=0 swallows what comes, and partition holds it")
}

func (Slices) senseless(c Carried) string {
	if c == messages || c == datagrams {
		return onlyStreams
	}
	return ""
}
