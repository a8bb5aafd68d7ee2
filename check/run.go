package check

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"zocalo/internal/pass"
)

// Options are how a run is made. The zero value is the usual way.
type Options struct {
	// Patience is how long an experiment waits for what should come at once;
	// 0 or less means 2 s.
	Patience time.Duration
	// Properties are those to try; nil means all, see [Properties].
	Properties []string
	// Progress, unless nil, is told how the run goes. It is never called twice
	// at the same time, and the run waits for it.
	Progress func(Progress)
}

// wants reports whether one of an experiment's properties is to be tried.
func (o Options) wants(e experiment) bool {
	return o.Properties == nil || slices.ContainsFunc(e.properties, func(p string) bool { return slices.Contains(o.Properties, p) })
}

// A Progress is a step of a run: an experiment begins, or a kind is done.
type Progress struct {
	Kind   KindReport // what was found so far
	Trying string     // the property that is tried next; "" when the kind is done
	Done   int        // how many kinds are done
	Kinds  int        // how many there are
}

const defaultPatience = 2 * time.Second

// An experiment tries out the properties that it names.
type experiment struct {
	properties []string
	run        func(*trial) ([]Finding, error)
	alone      bool // it measures time: nothing else may run meanwhile
}

var experiments = []experiment{
	{properties: []string{"reliable", "ordered", "unduplicated", "intact"}, run: load},
	{properties: []string{"connected"}, run: connected},
	{properties: []string{"bounded"}, run: bounded},
	{properties: []string{"urgent"}, run: urgent},
	{properties: []string{"nobody"}, run: nobody},
	{properties: []string{"slow"}, run: slow},
	{properties: []string{"largest"}, run: largest},
	{properties: []string{"queue"}, run: queue},
	{properties: []string{"waiting"}, run: waiting},
	{properties: []string{"names"}, run: names},
	{properties: []string{"ways"}, run: ways},
	{properties: []string{"reach"}, run: reach},
	{properties: []string{"descriptors"}, run: descriptors},
	{properties: []string{"speed"}, run: speed, alone: true},
}

// Properties returns the names of all that is tried, in the order in which
// findings come.
func Properties() []string {
	var all []string
	for _, e := range experiments {
		all = append(all, e.properties...)
	}
	return all
}

// Run tries kinds of socket on this machine, by name; none means those of
// [Kinds]. It fails for a kind or property that it does not know or cannot try
// ([UnknownError], [KindError]), and when no descriptors or memory are left to begin with.
// When ctx ends it fails too, and the report has what was found until then. What
// a kind lacks or breaks is in the report.
func Run(ctx context.Context, kinds []string, o Options) (Report, error) {
	if len(kinds) == 0 {
		kinds = Kinds()
	}
	var rs []*runner
	seen := map[string]bool{}
	for _, kind := range kinds {
		name, open, err := lookup(kind)
		if err != nil {
			return Report{}, err
		}
		if !seen[name] {
			seen[name] = true
			rs = append(rs, &runner{report: KindReport{Kind: name}, open: open})
		}
	}
	err := runAll(ctx, rs, o)
	if err != nil && ctx.Err() == nil {
		return Report{}, err
	}
	var report Report
	for _, r := range rs {
		if r.report.Reason != "" || len(r.report.Findings) > 0 {
			report.Kinds = append(report.Kinds, r.report)
		}
	}
	return report, err
}

// Try tries the sockets of one source. It does not call the source's Close.
func Try(ctx context.Context, src *Source, o Options) (KindReport, error) {
	r := &runner{
		report: KindReport{Kind: src.Name},
		open:   func(context.Context) (*Source, error) { copied := *src; copied.Close = nil; return &copied, nil },
	}
	err := runAll(ctx, []*runner{r}, o)
	return r.report, err
}

// Open makes the source of a kind, by the name that [Run] knows it by. It fails
// where this machine lacks the kind. The caller calls the source's Close, if
// it has one.
func Open(ctx context.Context, kind string) (*Source, error) {
	_, open, err := lookup(kind)
	if err != nil {
		return nil, err
	}
	return open(ctx)
}

// A runner tries one kind.
type runner struct {
	report KindReport
	open   opener
	source *Source // nil if this machine lacks the kind
	lacked error   // what there was not, to see that
	tell   func(trying string)
}

// atOnce is how many kinds are tried at the same time. Most of that time they
// wait.
func atOnce() int { return 2 * runtime.GOMAXPROCS(0) }

