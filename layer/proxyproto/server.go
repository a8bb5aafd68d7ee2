package proxyproto

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"time"

	"zocalo/layer/internal/prefix"
	"zocalo/socket"
)

// A server reads headers.
type server struct {
	optional bool
	from     []netip.Prefix // the trusted proxies; nil for those on this machine
}

// believes reports whether the headers of a peer are trusted.
func (s *server) believes(c *socket.Socket) bool {
	_, peer := c.Internet()
	if s.from == nil {
		return !peer.IsValid() || peer.Addr().Unmap().IsLoopback() // file permissions guard unix sockets
	}
	return slices.ContainsFunc(s.from, func(p netip.Prefix) bool { return p.Contains(peer.Addr().Unmap().WithZone("")) })
}

// begin reads the header of an accepted connection, which has the names in it from then on.
func (s *server) begin(ctx context.Context, lower *socket.Socket, heard func()) (*socket.Socket, error) {
	switch believed := s.believes(lower); {
	case !believed && s.optional:
		return lower, nil
	case !believed:
		return nil, fmt.Errorf("PROXY headers from %v are not trusted: add it to pp-from= if it is a proxy", lower.Peer())
	}
	if s.optional {
		if silent, err := isSilent(ctx, lower); silent || err != nil {
			return lower, err
		}
	}
	var h header
	next, err := prefix.Peek(ctx, lower, longest2, func(said []byte) (take int, done bool, err error) {
		heard()
		h, take, err = parse(said)
		if err == errNone && s.optional {
			return 0, true, nil
		}
		return take, take > 0, err
	})
	switch {
	case err == io.EOF && s.optional:
		return lower, nil // it sent nothing at all
	case err == io.EOF:
		return nil, errors.New("the peer closed the connection before its PROXY header")
	case err == io.ErrUnexpectedEOF:
		return nil, errors.New("the peer closed the connection within its PROXY header")
	case err == errNone:
		return nil, fmt.Errorf("%w, and pp=require is set or the default: pp=accept takes connections without one", err)
	case err != nil || !h.told && h.facts == nil:
		return next, err
	}
	t := &told{Endpoint: next, header: h, by: lower.Peer()}
	if !h.told {
		t.peer, t.local = lower.Peer(), lower.Name()
	}
	return socket.Wrap(t, next.Kind()), nil
}

// silence is how long to wait for a header that is optional. Proxies send theirs at once;
// this leaves time for a lost segment to be sent twice more.
const silence = 3 * time.Second

// isSilent reports whether a peer sends nothing for that time or half of the handshake's, as
// clients do that wait for the server to speak first.
func isSilent(ctx context.Context, c *socket.Socket) (bool, error) {
	if _, ok := socket.As[socket.ReadWaiter](c); !ok {
		return false, nil
	}
	end := time.Now().Add(silence)
	if all, ok := ctx.Deadline(); ok && time.Until(all)/2 < silence {
		end = time.Now().Add(time.Until(all) / 2)
	}
	err := prefix.Within(ctx, c, func() error {
		c.SetReadDeadline(end)
		if ctx.Err() != nil {
			return ctx.Err() // its deadline may have been overwritten
		}
		return c.WaitRead()
	})
	if errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() == nil {
		return true, nil
	}
	return false, err
}

// A told is a connection with the names from its header.
type told struct {
	socket.Endpoint
	header
	by socket.Name // the proxy
}

// Unwrap implements [socket.Wrapper].
func (t *told) Unwrap() socket.Endpoint { return t.Endpoint }

func (t *told) Name() socket.Name { return t.local }
func (t *told) Peer() socket.Name { return t.peer }

// Facts implements [socket.Teller].
func (t *told) Facts() []socket.Fact {
	by := socket.Fact{Layer: layer.Name, Name: "proxy", Variable: "PROXY_PEER", Value: t.by.String()}
	return append([]socket.Fact{by}, t.facts...)
}

func (t *told) beneath() *socket.Socket { return t.Endpoint.(*socket.Socket) }

func (t *told) Close() error { return t.Endpoint.Close() }

// Abort implements [socket.Aborter].
func (t *told) Abort() error { return t.beneath().Abort() }

// Detach implements [socket.Detacher].
func (t *told) Detach() (int, error) { return t.beneath().Detach() }
