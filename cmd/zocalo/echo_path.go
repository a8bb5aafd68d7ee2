package main

import (
	"context"
	"fmt"
	"runtime"

	"zocalo/address"
	"zocalo/frame"
	"zocalo/relay/bridge"
	"zocalo/server"
	"zocalo/socket"
)

// notFast says why an address is not echoed by event loops; "" if it can be.
func (e *echo) notFast(p *passive, format frame.Format) string {
	_, lingers := socket.Linger.In(p.address.Settings)
	switch k := p.Sockets()[0].Kind(); {
	case runtime.GOOS != "linux":
		return "needs Linux"
	case p.address.Scheme.Open != nil || k.Type != socket.Stream || !isKernels(k.Domain):
		return fmt.Sprintf("is for streams of the kernel's, and %s is none that it made itself", p.address.Scheme.Name)
	case format != frame.Format{}:
		return fmt.Sprintf("sends octets back as they come, and %v cuts them into messages (%s=)", p.address, address.Frame.Name)
	case lingers:
		return fmt.Sprintf("does not wait for what it closes, and %v does (%s=)", p.address, socket.Linger.Name)
	case e.once:
		return "serves any number of clients, and is to take one (once)"
	case socket.Tracing():
		return "makes its own system calls, which --trace does not see"
	}
	return ""
}

func isKernels(d socket.Domain) bool {
	return d == socket.Inet || d == socket.Inet6 || d == socket.Unix || d == socket.VSock
}

// fast reports whether an address is to be echoed by event loops.
func (e *echo) fast(p *passive, format frame.Format) (bool, error) {
	if e.path == bridge.General {
		return false, nil
	}
	why := e.notFast(p, format)
	if why != "" && e.path == bridge.Fast {
		return false, usageError{&bridge.NotFastError{Reason: why}}
	}
	return why == "", nil
}

// streams echoes by event loops what connects to an address.
func (e *echo) streams(ctx context.Context, srv *server.Server, p *passive) error {
	o := server.EchoStreams{OnEnd: e.ended}
	if !e.quiet {
		o.OnConnect = func(peer string) { e.sayf("connected by %s", peer) }
	}
	defer p.Close()
	return srv.EchoStreams(ctx, o, p.Sockets()...)
}

// ended says how a connection ended.
func (e *echo) ended(peer string, err error) {
	if err != nil && err != context.Canceled {
		e.log.Warn("echo ended", "peer", peer, "error", err)
	}
	e.log.Debug("disconnected", "peer", peer)
}
