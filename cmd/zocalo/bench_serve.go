package main

import (
	"context"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"zocalo/bench"
	"zocalo/bench/iperf3"
	"zocalo/server"
	"zocalo/socket"
)

// server is the other end of runs, on all addresses.
func (b *benching) server(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usagef("--serve needs an address to listen on, such as tcp:0 or udp:any:5201")
	}
	if err := refuse(cmd, "is for the client: the server does what each client asks", "proxy-from-env", "stream", "round-trip", "rate", "connect", "loaded", "relay", "against", "reverse", "both", "flows", "depth", "batch", "verify",
		"duration", "count", "warm-up", "interval", "jsonl", "histogram", "plot", "max-time"); err != nil {
		return err
	}
	end := &bench.Server{Program: "zocalo " + version, Patience: b.options.Patience, MaxSize: b.options.Size, Log: b.log}
	if !cmd.Flags().Changed("patience") {
		end.Patience = 0 // the server's own, which is longer
	}
	end.MaxTime, end.MaxRate = b.limitTime, b.limitRate
	var quiet oneOff
	end.OnRun = func(peer socket.Name, what string) {
		quiet.begins()
		b.log.Debug("run", "peer", peer.String(), "asks", what)
	}
	var aborts []func()
	ctx, stop := b.drained(cmd.Context(), b.serving.Drain, func(stopped) {
		for _, abort := range aborts {
			abort()
		}
	})
	defer stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if b.once {
		end.OnQuiet = func() { quiet.ends(cancel) }
	}

	var serve []func() error
	var listeners []*passive
	defer func() {
		for _, l := range listeners {
			l.Close()
		}
	}()
	for _, text := range args {
		if iperf3.IsAddress(text) {
			one, abort, l, err := b.serveIperf3(ctx, text)
			if err != nil {
				return err
			}
			listeners, aborts, serve = append(listeners, l), append(aborts, abort), append(serve, one)
			continue
		}
		a, err := parseAddress(text)
		if err != nil {
			return err
		}
		own, err := b.serving.at(a)
		if err != nil {
			return err
		}
		l, err := b.listenOn(ctx, a, &own.Lists, false)
		if err != nil {
			return err
		}
		listeners = append(listeners, l)
		if l.Sockets()[0].Properties().Connected {
			s := b.serverOf(own.Serving, end.Handle)
			aborts = append(aborts, s.Abort)
			serve = append(serve, func() error { return s.Serve(ctx, l) })
			continue
		}
		who := bench.Peers{Lists: server.Lists{Allow: own.Allow, Deny: own.Deny}, MaxSessions: min(own.MaxConns, bench.DefaultMaxSessions), MaxPerPeer: own.MaxPerPeer}
		for _, s := range l.Sockets() {
			serve = append(serve, func() error { return end.Datagrams(ctx, s, who) })
		}
	}
	return together(cancel, serve)
}

// oncePause is how long a server with --once waits for the next run of its client, which
// measures round trips and then throughput unless it is told.
const oncePause = 2 * time.Second

// A oneOff ends a server once nothing was measured for oncePause.
type oneOff struct {
	mu    sync.Mutex
	timer *time.Timer
}

func (o *oneOff) begins() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.timer != nil {
		o.timer.Stop()
	}
}

func (o *oneOff) ends(end func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.timer != nil {
		o.timer.Stop()
	}
	o.timer = time.AfterFunc(oncePause, end)
}
