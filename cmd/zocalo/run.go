package main

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"zocalo"
	"zocalo/address"
	"zocalo/fault"
	"zocalo/internal/control"
	"zocalo/internal/systemd"
	"zocalo/internal/units"
	"zocalo/internal/watch"
	"zocalo/relay"
	"zocalo/relay/outcome"
	"zocalo/service"
	"zocalo/service/verb"
	"zocalo/socket"
)

// runRun is the verb run: services from a file.
type runRun struct {
	*app
	check, example, watch, upgrade bool

	admin adminAt
	boxed boxed
	toxic toxic

	file      string
	set       *service.Set
	begun     chan struct{} // closed once the services serve
	manager   *systemd.Manager
	handed    *service.Handed // by the process before
	successor atomic.Bool     // there is one, which speaks to the manager
	upgrading sync.WaitGroup
	upgrades  *service.Upgrades
	endAdmin  atomic.Pointer[func()]
	silent    func() // to the manager's watchdog
	serves    func() // has another process take over
	reloading sync.Mutex
}

func (a *app) runVerb() *cobra.Command {
	r := &runRun{app: a}
	cmd := &cobra.Command{
		Use:   "run FILE",
		Short: "Run any number of relays and servers from one file",
		Long: `run reads services from a TOML file and runs them all: relays, echo servers, and
programs for each connection. A service has the addresses and the long flags of its
verb as keys:

  [service.web]
  from = "tcp-listen:8080"
  to = "tcp:10.0.0.7:80"
  idle = "5m"

SIGHUP, or --watch, makes it read the file again and apply what has changed: what has
not is left alone, and open pairs continue. If anything is wrong with the new file, the old
one stays in force. --check says what is wrong with a file, all at once. SIGHUP
opens access logs anew too, for logrotate.

--upgrade starts another process, such as a new version of zocalo, that takes all
listeners over from the one that runs FILE: no connection is refused, and the old
process exits once its open pairs have ended.

On SIGINT or SIGTERM it stops accepting, waits for open connections as long as the
drain of each service says, and exits; a second signal ends it at once. SIGUSR1 prints
totals and the open pairs.`,
		Example: `  zocalo run --example > zocalo.toml
  zocalo run --check zocalo.toml
  zocalo run --watch zocalo.toml
  zocalo run --upgrade zocalo.toml
  zocalo relay --idle 5m 8080 db:80 --print-service=web >> zocalo.toml`,
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case r.example:
				return arguments(0, 0)(cmd, args)
			case r.toxic.at != "":
				return arguments(0, 1)(cmd, args)
			}
			return arguments(1, 1)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if r.example {
				return r.print(service.Example())
			}
			if len(args) > 0 {
				r.file = args[0]
			}
			return r.run(cmd)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&r.check, "check", false, "only check FILE: print all that is wrong with it, and exit")
	f.BoolVar(&r.example, "example", false, "print a commented example of a file, and exit")
	f.BoolVar(&r.upgrade, "upgrade", false, "take over the listeners of the process that runs FILE; its open pairs stay with it until they end")
	f.BoolVar(&r.watch, "watch", false, "apply changes of FILE, and of what it includes, as they are made")
	f.BoolVar(&r.boxed.asked, "sandbox", false, "once everything is listening, allow only the files and TCP ports that FILE names (Landlock)")
	f.StringVar(&r.toxic.at, "toxiproxy", "", "also serve toxiproxy's HTTP API at `HOST:PORT`; FILE may be omitted then")
	r.admin.declare(cmd)
	return cmd
}

func (r *runRun) run(cmd *cobra.Command) error {
	for _, names := range [][]string{{"check", "example", "watch"}, {"check", "example", "upgrade"}, {"toxiproxy", "upgrade"}} {
		if err := exclusive(cmd, names...); err != nil {
			return err
		}
	}
	if !r.check {
		r.manager = systemd.Find() // and no program that is served
	}
	config, err := new(service.Config), error(nil)
	if r.file != "" {
		config, err = service.Load(r.file)
	}
	if err != nil {
		return r.problems(err)
	}
	if r.boxed.asked {
		if r.toxic.at != "" {
			return usagef("--sandbox and --toxiproxy cannot be combined: what the proxies will need is not known in advance")
		}
		if _, err := config.Needs(); err != nil {
			return usagef("--sandbox: %w", err)
		}
	}
	if r.check {
		return r.checked(config)
	}
	if r.upgrade {
		if r.handed, err = r.takeOver(cmd.Context()); err != nil {
			return err
		}
		defer r.handed.Close()
	}
	r.begun = make(chan struct{})
	r.set, err = service.New(config, service.Options{
		Log: r.log, Taken: r.handed, Listening: r.sayListeningOf, Handshake: r.sayHandshakeOf, Relay: r.decorate, Ended: r.sayPairOf, OnlyFailures: !r.json && !r.verbose,
		Lost: func() map[string]int64 {
			return map[string]int64{"stderr": r.journal.lostLines(), "stdout": r.events.lostLines()}
		},
		Opened:  func() error { return r.opened(config) },
		Serving: func() { close(r.begun); r.serving(config) },
	})
	if err != nil {
		return r.problems(err)
	}
	ctx, stop := r.drainedBut(cmd.Context(), syscall.SIGHUP, "at most", "the drain of each service", func(stopped) { r.set.Abort() })
	defer stop()
	defer onSignal(sigTotals, r.sayTotals)()
	if !signal.Ignored(syscall.SIGHUP) {
		defer onSignal(syscall.SIGHUP, func() {
			r.set.ReopenLogs()
			r.reload("SIGHUP", false)
		})()
	}
	endToxiproxy, err := r.serveToxiproxy()
	if err != nil {
		return err
	}
	defer endToxiproxy()
	if r.handed == nil {
		end, err := r.administer(r.reloadFor)
		if err != nil {
			return err
		}
		r.endAdmin.Store(&end)
	}
	defer r.endAdministering()
	defer context.AfterFunc(ctx, func() { r.tellManager(r.manager.Stopping) })()
	upgradable, noMore := context.WithCancel(ctx)
	defer r.upgrading.Wait()
	defer noMore()
	r.serves = func() { r.upgrading.Go(func() { r.serveUpgrades(upgradable) }) }
	defer r.alive(ctx)()
	defer r.watching(ctx, config)()
	defer r.tell("run", r.rows)()
	err = r.set.Run(ctx)
	if err == nil || canceled(ctx, err) {
		return nil
	}
	return asked(err)
}

