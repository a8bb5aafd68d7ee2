package quic

import (
	"errors"
	"slices"
	"sync"
	"time"

	quicgo "github.com/quic-go/quic-go"

	"zocalo/address"
	"zocalo/layer/tls"
	"zocalo/socket"
	"zocalo/socket/option"
	"zocalo/socket/scheme"
)

// A prepared is what the options of one address come to, and the connections that
// were made by it.
type prepared struct {
	tls       *tls.Within
	quic      *quicgo.Config
	handshake time.Duration
	idle      time.Duration
	keepalive time.Duration
	peerIdle  time.Duration // 0 is for ever
	protocols []string
	early     bool
	buffers   [2]bool // rcvbuf= and sndbuf= are given

	mu    sync.Mutex
	open  map[route][]*connection
	dials map[route]*dial
}

func prepare(s *scheme.Scheme, t scheme.Target) (*scheme.PreparedScheme, error) {
	var protocols []string
	for _, given := range t.Settings {
		if given.Spec == alpnOption.Spec {
			protocols = append(protocols, given.Value.(string))
		}
	}
	if protocols == nil {
		protocols = []string{Protocol}
	}
	within, err := tls.PrepareWithin("quic", protocols, scheme.LayerTarget{
		Passive: t.Passive, Settings: t.Settings, Carrier: s, Destination: t.Endpoint,
	})
	if err != nil {
		return nil, err
	}
	p := &prepared{
		tls: within, protocols: protocols, handshake: address.DefaultHandshakeTimeout, idle: DefaultIdle, keepalive: DefaultKeepAlive, peerIdle: DefaultPeerIdle,
		open: map[route][]*connection{}, dials: map[route]*dial{},
	}
	if given, ok := address.HandshakeTimeout.In(t.Settings); ok && given > 0 {
		p.handshake = given
	}
	if given, ok := idleOption.In(t.Settings); ok {
		p.idle = given
	}
	if given, ok := keepAliveOption.In(t.Settings); ok {
		p.keepalive = given
	}
	if given, ok := peerIdleOption.In(t.Settings); ok {
		p.peerIdle = given
	}
	_, p.buffers[0] = option.ReceiveBuffer.In(t.Settings)
	_, p.buffers[1] = option.SendBuffer.In(t.Settings)
	if p.early, _ = earlyOption.In(t.Settings); p.early && !t.Passive && len(protocols) > 1 {
		within.Close()
		return nil, errors.New("early works with a single alpn=: no protocol has been chosen when data is sent ahead of the handshake")
	}
	p.quic = &quicgo.Config{
		HandshakeIdleTimeout: p.handshake, MaxIdleTimeout: p.idle, KeepAlivePeriod: p.keepalive,
		MaxIncomingStreams: -1, MaxIncomingUniStreams: -1, // quic-go's word for none
	}
	ready := &scheme.PreparedScheme{
		Opened: func(s *socket.Socket) error {
			s.Unwrap().(configured).configure(p)
			return nil
		},
		Reach: within.Reach(), Close: within.Close,
	}
	if s.Type == socket.Datagram {
		p.quic.EnableDatagrams = true
	} else if t.Passive {
		p.quic.MaxIncomingStreams, p.quic.Allow0RTT = DefaultStreams, p.early
		if given, ok := streamsOption.In(t.Settings); ok {
			p.quic.MaxIncomingStreams = int64(given)
		}
	}
	if t.Passive {
		ready.Notices = within.Notices
	}
	return ready, nil
}

// configured is an endpoint of this package.
type configured interface{ configure(*prepared) }

// forget takes a connection out of those that streams are opened on.
func (p *prepared) forget(r route, c *connection) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open[r] = slices.DeleteFunc(p.open[r], func(other *connection) bool { return other == c })
	if len(p.open[r]) == 0 {
		delete(p.open, r)
	}
}
