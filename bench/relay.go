package bench

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"zocalo"
	"zocalo/address"
	"zocalo/internal/units"
	"zocalo/process"
	"zocalo/socket"
	"zocalo/socket/scheme"
)

// A RelayCost is what a relay in the middle of a path costs.
type RelayCost struct {
	Command string `json:"command"` // as it was started
	From    string `json:"from"`    // where it listened
	To      string `json:"to"`      // where it connected

	// Comparisons have the path without the relay first, and with it second.
	Comparisons []*Comparison `json:"comparisons"`
	// ProcessorTrip and ProcessorByte are the CPU time that the relay and its children used
	// for each round trip and for each byte of a stream; 0 where it was not
	// measured, or the system does not tell.
	ProcessorTrip time.Duration `json:"processor_round_trip_ns,omitempty"`
	ProcessorByte float64       `json:"processor_byte_ns,omitempty"`
	Interrupted   bool          `json:"interrupted,omitempty"`

	// NotAwaited says, of connections, that through the relay they are established before it has
	// reached the other end, so they succeed even if nothing is listening there. It is tried if the
	// server is the run's own.
	NotAwaited bool `json:"not_awaited,omitempty"`
}

// A RelayRun says how to measure a relay.
type RelayRun struct {
	// Command is the program and its arguments. In each, {from} stands for
	// the address where it is to listen, such as tcp-listen:127.0.0.1:4711, and
	// {to} for the one to connect to; {from.host}, {from.port}, {from.path} and the same of {to} are their
	// parts. The environment has both as ZOCALO_FROM and ZOCALO_TO.
	Command []string
	// To is the address of a Server to measure with; "" makes one, on TCP.
	To string
	// Time bounds the whole; 0 or less means [DefaultCompareTime].
	Time time.Duration
}

