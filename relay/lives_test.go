package relay_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"zocalo"
	"zocalo/address"
	"zocalo/relay"
)

var (
	livesFlag = flag.Int64("lives", 0, "connection `lives` to play; 0 is a few, for every day")
	seedFlag  = flag.Uint64("lives.seed", 0, "the `seed` of the lives; 0 is another one each time")
	onlyFlag  = flag.Int64("lives.only", -1, "the `number` of the one life to play, as often as -lives says")
	rowsFlag  = flag.String("lives.rows", "", "play only what has this `text` in its name, as \"fast, tcp to unix\"")
)

// Many lives of connections, through every engine and pair of kinds (docs/testing.md),
// judged by what each side saw: that every byte came, that none came which was not
// sent, and that the end which came was the end that was made.
//
// A life is a client, a relay and a server. Its number and the seed of the run
// decide all that the two sides do (lives_plan_test.go): what they write, how they read,
// and how they end: in order, by closing early, by a reset, or not at all, so
// that the relay ends the pair for its own reasons. What a side may see of that
// depends on what its kind of socket can tell (lives_kind_test.go), and the rules are
// those of a relay that loses nothing and never lets a stream that was cut short look
// like a whole one (lives_judge_test.go). A relay comes as an [Engine]: what starts one
// between two addresses.
func TestLives(t *testing.T) {
	plays(t, Run, append(Kinds(), layeredKinds[:5]...), 1500)
}

// Many sessions of datagrams.
func TestDatagramLives(t *testing.T) {
	plays(t, RunDatagrams, DatagramKinds(), 500)
}

func plays(t *testing.T, run func(context.Context, Config) (*Report, error), kinds []Kind, few int64) {
	if testPath != relay.Auto {
		t.Skip("the lives go by both paths in one run")
	}
	c := Config{
		Engines: engines(), Kinds: kinds, Lives: *livesFlag, Seed: *seedFlag, Only: *onlyFlag, Rows: *rowsFlag, Dir: t.TempDir(),
	}
	if c.Lives == 0 {
		c.Lives = few
	}
	if c.Seed == 0 {
		c.Seed = uint64(time.Now().UnixNano())
	}
	again := fmt.Sprintf("go test ./relay -run %s -lives %d -lives.seed %d", t.Name(), c.Lives, c.Seed)
	if *livesFlag > 0 {
		fmt.Println(again)
		c.Progress = func(done int64) {
			if done%10_000 == 0 {
				fmt.Println(done, "lives")
			}
		}
	}
	report, err := run(t.Context(), c)
	try(t, err)
	for _, lacking := range report.Lacking {
		t.Logf("this machine lacks %s", lacking)
	}
	if *livesFlag > 0 {
		fmt.Print(report.Table())
	}
	for _, fault := range report.Faults {
		t.Error(fault)
	}
	if report.Wrong > 0 {
		t.Errorf("%d faults in %d lives; again by: %s", report.Wrong, report.Lives, again)
	}
}

// engines are the ways through the relay.
func engines() []Engine {
	return []Engine{engine("fast", relay.Fast), engine("general", relay.General)}
}

func engine(name string, path relay.Path) Engine {
	return Engine{
		Name: name,
		Start: func(from, to string, o Options) (Relay, error) {
			return startRelay(path, from, to, o)
		},
		Bears: func(from, to string, frame bool, o Options) bool {
			streams := func(scheme string) bool {
				return strings.HasPrefix(scheme, "tcp") || scheme == "mptcp" || scheme == "unix"
			}
			datagrams := func(scheme string) bool { return strings.HasPrefix(scheme, "udp") || scheme == "unix-dgram" }
			return path == relay.General || !o.Watch && (streams(from) && streams(to) || datagrams(from) && datagrams(to))
		},
	}
}

// A livesRelay is a relay for lives.
type livesRelay struct {
	*relay.Relay
	at   string
	stop context.CancelFunc
	done chan error
}

func startRelay(path relay.Path, from, to string, o Options) (Relay, error) {
	r := &livesRelay{Relay: &relay.Relay{Config: relay.Config{Path: path, Limits: relay.Limits{Idle: o.Idle, Lifetime: o.Lifetime, Drain: o.Drain, Rate: o.Rate, TotalRate: o.TotalRate, MaxConns: o.MaxConns,
		SessionIdle: 10 * time.Second}}}, done: make(chan error, 1)}
	var err error
	if r.From, err = address.Parse(from); err != nil {
		return nil, err
	}
	a, err := address.Parse(to)
	if err != nil {
		return nil, err
	}
	r.To = []address.Address{a}
	if o.Watch {
		watched(r.Relay)
		recorded(r.Relay) // which stands before it
	}
	listening := make(chan string, 1)
	r.Listening = func(l *zocalo.Listener, a address.Address) error {
		listening <- a.Scheme.Name + ":" + l.Name().String() + carried(a)
		return nil
	}
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	go func() { r.done <- r.Run(ctx) }()
	select {
	case r.at = <-listening:
		return r, nil
	case err := <-r.done:
		stop()
		return nil, err
	}
}

func (r *livesRelay) Address() string { return r.at }
func (r *livesRelay) Open() int       { return r.Totals().Open }
func (r *livesRelay) Dropped() int64  { return r.Totals().Dropped }

func (r *livesRelay) Stop() error {
	r.stop()
	select {
	case err := <-r.done:
		return err
	case <-time.After(2 * patience):
		r.Abort()
		select {
		case <-r.done:
			return fmt.Errorf("the relay did not end within %v", 2*patience)
		case <-time.After(patience):
			fmt.Fprintln(os.Stderr, "the relay cannot be ended")
			os.Exit(1)
		}
	}
	return nil
}
