package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"zocalo"
	"zocalo/address"
	"zocalo/internal/say"
	"zocalo/relay"
	"zocalo/service/accesslog"
	"zocalo/service/metrics"
	"zocalo/service/verb"
	"zocalo/socket"
)

// Options are what the program that runs a [Set] has to do with it. All may be nil.
type Options struct {
	// Log is told what a person who runs services wants to know, of each with its name
	// ("service").
	Log *slog.Logger

	// Listening is told of each listener that is opened, or taken over from another
	// process, before anything is accepted. It must not wait.
	Listening func(service string, l *zocalo.Listener, a address.Address)

	// Handshake is told of each connection whose layers are ready, or of why it came to nothing, as
	// [zocalo.Listener.OnHandshake] says.
	Handshake func(service string, a address.Address, c *socket.Socket, err error)

	// Opened is called once all services listen that a Set begins with, before they
	// serve. Its error ends Run: it is where privileges are dropped.
	Opened func() error

	// Serving is called once all of them serve.
	Serving func()

	// Relay may change what a relay is about to run with, as by a filter for what it was
	// told and package verb does not do by itself (Dump). Its error refuses the service.
	Relay func(service string, told *verb.Relay) error

	// Ended is told of each pair of a relay that is over, or each connection of the
	// others. It may wait, and then the service's other pairs do.
	Ended func(service string, p relay.Pair)

	// OnlyFailures makes Ended hear of pairs that failed alone, which costs less.
	OnlyFailures bool

	// Lost says how many lines the program's own logs have lost, by their names, for metrics.
	Lost func() map[string]int64

	// Taken are listening sockets that another process has handed over.
	Taken *Handed
}

// A Set runs services. It runs once.
type Set struct {
	options Options
	log     *slog.Logger
	began   time.Time

	mu       sync.Mutex // of what follows, and one reload at a time
	config   *Config
	specs    []*spec // of config
	units    []*unit // in the order of config
	leaving  []*unit // removed, with pairs that are open
	life     context.Context
	over     bool
	reloads  int64
	refused  int64
	last     time.Time // a reload was done
	lastTook time.Duration
	lastErr  string // why the last one was refused, "" if it was not
	work     sync.WaitGroup

	observing
	lostLines int64 // of logs that are closed

	handingOver bool          // another process is about to take over
	handedOver  chan struct{} // closed once it has

	shown atomic.Pointer[published]

	aborted   chan struct{}
	abortOnce sync.Once
}

// New makes a Set of a config, or says all that is wrong with that ([Problems]). It opens
// nothing.
func New(c *Config, o Options) (*Set, error) {
	specs, problems := c.specs()
	if err := problems.sorted(); err != nil {
		return nil, err
	}
	s := &Set{options: o, log: o.Log, config: c, specs: specs, aborted: make(chan struct{}), handedOver: make(chan struct{})}
	s.registry, s.logs = metrics.New(s.state), map[string]*accesslog.Log{}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s, nil
}

// Run opens all services, serves until ctx ends, lets what is open finish, as long as each
// service's drain says, and returns nil. If one cannot be opened at the beginning, none is, and
// that is the error. One that fails later is tried again, with pauses from one second
// to half a minute.
func (s *Set) Run(ctx context.Context) error {
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	if err := s.begin(ctx, life); err != nil {
		return err
	}
	if s.options.Serving != nil {
		s.options.Serving()
	}
	select {
	case <-ctx.Done():
	case <-s.aborted:
	case <-s.handedOver:
		s.whenHanded(ctx)
	}
	s.mu.Lock()
	s.over = true
	for _, u := range slices.Concat(s.units, s.leaving) {
		u.end()
		select {
		case <-s.aborted:
			u.abort()
		default:
		}
	}
	s.mu.Unlock()
	s.work.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.server.end()
	for _, l := range s.logs {
		if err := l.Close(); err != nil {
			s.log.Error(say.Error(err))
		}
	}
	return nil
}

