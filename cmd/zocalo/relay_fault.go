package main

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"

	"github.com/spf13/cobra"

	"zocalo/address"
	"zocalo/codec"
	"zocalo/fault"
	"zocalo/frame"
	"zocalo/relay"
	"zocalo/socket"
	"zocalo/socket/scheme"
)

// faultFlags are what relay does to what passes.
type faultFlags struct {
	specs    []string
	schedule string
	seed     uint64
	seeded   bool
	log      string

	plan *fault.Plan // nil without faults
	file *faultLog   // nil without a log
}

// seedValue reads --seed.
var seedValue = codec.Codec[uint64]{Placeholder: "N", Format: func(n uint64) string { return fmt.Sprint(n) }, Parse: func(text string) (n uint64, err error) {
	if _, err = fmt.Sscanf(text, "%d", &n); err != nil || fmt.Sprint(n) != text {
		err = errors.New("it must be a whole number, 0 or more")
	}
	return n, err
}}

func (f *faultFlags) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringArrayVar(&f.specs, "fault", nil, "impair what passes, such as down:latency=100ms or up:loss=1% (`SPEC` [up:|down:]EFFECT=VALUE,...); may be repeated")
	flags.Var(value(&f.seed, 0, seedValue), "seed", "seed of the faults: the same one draws the same; without it one is drawn, and printed")
	flags.Lookup("seed").DefValue = ""
	flags.StringVar(&f.schedule, "schedule", "", "faults from a TOML `FILE`: what begins and ends when")
	flags.StringVar(&f.log, "fault-log", "", "write what the faults did to this `FILE`, as JSON lines")
	cmd.RegisterFlagCompletionFunc("fault", func(_ *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		_, examples := fault.Words()
		return examples, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	})
}

// faults makes the plan that the flags ask for, and adds it to the relay.
func (r *relayRun) faults(cmd *cobra.Command) error {
	f := &r.fault
	f.seeded = cmd.Flags().Changed("seed")
	var all []fault.Fault
	for _, spec := range f.specs {
		one, err := fault.Parse(spec)
		if err != nil {
			return usagef("--fault %.200q: %w", spec, errors.Unwrap(err))
		}
		all = append(all, one)
	}
	if f.schedule != "" {
		text, err := os.ReadFile(f.schedule)
		if path := (*fs.PathError)(nil); errors.As(err, &path) {
			return usagef("--schedule %s: %w", f.schedule, path.Err)
		} else if err != nil {
			return err
		}
		s, err := fault.ParseSchedule(text)
		if err != nil {
			return usagef("--schedule %s: %w", f.schedule, err)
		}
		if all = append(all, s.Faults...); s.Seed != nil && !f.seeded {
			f.seed, f.seeded = *s.Seed, true
		}
	}
	if len(all) == 0 {
		if f.schedule != "" {
			return usagef("--schedule %s: it has no [[fault]]", f.schedule)
		}
		return refuse(cmd, "is for --fault and --schedule", "seed", "fault-log")
	}
	if !f.seeded {
		f.seed = fault.DrawSeed()
	}
	if err := r.checkFaults(all); err != nil {
		return err
	}
	plan := fault.New(f.seed)
	plan.Precise = true
	plan.Warn = func(text string) { r.log.Warn(text) }
	if f.log != "" {
		file, err := newFaultLog(f.log)
		if err != nil {
			return err
		}
		f.file, plan.Log = file, file.write
	}
	if err := plan.Set(all...); err != nil {
		return usagef("--fault: %w", err)
	}
	f.plan = plan
	r.Filter = relay.Chain(plan.Filter, r.Filter)
	return nil
}

// checkFaults refuses faults that make no sense for what the addresses carry.
func (r *relayRun) checkFaults(all []fault.Fault) error {
	up, down := carries(r.From), fault.Unknown
	for i, to := range r.To {
		if c := carries(to); i == 0 {
			down = c
		} else if c != down {
			down = fault.Unknown
		}
	}
	for _, f := range all {
		if why := f.Senseless(up, down); why != "" {
			return usagef("--fault %v: %s", f, why)
		}
	}
	return nil
}

