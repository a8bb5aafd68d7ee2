package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"syscall"

	"github.com/spf13/cobra"

	"zocalo"
	"zocalo/address"
	"zocalo/relay"
	"zocalo/relay/outcome"
	"zocalo/server"
	"zocalo/service"
	"zocalo/service/verb"
)

// relayRun is the verb relay: a relay between two addresses.
type relayRun struct {
	*app
	relay.Relay

	asked     verb.Relay // what the command line says
	printing  printing
	recording recordingFlags
	recorder  *recorder
	fault     faultRun
	dumped    *dump
	progress  *progress
}

func (a *app) relayVerb() *cobra.Command { return (&relayRun{app: a}).command() }

func (r *relayRun) command() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "relay FROM TO...",
		Aliases: []string{"r"},
		Short:   "Bridge any two addresses: what comes to one goes to the other",
		Long: `relay joins two addresses of any kind. If FROM listens (tcp-listen:8080), it serves
any number of peers at once, each with its own connection to TO; otherwise it
joins the two once. If TO listens as well, each peer of FROM is joined to the next
peer of TO. The option once makes a listener take a single peer.

A FROM of PORT or HOST:PORT means tcp-listen:, and such a TO means tcp:; -v shows
how each was read.

Several TO are tried in turn for each peer until one is reached, and names are
looked up each time. If the peers of FROM ask for a name, as with sni-listen:443
and tls-listen:443, each TO may be NAME=ADDRESS, where NAME may be *.DOMAIN for
subdomains, default for all others, or NAME/PROTOCOL by ALPN. With socks-listen:,
connect-listen: and proxy-listen: (which takes both), a TO of requested: is
whatever the peer asks for.

Between bytes and messages, frame=FORMAT on the byte side says where a message
ends, for example frame=lines or frame=len32.

Faults impair what passes: --fault down:latency=100ms~20ms,normal delays what
comes back, --fault 'up:loss=ge(1%,30%)' loses messages, or makes a stream pause.
EFFECT is latency, rate, loss, slices, slow-open, slow-close, stall, timeout,
limit, reset, corrupt, duplicate, reorder, truncate, mtu, partition, down or
blackhole; after=, for= and every= say when, pairs= for which pairs.

With --one-way, only what FROM sends is passed on, and the pair ends when FROM
ends: TO is not read, and files and pipes are opened for that direction only.

` + recordHelp + `

On SIGINT or SIGTERM it stops accepting, waits up to --drain for open pairs to
finish, and exits; a second signal ends it at once. SIGUSR1 prints totals and the
open pairs.`,
		Example: `  zocalo relay tcp-listen:8080 tcp:example.com:80
  zocalo relay 8080 example.com:80
  zocalo relay unix-listen:/run/db.sock,mode=0660 tcp:db1:5432 tcp:db2:5432
  zocalo relay udp-listen:any:53 udp:9.9.9.9:53
  zocalo relay tcp-listen:5346 exec:cat
  zocalo relay socks-listen:1080 requested:
  zocalo relay sni-listen:443 a.org=tcp:10.0.0.1:443 default=tcp:10.0.0.2:443
  zocalo relay tcp-listen:9000,frame=len32 unix-seqpacket:/run/app.sock
  zocalo relay --one-way tcp-listen:9000 file:log,create,append
  zocalo relay --fault down:latency=100ms~20ms,normal --seed 42 8080 tcp:db:5432
  zocalo relay -v --rate 1MB tcp-listen:8080,once tcp:localhost:80`,
		Args:              relayArgs,
		ValidArgsFunction: completeAddresses(math.MaxInt),
		RunE:              func(cmd *cobra.Command, args []string) error { return r.run(cmd, args) },
	}
	r.printing.flag(cmd, declared(cmd, r.asked.Declare))
	r.recording.flags(cmd)
	completeFaults(cmd)
	r.pageFlag(cmd)
	return cmd
}

// relayArgs checks that there are two addresses.
func relayArgs(cmd *cobra.Command, args []string) error {
	switch len(args) {
	case 0:
		return errors.New("no addresses given: write relay FROM TO")
	case 1:
		return errors.New("TO is missing: write relay " + args[0] + " TO")
	}
	return nil
}

func (r *relayRun) run(cmd *cobra.Command, args []string) error {
	if err := r.prepare(args); err != nil {
		return err
	}
	s := service.Service{From: args[:1], To: targets(args[1:])}
	if len(s.To) > 1 && s.To[0].Name == "" {
		s.Options = map[string][]string{"balance": {"in-turn"}} // where a file balances them
	}
	if err := r.recording.printable(&r.printing); err != nil {
		return err
	}
	if printed, err := r.printing.print(r.app, s); printed {
		return err
	}
	if err := r.faults(); err != nil {
		return err
	}
	if err := r.record(cmd); err != nil {
		return err
	}
	r.saySeed()
	return r.recorder.close(r.serve(cmd.Context()))
}

