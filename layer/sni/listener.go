package sni

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"syscall"
	"time"

	"zocalo/layer/internal/prefix"
	"zocalo/layer/internal/proxy"
	"zocalo/socket"
)

// helloTime is how long a client may take to say hello: it does so at once.
var helloTime = 5 * time.Second // a variable for tests

// defaultPort is where a server of the name is, where nothing tells.
const defaultPort = 443

// A listener is the layer of one address.
type listener struct{ proxy.Listener }

// begin hears which name a client asks for, and takes nothing.
func (l *listener) begin(ctx context.Context, lower *socket.Socket, heard func()) (*socket.Socket, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, helloTime, fmt.Errorf("the peer did not say hello within %v", helloTime))
	defer cancel()
	var h hello
	next, err := prefix.Peek(ctx, lower, longest, func(said []byte) (take int, done bool, err error) {
		heard()
		h, done, err = parse(said)
		return 0, done, err
	})
	switch {
	case err == io.EOF, err == io.ErrUnexpectedEOF:
		return nil, errors.New("the peer ended the connection before its ClientHello was whole")
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

// The alerts of TLS (RFC 8446, section 6) for a client that gets no further.
const (
	internalError    = 80
	unrecognizedName = 112
)

// alert tells a client why it gets no further, in words of TLS; nothing if it does.
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
