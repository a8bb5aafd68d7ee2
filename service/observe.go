package service

import (
	"context"
	"fmt"
	"sync"

	"zocalo"
	"zocalo/address"
	"zocalo/internal/say"
	"zocalo/relay"
	"zocalo/service/accesslog"
	"zocalo/service/metrics"
	"zocalo/service/verb"
)

// accessLogKey is the option of every verb that is for files alone.
const accessLogKey = "access-log"

// accessLog is where a service writes a line for each of its pairs, "" for nowhere.
func (s *Service) accessLog() string {
	if words := s.Options[accessLogKey]; len(words) > 0 {
		return words[0]
	}
	return ""
}

// observed reports whether all pairs of a service are heard of: one that was not cannot
// be from now on.
func (s *Service) observed() bool { return s.counted || s.accessLog() != "" }

// An observer is who hears of the pairs of a unit, besides the program that runs the Set.
type observer struct {
	figures *metrics.Service // nil without metrics
	log     *accesslog.Log   // nil without an access log
	to      string           // of log
}

func (o *observer) ended(service string, p relay.Pair) {
	if o.figures != nil {
		o.figures.Ended(p)
	}
	if o.log != nil {
		o.log.Ended(service, p)
	}
}

// ended is what a unit's jobs tell of pairs that are over, nil where nobody wants to know.
func (u *unit) ended() func(relay.Pair) {
	o := &u.set.options
	if o.Ended == nil && u.observer.Load() == nil {
		return nil
	}
	return func(p relay.Pair) {
		if who := u.observer.Load(); who != nil {
			who.ended(u.name, p)
		}
		if o.Ended != nil && (!o.OnlyFailures || p.Result.How == relay.Failed) {
			o.Ended(u.name, p)
		}
	}
}

// onlyFailures reports whether nobody hears of other pairs than those that failed.
func (u *unit) onlyFailures() bool { return u.set.options.OnlyFailures && u.observer.Load() == nil }

// reached is for the Reached of a relay, nil without metrics.
func (u *unit) reached() func(int64, relay.Attempt) {
	if who := u.observer.Load(); who == nil || who.figures == nil {
		return nil
	}
	return func(pair int64, a relay.Attempt) {
		if who := u.observer.Load(); who != nil && who.figures != nil {
			who.figures.Reached(pair, a)
		}
	}
}

// observing is what a Set has of logs and metrics. It is the Set's, under its mu.
type observing struct {
	registry *metrics.Registry
	logs     map[string]*accesslog.Log // by where they go
	server   *exporter                 // nil without metrics
}

// An exporter serves metrics.
type exporter struct {
	text     string // of the config
	listener *zocalo.Listener
	stop     context.CancelFunc
	over     sync.WaitGroup
}

// metricsAddress reads where metrics are served.
func metricsAddress(text string) (address.Address, error) {
	text, err := expand(text)
	if err != nil {
		return address.Address{}, err
	}
	a, err := verb.Read(text, "tcp-listen")
	switch {
	case err != nil:
		return a, err
	case a.Scheme.NoListen || !a.Passive(true):
		return a, fmt.Errorf("%v does not listen: give an address such as 127.0.0.1:9100", a)
	}
	return a, zocalo.CheckAddress(a, true)
}

// openMetrics listens for scrapers, of whom it serves none yet.
func (s *Set) openMetrics(ctx context.Context, text string) (*exporter, error) {
	a, err := metricsAddress(text)
	if err != nil {
		return nil, err
	}
	var l *zocalo.Listener
	if sockets := s.options.Taken.take(metricsName, a); sockets != nil {
		l, err = new(zocalo.ListenConfig).Adopt(a, sockets...)
	} else {
		l, err = zocalo.ListenAddress(ctx, a)
	}
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	return &exporter{text: text, listener: l}, nil
}