func (s *Set) begin(ctx, life context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life != nil {
		return errors.New("service: a Set runs only once: make another")
	}
	s.life, s.began = life, time.Now()
	stock := newStock(s.options.Taken)
	defer stock.close()
	var next []*successor
	for _, spec := range s.specs {
		n, err := s.open(ctx, spec, stock)
		if err != nil {
			closeAll(next)
			return fmt.Errorf("service %s: %w", spec.Name, err)
		}
		next = append(next, n)
	}
	var err error
	if s.config.Metrics != "" {
		if s.server, err = s.openMetrics(ctx, s.config.Metrics); err != nil {
			closeAll(next)
			return err
		}
	}
	if s.options.Opened != nil {
		if err := s.options.Opened(); err != nil {
			closeAll(next)
			s.server.end()
			return err
		}
	}
	// As who the process is now: files must be opened anew later.
	if s.logs, err = s.openLogs(s.specs); err != nil {
		closeAll(next)
		s.server.end()
		return err
	}
	if s.server != nil {
		s.server.begin(s)
	}
	for _, n := range next {
		u := s.newUnit(n.spec.Name)
		s.observe(u, n.spec)
		s.units = append(s.units, u)
		u.begin(n)
	}
	s.publish()
	return nil
}

// Abort ends Run without the time to drain: what is open is reset. It does not wait for
// Run to return.
func (s *Set) Abort() {
	s.abortOnce.Do(func() { close(s.aborted) })
	go func() { // a reload under way may take its time
		s.mu.Lock()
		units := slices.Concat(s.units, s.leaving)
		s.mu.Unlock()
		for _, u := range units {
			u.abort()
		}
	}()
}

// A successor is a service with its listeners, which does not serve yet.
type successor struct {
	spec      *spec
	told      *told
	listeners []*zocalo.Listener

	// late is why nothing listens yet: what ran before must end first.
	late bool
}

func closeAll(all []*successor) {
	for _, n := range all {
		n.close()
	}
}

func (n *successor) close() {
	for _, l := range n.listeners {
		l.Close()
	}
}

// open makes the listeners of a service, of those in stock where it has them.
func (s *Set) open(ctx context.Context, spec *spec, stock *stock) (*successor, error) {
	t, err := spec.take()
	if err != nil {
		return nil, err
	}
	if t.relay != nil && s.options.Relay != nil {
		if err := s.options.Relay(spec.Name, t.relay); err != nil {
			return nil, err
		}
	}
	n := &successor{spec: spec, told: t}
	for i, a := range t.listens() {
		l, err := stock.listen(ctx, spec.Name, a)
		if err != nil {
			n.close()
			return nil, err
		}
		n.listeners = append(n.listeners, l)
		if tell := s.options.Handshake; tell != nil {
			l.OnHandshake(func(c *socket.Socket, err error) { tell(spec.Name, a, c, err) })
		}
		if err := n.check(l, i); err != nil {
			n.close()
			var usage *verb.UsageError
			if errors.As(err, &usage) { // in the words of a command line
				text, _ := t.options.InFile(err)
				err = &verb.UsageError{Err: errors.New(text)}
			}
			return nil, err
		}
		if s.options.Listening != nil && !stock.had(l) {
			s.options.Listening(spec.Name, l, a)
		}
	}
	return n, nil
}

// check refuses a listener with which what was asked for makes no sense.
func (n *successor) check(l *zocalo.Listener, i int) error {
	sockets := l.Sockets()
	switch t := n.told; {
	case t.serve != nil:
		if err := t.serve.CheckType(sockets[0].Type()); err != nil {
			return err
		}
		return t.serve.Check(sockets...)
	case t.echo != nil:
		if err := checkEcho(t.echo, i, sockets); err != nil {
			return err
		}
		return t.echo.Each[i].Check(sockets...)
	default:
		return t.relay.Check(sockets...)
	}
}

// complain logs an error that concerns a service.
func complain(log *slog.Logger, text string, err error, more ...any) {
	log.Error(text, append(more, "error", say.Error(err))...)
}
