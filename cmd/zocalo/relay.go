package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"zocalo"
	"zocalo/address"
	"zocalo/codec"
	"zocalo/iso"
	"zocalo/relay"
	"zocalo/relay/outcome"
	"zocalo/server"
	"zocalo/socket"
)

// relayRun is the verb relay: a relay between two addresses.
type relayRun struct {
	*app
	serving
	relay.Relay

	dump      bool
	dumpHex   bool
	carryTSAP bool
	proxy     proxyFromEnv

	dumped   *dump
	progress *progress
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

With --one-way, only what FROM sends is passed on, and the pair ends when FROM
ends: TO is not read, and files and pipes are opened for that direction only.

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
  zocalo relay -v --rate 1MB tcp-listen:8080,once tcp:localhost:80`,
		Args:              relayArgs,
		ValidArgsFunction: completeAddresses(math.MaxInt),
		RunE:              func(cmd *cobra.Command, args []string) error { return r.run(cmd, args) },
	}
	r.flags(cmd)
	f := cmd.Flags()
	f.Var(value(&r.Path, relay.Auto, aPath), "path", "data path: fast (an event loop for two kernel streams), general, or auto")
	f.Var(value(&r.Loops, 0, atLeast(0)), "loops", "event loops of the fast path; 0 is one per processor")
	f.Var(value(&r.MaxSessions, relay.DefaultMaxSessions, atLeast(1)), "max-sessions", "datagram sessions at once; a further one replaces the longest idle")
	f.Var(value(&r.SessionIdle, relay.DefaultSessionIdle, someTime), "session-idle", "end a datagram session after this long without traffic")
	f.Var(value(&r.ConnectTimeout, relay.DefaultConnectTimeout, aTime), "connect-timeout", "try each address of TO for this long; 0 is the system's limit")
	f.Var(value(&r.Retry, 0, patience), "retry", "keep trying to reach TO for `TIME`, or forever, with pauses from 100ms to 10s")
	f.Var(value(&r.Idle, 0, aTime), "idle", "end a pair after this long without traffic; 0 is never")
	f.Var(value(&r.Rate, 0, rate), "rate", "limit on bytes per second in each direction of a pair, such as 1MB; data waits, none is dropped")
	f.Var(value(&r.TotalRate, 0, rate), "total-rate", "the same for all pairs and both directions together")
	f.BoolVar(&r.PassFiles, "pass-fds", false, "pass on descriptors received over unix sockets; otherwise they are refused")
	f.BoolVar(&r.carryTSAP, "carry-tsap", false, "iso to iso: use the peer's called and calling selectors towards TO")
	f.BoolVar(&r.OneWay, "one-way", false, "pass on what FROM sends, and ignore the other direction")
	r.proxy.flag(cmd)
	f.BoolVar(&r.dump, "dump", false, "print the traffic, with times and directions, on standard error")
	f.BoolVarP(&r.dumpHex, "dump-hex", "x", false, "like --dump, in hexadecimal")
	f.Var(value(&r.Lifetime, 0, aTime), "lifetime", "end a pair after this long, busy or not; 0 is never")
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
	if err := exclusive(cmd, "dump", "dump-hex"); err != nil {
		return err
	}
	if err := r.prepare(args); err != nil {
		return err
	}
	if err := r.idleFlags(cmd); err != nil {
		return err
	}
	ctx, stop := r.drained(cmd.Context(), r.Drain, func(stopped) { r.Abort() })
	defer stop()
	defer onSignal(sigTotals, r.sayTotals)()
	defer r.tell("relay", r.rows)()
	r.progress = r.newProgress()
	err := r.Run(ctx)
	r.progress.end()
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
	args, names, err := cutNames(args)
	if err != nil {
		return err
	}
	for i, text := range args {
		scheme := "tcp"
		if i == 0 {
			scheme = "tcp-listen"
		}
		a, err := r.plainly(text, scheme)
		if err == nil && i > 0 {
			a, err = r.proxy.through(a)
		}
		if err == nil && i > 0 {
			err = wrongUsage(zocalo.CheckAddress(a, a.Passive(false)))
		}
		switch {
		case err != nil:
			return err
		case i == 0:
			r.From = a
			if r.serving, err = r.at(a); err != nil {
				return err
			}
		default:
			r.To = append(r.To, a)
		}
	}
	if r.ConnectTimeout == 0 {
		r.ConnectTimeout = -1 // no bound, where the Bridge's 0 is its default
	}
	r.MaxConns, r.MaxConnsPerPeer, r.Drain, r.Allow, r.Deny, r.Log = r.maxConns, r.maxPerPeer, r.drain, r.allow, r.deny, r.log
	r.Listening = func(l *zocalo.Listener, a address.Address) error {
		return r.sayListening(&passive{l, a})
	}
	r.Ended, r.OnlyFailures = r.sayPair, !r.json && !r.verbose
	switch {
	case r.dump:
		r.dumped = r.newDump(quotedDump)
	case r.dumpHex:
		r.dumped = r.newDump(hexDump)
	}
	if r.dumped != nil {
		r.Filter = relay.See(r.dumped.see)
	}
	switch {
	case names != nil && !relay.TakesNames(r.From):
		return usagef("%s=%v: the peers of %v do not ask for a name: listen on sni-listen:443, tls-listen:443 or socks-listen:1080", names[0], r.To[0], r.From)
	case names != nil:
		r.Route = relay.ByName(names)
	case r.carryTSAP:
		r.Route = carryTSAP
	}
	return r.exclusions()
}

// cutNames takes the names off TO, which are NAME=ADDRESS where peers ask for names;
// nil where there are none.
func cutNames(args []string) (addresses, names []string, err error) {
	for i, text := range args {
		name, rest, named := strings.Cut(text, "=")
		if named = named && i > 0 && name != "" && !strings.ContainsAny(name, ":,"); named {
			names, text = append(names, name), rest
		}
		addresses = append(addresses, text)
	}
	if names != nil && len(names) != len(args)-1 {
		return nil, nil, usagef("some TO have a NAME= and some do not: use default=ADDRESS for all other peers")
	}
	return addresses, names, nil
}

// exclusions refuses what would do nothing, or spoil the data.
func (r *relayRun) exclusions() error {
	for _, a := range append([]address.Address{r.From}, r.To...) {
		switch {
		case r.json && takesStandard(a, 1):
			return usagef("--json: standard output carries the data of %v: omit one", a)
		case r.carryTSAP && (a.Scheme.Type == socket.Datagram || !slices.Contains(a.Scheme.Domains, iso.Domain)):
			return usagef("--carry-tsap is for iso to iso, and %v is not iso", a)
		}
	}
	if r.carryTSAP && !r.From.Passive(false) {
		return usagef("--carry-tsap: %v does not listen, so no peer calls a selector", r.From)
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
	if !sessions {
		if err := refuse(cmd, "is for listeners of datagrams", "session-idle", "max-sessions"); err != nil {
			return err
		}
	}
	if !listens {
		return refuse(cmd, "is for listeners, and neither address listens", "max-conns", "max-conns-per-peer", "allow", "deny")
	}
	return nil
}

// patience is for how long, or -1 for ever.
var patience = codec.Codec[time.Duration]{Placeholder: "TIME", Format: aTime.Format, Parse: func(text string) (time.Duration, error) {
	if text == "forever" {
		return -1, nil
	}
	d, err := codec.ParseDuration(text)
	if err != nil {
		err = errors.New("it must be a time, such as 30s, or forever")
	}
	return d, err
}}

// rate is bytes a second.
var rate = codec.Codec[int64]{Placeholder: "SIZE", Format: codec.FormatSize[int64], Parse: func(text string) (int64, error) {
	n, err := codec.ParseSize(strings.TrimSuffix(text, "/s"))
	if err == nil && n == 0 {
		err = errors.New("it must be more than 0")
	}
	return n, err
}}

// carryTSAP makes the address to reach one of the selectors that a peer uses.
func carryTSAP(_ context.Context, p *relay.Peer, to []address.Address) ([]address.Address, error) {
	to = slices.Clone(to)
	for i := range to {
		var err error
		if to[i].Settings, err = iso.Carry(p.Socket, to[i].Settings); err != nil {
			return nil, err
		}
	}
	return to, nil
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