// record prepares the recording, which begins once the relay listens.
func (r *relayRun) record(cmd *cobra.Command) (err error) {
	ends := append([]address.Address{r.From}, r.To...)
	stdout := slices.ContainsFunc(ends, func(a address.Address) bool { return takesStandard(a, 1) })
	if r.recorder, err = r.recording.recorder(r.app, cmd, stdout); err != nil || r.recorder == nil {
		return err
	}
	r.recorder.Hook(&r.Hooks)
	r.recordFaults()
	if err := r.Check(); err != nil {
		return relayUsage(err)
	}
	return r.onceListening(r.recorder.start)
}

// onceListening has begin called once the relay listens, for each listener, or at once where no end listens: a file that
// it empties may be that of a relay that has the same address already.
func (r *relayRun) onceListening(begin func() error) error {
	if !slices.ContainsFunc(append([]address.Address{r.From}, r.To...), func(a address.Address) bool { return a.Passive(false) }) {
		return begin()
	}
	listening := r.Listening
	r.Listening = func(l *zocalo.Listener, a address.Address) error {
		if err := begin(); err != nil {
			return err
		}
		return listening(l, a)
	}
	return nil
}

// serve runs the relay.
func (r *relayRun) serve(ctx context.Context) error {
	ctx, stop := r.drained(r.recorder.context(ctx, &r.recording), r.Drain, func(stopped) { r.Abort() })
	defer stop()
	defer onSignal(sigTotals, r.sayTotals)()
	defer r.tell("relay", r.rows)()
	endPage, err := r.showPage(r)
	if err != nil {
		return err
	}
	defer endPage()
	r.progress = r.newProgress()
	err = r.Run(ctx)
	r.progress.end()
	if logErr := r.endFaults(); err == nil {
		err = logErr
	}
	switch {
	case err != nil && ctx.Err() != nil && errors.Is(err, relay.ErrStopped):
		return interruption(ctx) // what was under way was not finished
	case err == nil || canceled(ctx, err):
		return r.dumped.result()
	case r.lostReader(err):
		return brokenOutput{err}
	}
	return relayUsage(sideNamed(err))
}

// lostReader reports whether the only pair failed because nobody reads our standard
// output any more, which is an end and nothing to complain of.
func (r *relayRun) lostReader(err error) bool {
	var end *outcome.EndError
	if !errors.As(err, &end) || !errors.Is(end, syscall.EPIPE) {
		return false
	}
	if end.Side == outcome.A {
		return takesStandard(r.From, 1)
	}
	return slices.ContainsFunc(r.To, func(a address.Address) bool { return takesStandard(a, 1) })
}

// sideNamed names the end that failed as the command line does.
func sideNamed(err error) error {
	var end *outcome.EndError
	if !errors.As(err, &end) {
		return err
	}
	name := "FROM"
	if end.Side == outcome.B {
		name = "TO"
	}
	return fmt.Errorf("%s: %w", name, peerAdvice(end.Err))
}

// prepare makes the relay that the arguments ask for.
func (r *relayRun) prepare(args []string) error {
	for i, text := range args {
		r.sayPlain(text, []string{"tcp-listen", "tcp"}[min(i, 1)])
	}
	if err := r.asked.Prepare(args); err != nil {
		return asked(err)
	}
	r.Config = r.asked.Config
	r.Log = r.log
	r.Listening = func(l *zocalo.Listener, a address.Address) error {
		return r.sayListening(&passive{l, a})
	}
	r.Ended, r.OnlyFailures = r.sayPair, !r.json && !r.verbose
	if r.dumped = r.newDump(&r.asked, ""); r.dumped != nil {
		r.Filter = relay.See(r.dumped.see)
	}
	for _, a := range append([]address.Address{r.From}, r.To...) {
		if r.json && takesStandard(a, 1) {
			return usagef("--json: standard output carries the data of %v: omit one", a)
		}
	}
	return nil
}

// relayUsage makes a mistake in the addresses one of usage.
func relayUsage(err error) error {
	var pair *relay.PairError
	var notFast *relay.NotFastError
	var list *server.ListError
	if errors.As(err, &list) {
		return usagef("--%w", list)
	}
	if errors.As(err, &pair) || errors.As(err, &notFast) {
		return usageError{err}
	}
	return wrongUsage(err)
}
