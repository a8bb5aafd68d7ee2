package main

import (
	"context"

	"zocalo/echo"
	"zocalo/internal/control"
	"zocalo/relay/join"
	"zocalo/relay/outcome"
	"zocalo/server"
	"zocalo/socket"
)

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
