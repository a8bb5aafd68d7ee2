package main

import (
	"context"
	"fmt"
	"runtime"

	"zocalo/address"
	"zocalo/echo"
	"zocalo/frame"
	"zocalo/internal/control"
	"zocalo/relay"
	"zocalo/relay/join"
	"zocalo/relay/outcome"
	"zocalo/server"
	"zocalo/socket"
	"zocalo/socket/option"
)

// notFast says why an address is not echoed by event loops; "" if it can be.
func (e *echoing) notFast(p *passive, format frame.Format) string {
	_, lingers := option.Linger.In(p.address.Settings)
	switch k := p.Sockets()[0].Kind(); {
	case runtime.GOOS != "linux":
		return "needs Linux"
	case p.address.Scheme.Open != nil || k.Layers != "" || k.Type != socket.Stream || !isKernels(k.Domain):
		return fmt.Sprintf("is for plain kernel streams, which %s is not", p.address.Scheme.Name)
	case format != frame.Format{}:
		return fmt.Sprintf("sends bytes back as they come, and %v cuts them into messages (%s=)", p.address, address.Frame.Name)
	case lingers:
		return fmt.Sprintf("never waits when closing, and %v asks for it (%s=)", p.address, option.Linger.Name)
	case e.once:
		return "serves any number of clients, and once asks for one"
	case socket.Tracing():
		return "makes its own system calls, which --trace cannot see"
	}
	return ""
}

func isKernels(d socket.Domain) bool {
	return d == socket.Inet || d == socket.Inet6 || d == socket.Unix || d == socket.VSock
}

// fast reports whether an address is to be echoed by event loops.
func (e *echoing) fast(p *passive, format frame.Format) (bool, error) {
	if e.path == relay.General {
		return false, nil
	}
	why := e.notFast(p, format)
	if why != "" && e.path == relay.Fast {
		return false, usageError{&relay.NotFastError{Reason: why}}
	}
	return why == "", nil
}

// streams echoes by event loops what connects to an address.
func (e *echoing) streams(ctx context.Context, srv *server.Server, p *passive) error {
	o := echo.StreamOptions{OnEnd: e.ended}
	if !e.quiet {
		o.OnConnect = func(peer string) { e.sayOften("connected by", peer) }
	}
	o.OnServing = func(open func() []echo.Connected) {
		e.serves.Lock()
		defer e.serves.Unlock()
		e.serves.rows = append(e.serves.rows, func() []control.Row { return connectedRows(p.Sockets()[0].Kind(), open()) })
	}
	defer p.Close()
	return echo.Streams(ctx, srv, o, p.Sockets()...)
}

// rows are the connections that are echoed.
func (e *echoing) rows() []control.Row {
	rows := e.held.rows()
	e.serves.Lock()
	defer e.serves.Unlock()
	for _, more := range e.serves.rows {
		rows = append(rows, more()...)
	}
	return rows
}

func connectedRows(k socket.Kind, open []echo.Connected) (rows []control.Row) {
	for _, c := range open {
		rows = append(rows, control.Row{Kind: "pair", Type: k.Type.String(), State: "established", Began: c.Began,
			Local: addressText(k.String(), c.Listener, k.String()), Peer: cameFrom(k.String(), c.Peer), Sent: c.Bytes, Received: c.Bytes})
	}
	return rows
}

// echoedBy counts what has come and gone back.
func echoedBy(p *join.Progress) func() (sent, received int64, known bool) {
	return func() (sent, received int64, known bool) {
		n, _ := p.From(outcome.A)
		return n, n, true
	}
}

// ended says how a connection ended.
func (e *echoing) ended(peer string, err error) {
	if err != nil && err != context.Canceled {
		e.log.Warn("echo ended", "peer", peer, "error", err)
	}
	e.log.Debug("disconnected", "peer", peer)
}