// carries returns what an end sends, as far as its address tells.
func carries(a address.Address) fault.Carried {
	kinds := a.Scheme.Kinds(scheme.Target{Endpoint: a.Endpoint, Passive: a.Passive(false), Settings: a.Settings})
	format, _ := address.Frame.In(a.Settings)
	switch {
	case len(kinds) == 0:
		return fault.Unknown
	case format != frame.Format{}:
		return fault.Messages
	case !kinds[0].Properties().Bounded:
		return fault.Bytes
	case kinds[0].Type == socket.Datagram:
		return fault.Datagrams
	}
	return fault.Messages
}

// saySeed prints the seed, so that the run can be repeated.
func (r *relayRun) saySeed() {
	if r.fault.plan != nil {
		r.sayf("the seed of the faults is %d (--seed %d repeats them)", r.fault.seed, r.fault.seed)
	}
}

// endFaults closes the log of faults.
func (r *relayRun) endFaults() error {
	if r.fault.file == nil {
		return nil
	}
	if err := r.fault.file.close(); err != nil {
		return fmt.Errorf("the log of faults is incomplete: %w", err)
	}
	return nil
}

// A faultLog is the file of --fault-log. As things happen it has them in the order in which they do, which for
// several directions is not always the same; at the end a file is put in order, by pair, direction and place, so
// that the logs of two runs can be compared. What belongs to one place is by fault, then as it happened.
type faultLog struct {
	file *os.File

	mu  sync.Mutex
	w   *bufio.Writer
	buf []byte
	all []logged // nil where there were too many
	n   int64    // bytes written
	big bool
	err error
}

// A logged is a line, by its place in the file.
type logged struct {
	pair      int64
	direction fault.Direction
	place     int64 // number of the message, or offset
	fault     string
	at, n     int64
}

// maxSorted is how many lines are put in order at the end at most.
const maxSorted = 4 << 20

func newFaultLog(path string) (*faultLog, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644)
	if errors.Is(err, os.ErrPermission) || errors.Is(err, os.ErrInvalid) { // as of a pipe
		file, err = os.OpenFile(path, os.O_WRONLY, 0)
	}
	if err != nil {
		return nil, err
	}
	return &faultLog{file: file, w: bufio.NewWriter(file)}, nil
}

func (l *faultLog) write(e fault.Event) {
	if e.Loose {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf = e.AppendJSON(l.buf[:0])
	if _, err := l.w.Write(l.buf); l.err == nil {
		l.err = err
	}
	if l.big = l.big || len(l.all) == maxSorted; !l.big {
		l.all = append(l.all, logged{e.Pair, e.Direction, max(e.Message, e.Offset), e.Fault, l.n, int64(len(l.buf))})
	}
	l.n += int64(len(l.buf))
}

func (l *faultLog) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := errors.Join(l.err, l.w.Flush())
	if info, statErr := l.file.Stat(); err == nil && statErr == nil && info.Mode().IsRegular() && !l.big {
		err = l.sort()
	}
	return errors.Join(err, l.file.Close())
}

// sort puts the file in order.
func (l *faultLog) sort() error {
	text := make([]byte, l.n)
	if _, err := l.file.ReadAt(text, 0); err != nil {
		return err
	}
	slices.SortStableFunc(l.all, func(a, b logged) int {
		return cmp.Or(cmp.Compare(a.pair, b.pair), cmp.Compare(a.direction, b.direction),
			cmp.Compare(a.place, b.place), cmp.Compare(a.fault, b.fault))
	})
	var sorted bytes.Buffer
	for _, line := range l.all {
		sorted.Write(text[line.at : line.at+line.n])
	}
	_, err := l.file.WriteAt(sorted.Bytes(), 0)
	return err
}