func runAll(ctx context.Context, rs []*runner, o Options) error {
	if o.Patience <= 0 {
		o.Patience = defaultPatience
	}
	for _, p := range o.Properties {
		if !slices.Contains(Properties(), p) {
			return &UnknownError{"property", p, Properties()}
		}
	}
	var telling sync.Mutex
	done := 0
	tell := func(r *runner, trying string) {
		if o.Progress == nil || ctx.Err() != nil {
			return
		}
		telling.Lock()
		defer telling.Unlock()
		if trying == "" {
			done++
		}
		o.Progress(Progress{r.report, trying, done, len(rs)})
	}
	later := slices.ContainsFunc(experiments, func(e experiment) bool { return e.alone && o.wants(e) })
	w := newWorld()
	defer w.close()
	defer func() {
		for _, r := range rs {
			if r.source != nil && r.source.Close != nil {
				r.source.Close()
			}
		}
	}()
	var group sync.WaitGroup
	tokens := make(chan struct{}, atOnce())
	for _, r := range rs {
		group.Go(func() {
			tokens <- struct{}{}
			defer func() { <-tokens }()
			if ctx.Err() != nil {
				return
			}
			r.tell = func(trying string) { tell(r, trying) }
			r.begin(ctx, o)
			r.experiments(ctx, o, w, false)
			if r.source == nil || !later {
				r.tell("")
			}
		})
	}
	group.Wait()
	for _, r := range rs {
		if r.lacked != nil {
			return fmt.Errorf("%s: %w", r.report.Kind, &shortageError{r.lacked})
		}
	}
	for _, r := range rs {
		if r.source != nil && later {
			r.experiments(ctx, o, w, true)
			r.tell("")
		}
	}
	return context.Cause(ctx)
}

// begin sees whether this machine has the kind.
func (r *runner) begin(run context.Context, o Options) {
	ctx, cancel := context.WithTimeout(run, o.Patience)
	defer cancel()
	src, err := r.open(ctx)
	switch {
	case err != nil && run.Err() != nil: // that is no reason
		return
	case pass.IsShortage(err):
		r.lacked = err
		return
	case err != nil:
		r.report.Reason = err.Error()
		return
	}
	r.source = src
	r.report.Available, r.report.Promised = true, src.Promised
}

// experiments makes those experiments that have to be alone, or the others.
func (r *runner) experiments(ctx context.Context, o Options, w *world, alone bool) {
	if r.source == nil {
		return
	}
	for _, e := range experiments {
		if e.alone != alone || ctx.Err() != nil || !o.wants(e) {
			continue
		}
		r.tell(e.properties[0])
		findings := r.experiment(ctx, e, o, w)
		if ctx.Err() != nil {
			return // whatever was seen, the end of the run may have caused it
		}
		for _, f := range findings {
			if o.Properties == nil || slices.Contains(o.Properties, f.Property) {
				r.report.Findings = append(r.report.Findings, f)
			}
		}
	}
}

// run makes an experiment. It gives up on one that goes on after its context
// has ended, and with it all its sockets.
func (t *trial) run(e experiment, patience time.Duration) (findings []Finding, err error) {
	done := make(chan struct{})
	var result []Finding
	var failure error
	go func() {
		defer close(done)
		result, failure = e.run(t)
	}()
	select {
	case <-done:
		return result, failure
	case <-t.ctx.Done():
	}
	select {
	case <-done:
		return result, failure
	case <-time.After(patience):
		return nil, errors.New("a call continues although its deadline has passed and its socket is closed")
	}
}

// experiment makes one experiment, bounded in time. Where it fails, all that
// it was about is unknown.
func (r *runner) experiment(ctx context.Context, e experiment, o Options, w *world) []Finding {
	ctx, cancel := context.WithTimeout(ctx, 6*o.Patience)
	defer cancel()
	t := newTrial(ctx, r.source, o.Patience, w)
	defer t.end()
	findings, err := t.run(e, o.Patience)
	if err == nil && slices.ContainsFunc(findings, func(f Finding) bool { return f.Verdict == Broken }) {
		err = t.shortage() // a kind is not to blame for what the host lacks
	}
	if err == nil {
		return findings
	}
	if pass.IsShortage(err) {
		err = &shortageError{err}
	}
	findings = nil
	for _, p := range e.properties {
		findings = append(findings, Finding{Property: p, Verdict: Failed, Reason: err.Error()})
	}
	return findings
}