// begin serves scrapers, until end.
func (e *exporter) begin(s *Set) {
	ctx, stop := context.WithCancel(context.Background())
	e.stop = stop
	s.log.Info("metrics are served", "address", e.listener.Address())
	e.over.Go(func() {
		if err := s.registry.Serve(ctx, e.listener.NetListener()); err != nil && ctx.Err() == nil {
			s.log.Error("metrics are no longer served", "error", say.Error(err))
		}
	})
}

// end ends it. One that never began is closed.
func (e *exporter) end() {
	switch {
	case e == nil:
	case e.stop == nil:
		e.listener.Close()
	default:
		e.stop()
		e.over.Wait()
	}
}

// openLogs opens the logs of services that are not open yet.
func (s *Set) openLogs(specs []*spec) (opened map[string]*accesslog.Log, err error) {
	opened = map[string]*accesslog.Log{}
	for _, spec := range specs {
		to := spec.accessLog()
		if to == "" || s.logs[to] != nil || opened[to] != nil {
			continue
		}
		l, err := accesslog.Open(to, accesslog.Options{Log: s.log})
		if err != nil {
			closeLogs(opened)
			return nil, fmt.Errorf("service %s: %w", spec.Name, err)
		}
		opened[to] = l
	}
	return opened, nil
}

func closeLogs(logs map[string]*accesslog.Log) {
	for _, l := range logs {
		l.Close()
	}
}

// observe has a unit's pairs heard of as its service says. The caller holds mu.
func (s *Set) observe(u *unit, spec *spec) {
	to := spec.accessLog()
	var figures *metrics.Service
	if spec.counted {
		figures = s.registry.Service(u.name)
	}
	old := u.observer.Load()
	switch {
	case figures == nil && to == "":
		if old != nil {
			u.observer.Store(nil)
		}
	case old == nil || old.figures != figures || old.to != to:
		u.observer.Store(&observer{figures, s.logs[to], to})
	}
}

// forget closes logs that no unit writes to any more, and drops the figures of
// services that are over. The caller holds mu.
func (s *Set) forget() {
	logs, names := map[string]bool{}, map[string]bool{}
	for _, u := range append(s.units, s.leaving...) {
		names[u.name] = true
		if who := u.observer.Load(); who != nil {
			logs[who.to] = true
		}
	}
	for to, l := range s.logs {
		if !logs[to] {
			delete(s.logs, to)
			s.lostLines += l.Lost()
			s.work.Go(func() { // which may take a second
				if err := l.Close(); err != nil {
					s.log.Error(say.Error(err))
				}
			})
		}
	}
	for _, name := range s.registry.Names() {
		if !names[name] {
			s.registry.Remove(name)
		}
	}
}

// ReopenLogs opens the files of access logs anew: what was moved away gets no more lines.
func (s *Set) ReopenLogs() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.logs {
		l.Reopen()
	}
}

// state is what metrics are asked for.
func (s *Set) state() metrics.State {
	all := s.Status()
	m := metrics.State{
		Reloads: all.Reloads, ReloadsRefused: all.Refused, Reloaded: all.Reloaded, ReloadSucceeded: all.ReloadError == "",
		Lost: map[string]int64{accessLogKey: all.LostAccessLines},
	}
	if s.options.Lost != nil {
		for log, lines := range s.options.Lost() {
			m.Lost[log] = lines
		}
	}
	for i := range all.Services {
		one := &all.Services[i]
		t := &one.Totals
		state := metrics.ServiceState{Name: one.Name, Verb: one.Verb, Up: one.State == Running, Pool: one.Upstreams}
		state.Totals = relay.Totals{Open: t.Open, Ended: t.Ended, Reset: t.Reset, Failed: t.Failed, Refused: t.Refused, Dropped: t.Dropped}
		state.Totals.From[relay.A].Bytes, state.Totals.From[relay.B].Bytes = t.Sent, t.Received
		state.Totals.From[relay.A].Messages, state.Totals.From[relay.B].Messages = t.SentMessages, t.ReceivedMessages
		m.Services = append(m.Services, state)
	}
	return m
}