// MeasureRelay starts the relay between this process and a server, and
// compares the path without and with it: round trips and a stream, or what the
// options' mode says. The relay is ended with all that it started.
func MeasureRelay(ctx context.Context, run RelayRun, o Options) (*RelayCost, error) {
	dir, err := os.MkdirTemp("", "zocalo-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	to, direct, stop, err := run.server(ctx, o.Program)
	if err != nil {
		return nil, err
	}
	stop = sync.OnceFunc(stop)
	defer stop()
	target, err := direct(ctx)
	if err != nil {
		return nil, err
	}
	toName := target.Peer()
	target.Close()
	from, fromName, err := freeAddress(ctx, to.Scheme, dir)
	if err != nil {
		return nil, err
	}
	r := &relayed{out: filepath.Join(dir, "output"), patience: 5 * time.Second}
	if o.Patience > 0 {
		r.patience = o.Patience
	}
	from.Listen = true
	cost := &RelayCost{From: from.String(), To: to.Scheme.Name + ":" + toName.String()}
	args, err := place(run.Command, cost.From, cost.To, fromName, toName)
	if err != nil {
		return nil, err
	}
	cost.Command = strings.Join(args, " ")
	if err := r.start(args, cost.From, cost.To); err != nil {
		return nil, err
	}
	defer r.end()
	entry := from
	entry.Listen = false
	relayedDial := func(ctx context.Context) (*socket.Socket, error) { return zocalo.DialAddress(ctx, entry) }
	if err := r.await(ctx, relayedDial, o); err != nil {
		return nil, err
	}
	modes := []Mode{RoundTrip, Stream}
	if o.Mode != "" {
		modes = []Mode{o.Mode}
	}
	most := run.Time
	if most <= 0 {
		most = DefaultCompareTime
	}
	for _, mode := range modes {
		o.Mode = mode
		before := groupTime(r.process.PID())
		c, err := Compare(ctx, Contender{"without the relay", direct}, Contender{"with it", relayedDial}, o, most/time.Duration(len(modes)))
		if ctx.Err() != nil && c == nil {
			break
		}
		if err != nil {
			return nil, r.explain(err)
		}
		cost.spent(mode, c, groupTime(r.process.PID())-before)
		cost.Comparisons = append(cost.Comparisons, c)
	}
	cost.Interrupted = ctx.Err() != nil
	if o.Mode == Connect && run.To == "" && !cost.Interrupted {
		stop()
		if s, err := relayedDial(ctx); err == nil {
			cost.NotAwaited = true
			s.Close()
		}
	}
	if len(cost.Comparisons) == 0 {
		return nil, fmt.Errorf("nothing was compared: %w", context.Cause(ctx))
	}
	return cost, nil
}

// server returns the address of the server, and how to reach it.
func (r *RelayRun) server(ctx context.Context, program string) (a address.Address, dial Dial, stop func(), err error) {
	text := r.To
	if text == "" {
		text = "tcp:127.0.0.1:0"
	}
	if a, err = address.Parse(text); err != nil {
		return a, nil, nil, err
	}
	if r.To == "" {
		dial, stop, err = ServeLocal(ctx, &Server{Program: program}, a)
		return a, dial, stop, err
	}
	return a, func(ctx context.Context) (*socket.Socket, error) { return zocalo.DialAddress(ctx, a) }, func() {}, nil
}

// freeAddress finds an address of this machine's for the relay to listen on: a
// port that the system chose just now, or a path.
func freeAddress(ctx context.Context, s *scheme.Scheme, dir string) (a address.Address, n socket.Name, err error) {
	if a, err = localAddress(s, dir); err != nil {
		return a, n, refusef("a relay of scheme %s: %v", s.Name, err)
	}
	l, err := zocalo.ListenAddress(ctx, a)
	if err != nil {
		return a, n, err
	}
	n = l.Name()
	a.Endpoint = n.String()
	return a, n, l.Close()
}

// placeholder matches what place replaces.
var placeholder = regexp.MustCompile(`\{[a-z.]+\}`)

// place puts the addresses into a command.
func place(command []string, from, to string, fromName, toName socket.Name) ([]string, error) {
	values := map[string]string{"{from}": from, "{to}": to}
	for side, n := range map[string]socket.Name{"from": fromName, "to": toName} {
		if ap := n.AddrPort(); ap.IsValid() {
			values["{"+side+".host}"], values["{"+side+".port}"] = ap.Addr().String(), strconv.Itoa(int(ap.Port()))
		}
		if path := n.Path(); path != "" {
			values["{"+side+".path}"] = path
		}
	}
	var wrong error
	args := make([]string, len(command))
	for i, word := range command {
		args[i] = placeholder.ReplaceAllStringFunc(word, func(p string) string {
			v, ok := values[p]
			if !ok && wrong == nil {
				wrong = refusef("%s in the relay's command: use one of %s", p, strings.Join(sortedKeys(values), ", "))
			}
			return v
		})
	}
	if len(args) == 0 {
		wrong = refusef("the relay's command is empty")
	}
	return args, wrong
}

// A relayed is a relay that runs.
type relayed struct {
	process  *process.Process
	out      string // the file with what it prints
	patience time.Duration
}

func (r *relayed) start(args []string, from, to string) error {
	out, err := os.OpenFile(r.out, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	r.process, err = process.Start(process.Command{
		Args: args, Stdout: out, Stderr: out, Env: append(os.Environ(), "ZOCALO_FROM="+from, "ZOCALO_TO="+to),
	})
	return err
}

// end ends the relay, and all that it started: it waits for more peers, and would not by itself.
func (r *relayed) end() { r.process.Terminate(r.patience) }

// await waits until the relay answers for the server.
func (r *relayed) await(ctx context.Context, dial Dial, o Options) error {
	end := time.Now().Add(r.patience)
	o.Patience = min(r.patience, 500*time.Millisecond)
	for {
		f, err := open(ctx, dial, greeting{service: echoed, size: requestSize, batch: 1, run: randomNumber()}, &o)
		if err == nil {
			return f.socket.Close()
		}
		select {
		case <-r.process.Exited():
			return r.explain(fmt.Errorf("the relay exited before it relayed anything: %v", r.process.Wait()))
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(end) {
			return r.explain(fmt.Errorf("the relay passed nothing on within %s: %w", units.Set(r.patience), err))
		}
	}
}

// explain adds the last line that the relay printed.
func (r *relayed) explain(err error) error {
	text, _ := os.ReadFile(r.out)
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if last := printable([]byte(lines[len(lines)-1])); last != "" {
		return fmt.Errorf("%w; it said: %s", err, last)
	}
	return err
}

// spent notes what the relay's CPU time was per unit of work.
func (c *RelayCost) spent(mode Mode, r *Comparison, used time.Duration) {
	conditions := &r.Second.Conditions
	whole := conditions.Duration + conditions.WarmUp
	if used <= 0 || conditions.Duration <= 0 {
		return
	}
	used = time.Duration(float64(used) * float64(conditions.Duration) / float64(whole))
	switch mode {
	case RoundTrip:
		if n := r.Second.Latency.Count(); n > 0 {
			c.ProcessorTrip = used / time.Duration(n)
		}
	case Stream:
		bytes := 0.0
		for _, bits := range r.Second.Figures {
			bytes += bits / 8 * conditions.Duration.Seconds()
		}
		if bytes > 0 {
			c.ProcessorByte = float64(used) / bytes
		}
	}
}

// WriteText writes what the relay costs for people.
func (c *RelayCost) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", c.Command)
	var rows []row
	for _, r := range c.Comparisons {
		ratio, low, high := r.Ratio, r.Low, r.High // of times: with the relay, divided by without
		if r.Unit != "ns" {
			ratio, low, high = 1/r.Ratio, 1/r.High, 1/r.Low
		}
		interval := ""
		if r.High > 0 {
			interval = fmt.Sprintf("%.3g to %.3g with %.0f%% confidence, ", low, high, 100*(1-r.ErrorRate))
		}
		rows = append(rows, row{r.Figure, fmt.Sprintf("%.3g times what it is without the relay (%s%s)", ratio, interval, units.Plural(r.Pairs, "pair"))})
		switch {
		case r.Verdict != Undecided || r.Interrupted:
		case r.Pairs < looks[0]:
			rows = append(rows, row{"", fmt.Sprintf("too few pairs to be sure: at least %d are needed", looks[0])})
		default:
			rows = append(rows, row{"", "inconclusive: within the time neither a difference nor its absence was shown"})
		}
	}
	for _, r := range c.Comparisons {
		for _, p := range []float64{50, 99} {
			before, ok := r.First.Latency.Percentile(p)
			after, ok2 := r.Second.Latency.Percentile(p)
			if ok && ok2 {
				rows = append(rows, row{"it adds", fmt.Sprintf("%s to the %s of a %s: %s without it, %s with it", signedTime(time.Duration(after-before)), percentileName(p), timed[r.First.Conditions.Mode == Connect],
					units.Time(time.Duration(before)), units.Time(time.Duration(after)))})
			}
		}
	}
	if c.ProcessorTrip > 0 {
		rows = append(rows, row{"its CPU time", units.Time(c.ProcessorTrip) + " per round trip"})
	}
	if c.ProcessorByte > 0 {
		rows = append(rows, row{"its CPU time", fmt.Sprintf("%.3g ns per byte", c.ProcessorByte)})
	}
	if c.NotAwaited {
		rows = append(rows, row{"note", "through the relay a connection is established before TO is reached: that time is not included"})
	}
	if c.Interrupted {
		rows = append(rows, row{"note", "the run was interrupted: the figures cover what happened until then"})
	}
	writeRows(&b, rows)
	b.WriteString("\n")
	writeRows(&b, c.Comparisons[0].Second.Conditions.rows())
	_, err := io.WriteString(w, b.String())
	return err
}

// timed is what is timed, of connections and of all else.
var timed = map[bool]string{true: "connection", false: "round trip"}

// signedTime is a time that may be negative.
func signedTime(d time.Duration) string {
	if d < 0 {
		return "-" + units.Time(-d)
	}
	return units.Time(d)
}
