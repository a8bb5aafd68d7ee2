package main

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/spf13/cobra"

	"zocalo"
	"zocalo/address"
	"zocalo/iso"
	"zocalo/relay"
	"zocalo/relay/bridge"
	"zocalo/socket"
)

// relayRun is the verb relay: a bridge between two addresses.
type relayRun struct {
	*app
	serving
	bridge.Bridge

	path      string
	dump      bool
	dumpHex   bool
	carryTSAP bool

	dumped   *dump
	progress *progress
}

func (a *app) relayVerb() *cobra.Command { return (&relayRun{app: a}).command() }

func (r *relayRun) command() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "relay FROM TO...",
		Short: "Bridge any two addresses: what comes to one goes to the other",
		Long: `relay joins two addresses, of any kind. Where FROM listens (tcp-listen:8080) it
serves any number of peers at once, each with a TO of its own; where it does not,
the two are joined, once. Where TO listens too, each peer of FROM meets the next
of TO. The option once makes a listener take one peer.

Several TO are tried in turn for each peer until one is reached. Each is looked
up anew every time.

Octets and messages need an agreement: frame=FORMAT at the address that carries
octets says where a message ends, as frame=lines or frame=len32.

SIGINT and SIGTERM end it once what is open has finished, or --drain is over; a
second signal ends it at once. SIGUSR1 prints totals and what is open.`,
		Example: `  zocalo relay tcp-listen:8080 tcp:example.com:80
  zocalo relay unix-listen:/run/db.sock,mode=0660 tcp:db1:5432 tcp:db2:5432
  zocalo relay udp-listen:any:53 udp:9.9.9.9:53
  zocalo relay tcp-listen:5346 exec:cat
  zocalo relay tcp-listen:9000,frame=len32 unix-seqpacket:/run/app.sock
  zocalo relay -v --rate 1MB tcp-listen:8080,once tcp:localhost:80`,
		Args:              relayArgs,
		ValidArgsFunction: completeAddresses(math.MaxInt),
		RunE:              func(cmd *cobra.Command, args []string) error { return r.run(cmd, args) },
	}
	r.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&r.path, "path", "auto", "the way through: fast (an event loop for two kernel streams), general, or auto")
	f.IntVar(&r.Loops, "loops", 0, "event loops of the fast path; 0 is one for each processor")
	f.IntVar(&r.MaxSessions, "max-sessions", bridge.DefaultMaxSessions, "sessions of datagram peers at once; one more takes the place of the one idle longest")
	f.DurationVar(&r.SessionIdle, "session-idle", bridge.DefaultSessionIdle, "end the session of a datagram peer when nothing passed for so long")
	f.DurationVar(&r.ConnectTimeout, "connect-timeout", bridge.DefaultConnectTimeout, "give up an address of TO after so long; 0 is as long as the system tries")
	f.Var((*patience)(&r.Retry), "retry", "go on trying to reach TO for `TIME`, or forever, with pauses from 100ms to 10s")
	f.DurationVar(&r.Idle, "idle", 0, "end a pair when nothing passed for so long; 0 never")
	f.Var((*rate)(&r.Rate), "rate", "let so many octets pass a second in each direction of a pair, as 1MB; data waits, none is dropped")
	f.Var((*rate)(&r.TotalRate), "total-rate", "the same for all pairs in both directions together")
	f.BoolVar(&r.PassFiles, "pass-fds", false, "pass on descriptors that come over unix sockets; without it they are refused")
	f.BoolVar(&r.carryTSAP, "carry-tsap", false, "from iso to iso: call the selector that the peer called, and with its own")
	f.BoolVar(&r.dump, "dump", false, "print what passes, with times and directions, on standard error")
	f.BoolVar(&r.dumpHex, "dump-hex", false, "the same in hexadecimal")
	f.DurationVar(&r.Lifetime, "lifetime", 0, "end a pair after so long, whatever passes; 0 never")
	return cmd
}

// relayArgs checks that there are two addresses.
func relayArgs(cmd *cobra.Command, args []string) error {
	switch len(args) {
	case 0:
		return errors.New("no address was given: write relay FROM TO")
	case 1:
		return errors.New("there is no address to reach: write relay " + args[0] + " TO")
	}
	return nil
}

func (r *relayRun) run(cmd *cobra.Command, args []string) error {
	if err := exclusive(cmd, "dump", "dump-hex"); err != nil {
		return err
	}
	if err := r.prepare(args); err != nil {
		return err
	}
	if err := r.idleFlags(cmd); err != nil {
		return err
	}
	ctx, stop := untilSignal(cmd.Context(), func(stopped) { r.Abort() })
	defer stop()
	defer onSIGUSR1(r.sayTotals)()
	r.progress = r.newProgress()
	err := r.Run(ctx)
	r.progress.end()
	switch {
	case err != nil && ctx.Err() != nil && errors.Is(err, bridge.ErrStopped):
		return interruption(ctx) // what was under way was not finished
	case err != nil && canceled(ctx, err):
		return nil
	}
	return relayUsage(sideNamed(err))
}