// problems prints all that is wrong with a file, a line each.
func (r *runRun) problems(err error) error {
	var all service.Problems
	if !errors.As(err, &all) {
		return err
	}
	for _, p := range all {
		if r.json && r.check {
			if err := r.printJSON(newProblem(p)); err != nil {
				return err
			}
			continue
		}
		r.sayError(p.String())
	}
	return statusError(statusUsage)
}

// problem is what --check --json prints of something that is wrong.
type problem struct {
	Event   string `json:"event"` // "problem"
	File    string `json:"file"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Service string `json:"service,omitempty"`
	Error   string `json:"error"`
}

func newProblem(p service.Problem) problem {
	return problem{"problem", p.File, p.Line, p.Column, p.Service, p.Text}
}

// checked is what --check says of a file that is in order.
func (r *runRun) checked(c *service.Config) error {
	if r.json {
		return r.printJSON(map[string]any{"event": "checked", "file": r.file, "services": len(c.Services)})
	}
	return r.print(fmt.Sprintf("%s: %s, nothing wrong\n", r.file, units.Plural(len(c.Services), "service")))
}

// reload applies the file as it is now, which it returns; where that cannot be, the error says
// why, and is logged. A quiet one says nothing where there is nothing new.
func (r *runRun) reload(why string, quiet bool) (*service.Config, error) {
	r.reloading.Lock()
	defer r.reloading.Unlock()
	if r.file == "" {
		err := errors.New("there is no file to read again")
		r.set.Refused(err)
		r.log.Error("not reloaded", "reason", why, "error", err)
		return nil, err
	}
	if r.successor.Load() {
		return nil, errors.New("another process has taken the services over")
	}
	if !quiet {
		r.tellManager(r.manager.Reloading)
		defer func() {
			s := r.set.Status()
			text := units.Plural(len(s.Services), "service")
			if s.ReloadError != "" {
				text += "; the last reload was refused: " + s.ReloadError
			}
			r.tellManager(func() error { return r.manager.Ready(text) })
		}()
	}
	config, err := service.Load(r.file)
	if err == nil {
		err = r.fits(config)
	}
	if err != nil {
		r.set.Refused(err)
	} else {
		var change *service.Change
		if change, err = r.set.Reload(config); err == nil {
			if quiet && len(change.Kept) == len(config.Services) && len(change.Removed) == 0 {
				return config, nil
			}
			r.log.Info("reloaded", "reason", why, "services", change.String(), "took", change.Took.Round(time.Microsecond))
			return config, nil
		}
	}
	text := oneLine(err)
	var all service.Problems
	if errors.As(err, &all) && len(all) > 1 {
		text = fmt.Sprintf("%s (and %d more: see zocalo run --check)", all[0], len(all)-1)
	}
	r.log.Error("not reloaded: what ran before continues", "reason", why, "error", text)
	return nil, err
}

// watching applies changes of the files until stop is called.
func (r *runRun) watching(ctx context.Context, c *service.Config) (stop func()) {
	if !r.watch {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var over sync.WaitGroup
	over.Go(func() {
		select { // before, nothing is changed
		case <-r.begun:
		case <-ctx.Done():
		}
		for files := c.Files; ctx.Err() == nil; { // what is included may be other files then
			seen := watch.At(files)
			if now, _ := r.reload("a file has changed", true); now != nil && !slices.Equal(now.Files, files) {
				files = now.Files
				continue
			}
			round, next := context.WithCancel(ctx)
			watch.Files(round, files, seen, func() {
				if now, _ := r.reload("a file has changed", false); now != nil && !slices.Equal(now.Files, files) {
					files = now.Files
					next()
				}
			})
			next()
		}
	})
	return func() {
		cancel()
		over.Wait()
	}
}

// alive tells the service manager that this process is, until stop is called.
func (r *runRun) alive(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // it drains after ctx has ended
	var over sync.WaitGroup
	over.Go(func() { r.manager.Watch(ctx) })
	r.silent = cancel
	return func() {
		cancel()
		over.Wait()
	}
}

// tellManager tells the service manager something, unless a successor does that now.
func (r *runRun) tellManager(tell func() error) {
	if !r.successor.Load() {
		r.warn(tell())
	}
}

// warn logs what is no reason to end.
func (r *runRun) warn(err error) {
	if err != nil {
		r.log.Warn(oneLine(err))
	}
}

// listeningOf is a listening event with its service.
type listeningOf struct {
	listening
	Service string `json:"service"`
}

// sayListeningOf says where a service listens.
func (r *runRun) sayListeningOf(name string, l *zocalo.Listener, a address.Address) {
	for _, s := range l.Sockets() {
		at := a.Scheme.Name + ":" + s.Name().String()
		switch {
		case r.json:
			r.printEvent(listeningOf{listening{"listening", s.Kind().String(), s.Name().String(), at}, name})
		case !r.quiet:
			r.sayf("listening on %s (%s)", at, name)
		}
	}
	for _, line := range l.Notices() {
		r.sayf("%s", line)
	}
	for _, err := range l.Skipped() {
		r.log.Debug("not listening on one of the addresses", "service", name, "error", err)
	}
}

// sayHandshakeOf says what became of the layers of a connection.
func (r *runRun) sayHandshakeOf(_ string, a address.Address, c *socket.Socket, err error) {
	r.sayHandshake(&passive{address: a}, c, err)
}

// pairEventOf is a pairEvent with its service.
type pairEventOf struct {
	Service string `json:"service"`
	pairEvent
}

// sayPairOf says how a pair ended, as relay does.
func (r *runRun) sayPairOf(name string, p relay.Pair) {
	switch {
	case r.json:
		r.printEvent(pairEventOf{name, newPairEvent("ended", p)})
	case r.verbose:
		r.sayf("%s: %s", name, pairText(p))
	}
	if p.Err != nil && p.Result.How == outcome.Failed {
		r.log.Warn("pair failed", "service", name, "pair", p.Number, "peer", p.Peer, "target", p.Target, "error", oneLine(sideNamed(p.Err)))
	}
}

// statusEvent is what --json prints at SIGUSR1 of each service.
type statusEvent struct {
	Event string `json:"event"` // "totals"
	service.ServiceStatus
}

// sayTotals prints the totals of each service, and what is open.
func (r *runRun) sayTotals() {
	for _, s := range r.set.Status().Services {
		t := s.Totals
		if r.json {
			r.printEvent(statusEvent{"totals", s})
		} else {
			r.sayf("%s: %s, %s open, %s ended (%s reset, %s failed): sent %v, received %v", s.Name, s.State, units.Plural(t.Open, "pair"), units.Count(t.Ended), units.Count(t.Reset), units.Count(t.Failed),
				passed{Bytes: t.Sent, Messages: t.SentMessages}, passed{Bytes: t.Received, Messages: t.ReceivedMessages})
		}
		pairs, _ := r.set.Pairs(s.Name)
		for _, p := range pairs {
			if r.json {
				r.printEvent(pairEventOf{s.Name, newPairEvent("open", p)})
			} else {
				r.sayf("%s: %s", s.Name, pairText(p))
			}
		}
	}
}

// rows are the open pairs of all services, for list.
func (r *runRun) rows() (rows []control.Row) {
	for _, s := range r.set.Status().Services {
		scheme := ""
		if len(s.Listeners) > 0 {
			scheme = s.Listeners[0].Kind
		}
		pairs, _ := r.set.Pairs(s.Name)
		for _, p := range pairs {
			row := control.Row{Kind: "pair", State: "established", Local: cameFrom(scheme, p.Peer), Peer: p.Target, Began: p.Began,
				Sent: p.Result.From[outcome.A].Bytes, Received: p.Result.From[outcome.B].Bytes}
			if p.Target == "" {
				row.State = "connecting"
			}
			rows = append(rows, row)
		}
	}
	return rows
}

// decorate adds to a relay what is the command's to do.
func (r *runRun) decorate(name string, told *verb.Relay) error {
	if d := r.newDump(told, name); d != nil {
		told.Filter = relay.See(d.see)
		told.Ended = func(p relay.Pair) { d.forget(p.Number) }
	}
	plan, err := told.Faults.Plan(func(p *fault.Plan) {
		p.Warn = func(text string) { r.log.Warn(text, "service", name) }
	})
	if plan != nil {
		told.Filter = relay.Chain(plan.Filter, told.Filter)
		r.log.Info("faults impair what passes", "service", name, "seed", told.Faults.Seed)
	}
	return err
}
