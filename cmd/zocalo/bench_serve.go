package main

import (
	"context"
	"errors"
	"sync"

	"github.com/spf13/cobra"

	"zocalo/bench"
	"zocalo/bench/iperf3"
	"zocalo/socket"
)

// server is the other end of runs, on all addresses.
func (b *benching) server(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usagef("--serve needs an address to listen on, as tcp:0 or udp:any:5201")
	}
	for _, flag := range []string{"stream", "round-trip", "rate", "connect", "loaded", "relay", "against", "reverse", "both", "flows", "depth", "batch", "verify",
		"duration", "count", "warm-up", "interval", "histogram", "csv", "plot", "max-time"} {
		if cmd.Flags().Changed(flag) {
			return usagef("--%s is for the client: the server does what each client asks for", flag)
		}
	}
	end := &bench.Server{Program: "zocalo " + version, Patience: b.options.Patience, MaxSize: int(b.size), Log: b.log}
	if !cmd.Flags().Changed("patience") {
		end.Patience = 0 // the server's own, which is longer
	}
	if !b.quiet {
		end.OnRun = func(peer socket.Name, what string) { b.log.Debug("run", "peer", peer.String(), "asks", what) }
	}
	var aborts []func()
	ctx, stop := untilSignal(cmd.Context(), func(stopped) {
		for _, abort := range aborts {
			abort()
		}
	})
	defer stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	var serving []func() error
	var listeners []*passive
	defer func() {
		for _, l := range listeners {
			l.Close()
		}
	}()
	for _, text := range args {
		if iperf3.IsAddress(text) {
			serve, abort, l, err := b.serveIperf3(ctx, text)
			if err != nil {
				return err
			}
			listeners, aborts, serving = append(listeners, l), append(aborts, abort), append(serving, serve)
			continue
		}
		l, err := b.listenOn(ctx, text)
		if err != nil {
			return err
		}
		listeners = append(listeners, l)
		if l.Sockets()[0].Properties().Connected {
			s, err := b.serving.server(b.app, end.Handle)
			if err != nil {
				return err
			}
			aborts = append(aborts, s.Abort)
			serving = append(serving, func() error { return s.Serve(ctx, l) })
			continue
		}
		for _, s := range l.Sockets() {
			serving = append(serving, func() error { return end.Datagrams(ctx, s) })
		}
	}
	errs := make([]error, len(serving))
	var group sync.WaitGroup
	for i, serve := range serving {
		group.Go(func() {
			defer cancel()
			errs[i] = serve()
		})
	}
	group.Wait()
	return errors.Join(errs...)
}