// sideNamed names the end that failed as the command line does.
func sideNamed(err error) error {
	var end *relay.EndError
	if !errors.As(err, &end) {
		return err
	}
	name := "FROM"
	if end.Side == relay.B {
		name = "TO"
	}
	return fmt.Errorf("%s: %w", name, peerAdvice(end.Err))
}

// prepare makes the bridge that the arguments ask for.
func (r *relayRun) prepare(args []string) error {
	for i, text := range args {
		a, err := address.Parse(text)
		switch {
		case err != nil:
			return usageError{err}
		case i == 0:
			r.From = a
		default:
			r.To = append(r.To, a)
		}
	}
	var err error
	if r.Path, err = bridge.ParsePath(r.path); err != nil {
		return usagef("--%w", err)
	}
	for _, d := range []struct {
		flag  string
		value time.Duration
		least time.Duration
	}{
		{"session-idle", r.SessionIdle, 1}, {"connect-timeout", r.ConnectTimeout, 0},
		{"idle", r.Idle, 0}, {"lifetime", r.Lifetime, 0},
	} {
		if d.value < d.least {
			return usagef("--%s %v: it must not be negative", d.flag, d.value)
		}
	}
	if r.ConnectTimeout == 0 {
		r.ConnectTimeout = -1 // no bound, where the Bridge's 0 is its default
	}
	if r.Loops < 0 {
		return usagef("--loops %d: it must not be negative", r.Loops)
	}
	if r.MaxSessions < 1 {
		return usagef("--max-sessions %d: it must be at least 1", r.MaxSessions)
	}
	srv, err := r.server(r.app, nil)
	if err != nil {
		return err
	}
	r.MaxConns, r.Drain, r.Allow, r.Deny, r.Log = srv.MaxConns, srv.Drain, srv.Allow, srv.Deny, r.log
	r.OnListening = func(l *zocalo.Listener, a address.Address) error {
		return r.sayListening(&passive{l, a})
	}
	r.OnEnd, r.OnlyFailures = r.sayPair, !r.json && !r.verbose
	switch {
	case r.dump:
		r.dumped = r.newDump(quotedDump)
	case r.dumpHex:
		r.dumped = r.newDump(hexDump)
	}
	if r.dumped != nil {
		r.OnData = r.dumped.see
	}
	if r.carryTSAP {
		r.Route = carryTSAP
	}
	return r.exclusions()
}

// exclusions refuses what would do nothing, or spoil the data.
func (r *relayRun) exclusions() error {
	for _, a := range append([]address.Address{r.From}, r.To...) {
		switch {
		case r.json && (a.Scheme.Name == "stdio" || a.Scheme.Name == "fd" && a.Endpoint == "1"):
			return usagef("--json: standard output carries the data of %v: leave one away", a)
		case r.carryTSAP && a.Scheme.Name != "iso" && a.Scheme.Name != "iso-stream":
			return usagef("--carry-tsap is from iso to iso, and %v is none", a)
		}
	}
	if r.carryTSAP && !r.From.Passive(false) {
		return usagef("--carry-tsap: %v does not listen, so nobody calls a selector of it", r.From)
	}
	return nil
}

// idleFlags refuses flags for what these addresses do not have.
func (r *relayRun) idleFlags(cmd *cobra.Command) error {
	listens, sessions := false, false
	for _, a := range append([]address.Address{r.From}, r.To...) {
		if a.Passive(false) {
			listens = true
			sessions = sessions || a.Scheme.Type == socket.Datagram
		}
	}
	for _, f := range []struct {
		names []string
		has   bool
		why   string
	}{
		{[]string{"session-idle", "max-sessions"}, sessions, "is for peers that send datagrams to a listener"},
		{[]string{"max-conns", "allow", "deny"}, listens, "is for peers of a listener, and no address here listens"},
	} {
		for _, name := range f.names {
			if cmd.Flags().Changed(name) && !f.has {
				return usagef("--%s %s", name, f.why)
			}
		}
	}
	return nil
}

// carryTSAP makes the address to reach one of the selectors that a peer uses.
func carryTSAP(peer *socket.Socket, to address.Address) (address.Address, error) {
	var err error
	to.Settings, err = iso.Carry(peer, to.Settings)
	return to, err
}

// relayUsage makes a mistake in the addresses one of usage.
func relayUsage(err error) error {
	var pair *bridge.PairError
	var notFast *bridge.NotFastError
	if errors.As(err, &pair) || errors.As(err, &notFast) {
		return usageError{err}
	}
	return wrongUsage(err)
}
