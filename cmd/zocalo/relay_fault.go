package main

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"

	"github.com/spf13/cobra"

	"zocalo/fault"
	"zocalo/relay"
)

// A faultRun is what impairs a relay.
type faultRun struct {
	plan *fault.Plan // nil without faults
	file *faultLog   // nil without a log
}

// completeFaults completes --fault.
func completeFaults(cmd *cobra.Command) {
	cmd.RegisterFlagCompletionFunc("fault", func(_ *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		_, examples := fault.Words()
		return examples, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	})
}

// faults makes the plan that was asked for, and adds it to the relay.
func (r *relayRun) faults() (err error) {
	f := &r.asked.Faults
	if f.Log != "" {
		if f.Log == r.recording.file {
			return usagef("--fault-log %s: the recording is written there: give another file", f.Log)
		}
		if err := checkOutput("--fault-log", f.Log); err != nil {
			return err
		}
		r.fault.file = &faultLog{path: f.Log}
	}
	r.fault.plan, err = f.Plan(func(p *fault.Plan) {
		if p.Warn = func(text string) { r.log.Warn(text) }; r.fault.file != nil {
			p.Log = r.fault.file.write
		}
	})
	if r.fault.plan != nil {
		r.Filter = relay.Chain(r.fault.plan.Filter, r.Filter)
	}
	if err != nil || r.fault.file == nil {
		return asked(err)
	}
	return r.onceListening(r.fault.file.open)
}

// saySeed prints the seed, so that the run can be repeated.
func (r *relayRun) saySeed() {
	if r.fault.plan != nil {
		r.sayf("the seed of the faults is %d (--seed %d repeats them)", r.asked.Faults.Seed, r.asked.Faults.Seed)
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
	path string

	mu   sync.Mutex
	file *os.File // nil until it is opened
	w    *bufio.Writer
	buf  []byte
	all  []logged // nil where there were too many
	n    int64    // bytes written
	big  bool
	err  error
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

// open makes the file, or empties it, once.
func (l *faultLog) open() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		return nil
	}
	file, err := os.OpenFile(l.path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644)
	if errors.Is(err, os.ErrPermission) || errors.Is(err, os.ErrInvalid) { // as of a pipe
		file, err = os.OpenFile(l.path, os.O_WRONLY, 0)
	}
	if err != nil {
		return fmt.Errorf("--fault-log: %w", err)
	}
	l.file, l.w = file, bufio.NewWriter(file)
	return nil
}

func (l *faultLog) write(e fault.Event) {
	if e.Loose {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return
	}
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
	if l.file == nil {
		return nil
	}
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
