package sni

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"syscall"
	"time"

	"zocalo/internal/units"
	"zocalo/layer/internal/prefix"
	"zocalo/layer/internal/proxy"
	"zocalo/socket"
)

// helloTime bounds how long a client may take for its ClientHello: clients send it at once.
var helloTime = 5 * time.Second // a variable for tests

// defaultPort is the port of requested: where the listener has none, such as over unix.
const defaultPort = 443

// A listener is the layer as one address configures it.
type listener struct{ proxy.Listener }

// begin learns which name a client asks for, and consumes nothing.
func (l *listener) begin(ctx context.Context, lower *socket.Socket, heard func()) (*socket.Socket, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, helloTime, fmt.Errorf("the peer sent no complete ClientHello within %s", units.Set(helloTime)))
	defer cancel()
	var h hello
	next, err := prefix.Peek(ctx, lower, longest, func(said []byte) (take int, done bool, err error) {
		heard()
		h, done, err = parse(said)
		return 0, done, err
	})
	switch {
	case err == io.EOF, err == io.ErrUnexpectedEOF:
		return nil, errors.New("the peer closed the connection before its ClientHello was complete")
	case err != nil:
		return nil, err
	}
	to := proxy.Destination{Host: h.name, Port: lower.Name().AddrPort().Port()}
	if to.Port == 0 {
		to.Port = defaultPort
	}
	c := proxy.Conn{Listener: &l.Listener, Lower: next}
	return c.Ask(to, "", func(_ netip.AddrPort, why error) error { return alert(next, why) }, h.facts()...), nil
}

// The alerts of TLS (RFC 8446, section 6) for a client that is refused.
const (
	internalError    = 80
	unrecognizedName = 112
)

// alert sends a refused client the alert for why; if why is nil, it sends nothing.
func alert(s *socket.Socket, why error) error {
	if why == nil {
		return nil
	}
	description := byte(internalError)
	if errors.Is(why, syscall.EACCES) {
		description = unrecognizedName
	}
	const alertRecord, fatal = 21, 2
	_, err := s.Write([]byte{alertRecord, 3, 3, 0, 2, fatal, description})
	return err
}
