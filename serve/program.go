package serve

import (
	"context"
	"log/slog"
	"os"
	"sync"
	"time"

	"zocalo/internal/accept"
	"zocalo/process"
	"zocalo/relay/join"
	"zocalo/relay/outcome"
	"zocalo/server"
	"zocalo/socket"
)

// Stderr says where a program's standard error goes.
type Stderr int

const (
	// Log writes each line to the log, up to 4096 bytes of it at a time. A
	// program that writes faster than the log takes waits.
	Log Stderr = iota
	// Socket puts descriptor 2 on the socket, beside 0 and 1.
	Socket
	// Discard is /dev/null.
	Discard
)

// DefaultGrace is how long a program has between SIGTERM and SIGKILL where
// Grace does not say.
const DefaultGrace = 2 * time.Second

// A Program is what is run for each connection. Only Command.Args is needed.
// The fields must not change once it serves.
type Program struct {
	// Command says what to run. Its descriptors and Terminal are Program's to
	// set, and the variables of [Environment] are added to its Env, in place of
	// those that [TellsPeer] knows.
	Command process.Command

	// Stderr says where standard error goes.
	Stderr Stderr

	// Terminal gives the program a pseudo-terminal, and copies. Standard error
	// is on it too, unless Stderr is Discard.
	Terminal bool

	// MaxProcs bounds the programs that run at once; what is beyond waits for
	// one to end. 0 or less is no bound.
	MaxProcs int

	// Timeout ends a program, by SIGTERM to its process group and SIGKILL
	// after Grace, when it has run for so long; and the copying of what it
	// wrote, where Program copies. 0 or less is never.
	Timeout time.Duration

	// Grace is the time between SIGTERM and SIGKILL; 0 or less means
	// DefaultGrace.
	Grace time.Duration

	// Joining, if not nil, is told of each connection and its program before anything
	// passes, and may add to the options by which they are joined, such as a filter. The
	// func that it returns is told how that ended. What passes is then copied.
	Joining func(c, program *socket.Socket, o *join.Options) (over func(outcome.Result, error))

	// Log is told of each program's end, and of what it writes to standard
	// error; nil discards that.
	Log *slog.Logger

	gate  process.Gate
	once  sync.Once
	slots chan struct{} // one for each program that runs; nil without a bound
	env   []string      // what all programs get
}

// Accepting returns a listener that accepts from l as fast as programs can be
// started. Its connections must all be given to p.Serve, or closed.
func (p *Program) Accepting(l server.Listener) server.Listener { return p.gate.Before(l) }

func (p *Program) init() {
	p.once.Do(func() {
		if p.MaxProcs > 0 {
			p.slots = make(chan struct{}, p.MaxProcs)
		}
		p.env = p.Command.Env
		if p.env == nil {
			p.env = os.Environ()
		}
		p.env = withoutPeer(p.env)
	})
}

func (p *Program) log() *slog.Logger {
	if p.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return p.Log
}

func (p *Program) grace() time.Duration {
	if p.Grace <= 0 {
		return DefaultGrace
	}
	return p.Grace
}

// Serve runs the program for one connection, and returns when its process
// group is gone: also what the program started, unless that has left the group.
// The end of ctx ends it as Timeout does, and so does a client that is gone. c is
// Serve's, and closed when it returns: input that the program has not read is
// dropped first, for a moment, so that no reset overtakes the answer. The
// connection of a program that was ended is reset. The error is of starting the
// program, and the connection is then reset; how the program ended is logged.
//
// Where descriptors, processes or memory are out, Serve waits until the program
// can be started; [Program.Accepting] makes clients wait before that.
func (p *Program) Serve(ctx context.Context, c *socket.Socket) (err error) {
	began := time.Now()
	defer func() {
		if err != nil {
			p.gate.Started(c)
			accept.Refuse(ctx, c, began)
		}
		c.Close()
	}()
	p.init()
	release, err := p.slot(ctx)
	if err != nil {
		return err
	}
	defer release()
	r := &run{Program: p, ctx: ctx, release: release, log: p.log().With("peer", accept.PeerText(c))}
	r.command = p.Command
	r.command.Env = append(p.env[:len(p.env):len(p.env)], Environment(c)...)
	_, direct := socket.As[socket.Descriptor](c)
	switch {
	case p.Terminal:
		return r.onTerminal(c)
	case direct && r.Joining == nil:
		return r.onSocket(c)
	}
	return r.onPair(c)
}

// slot waits until one more program may run. release is for when it has ended, and may
// be called again.
func (p *Program) slot(ctx context.Context) (release func(), err error) {
	if p.slots == nil {
		return func() {}, nil
	}
	select {
	case p.slots <- struct{}{}:
		return sync.OnceFunc(func() { <-p.slots }), nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
