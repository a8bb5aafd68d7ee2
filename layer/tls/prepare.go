package tls

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"

	"golang.org/x/crypto/acme"

	"zocalo/socket"
)

// prepare makes the layer of one address.
func prepare(t socket.LayerTarget) (*socket.PreparedLayer, error) {
	p, err := newPrepared(t, nil)
	if err != nil {
		return nil, err
	}
	l := &socket.PreparedLayer{Reach: p.reach(), Close: p.close}
	if t.Passive {
		l.Server, l.Notices = p.accept, p.notices
	} else {
		l.Client = p.connect
	}
	return l, nil
}

// reach is what the address of a client must say of a certificate that was made up.
func (p *prepared) reach() string {
	if p.ephemeral == nil {
		return ""
	}
	return fmt.Sprint(pinOption.Name, "=", pinOf(p.ephemeral.Leaf))
}

// newPrepared reads the options of one address. Without alpn= its protocols are those
// given here.
func newPrepared(t socket.LayerTarget, protocols []string) (*prepared, error) {
	p := &prepared{passive: t.Passive, pins: all(pinOption, t.Settings)}
	p.certs, p.keys = all(certOption, t.Settings), all(keyOption, t.Settings)
	if len(p.keys) == 0 {
		p.keys = p.certs
	}
	switch {
	case len(p.certs) == 0 && len(p.keys) > 0:
		return nil, errors.New("key= is beside no cert=: give the certificate that it belongs to")
	case len(p.certs) != len(p.keys):
		return nil, fmt.Errorf("there are %d cert= and %d key=: give each cert= its key=, or none where the certificates' files have the keys too", len(p.certs), len(p.keys))
	case len(p.certs) > 1 && !t.Passive:
		return nil, fmt.Errorf("there are %d cert=: who connects shows one", len(p.certs))
	}
	if optional, ok := closeNotifyOption.In(t.Settings); ok {
		p.optional = optional.value
	}
	p.start, _ = starttlsOption.In(t.Settings)
	if err := p.baseConfig(t); err != nil {
		return nil, err
	}
	if p.base.NextProtos == nil {
		p.base.NextProtos = protocols
	}
	ca, side := caOption, p.client
	if t.Passive {
		ca, side = clientCAOption, p.server
	}
	p.ca, _ = ca.In(t.Settings)
	if err := side(t); err != nil {
		p.close()
		return nil, err
	}
	p.files.paths = slices.Concat(p.certs, p.keys)
	if p.ca != "" {
		p.files.paths = append(p.files.paths, p.ca)
	}
	p.files.load = p.load
	if err := p.files.first(); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// A prepared is the layer of one address.
type prepared struct {
	passive   bool
	certs     []string // files
	keys      []string
	ca        string
	pins      []pin
	optional  bool // close_notify is
	start     choice[starter]
	ephemeral *tls.Certificate // of a listener without cert=

	challenged bool        // by authorities, see acme=
	base       *tls.Config // without what is in files
	files      reloading
	keylog     *os.File
}

// baseConfig makes of the options what both sides have in common.
func (p *prepared) baseConfig(t socket.LayerTarget) error {
	p.base = &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: all(alpnOption, t.Settings),
		// Records are written together, and small ones would save nobody time.
		DynamicRecordSizingDisabled: true,
	}
	if least, ok := minOption.In(t.Settings); ok {
		p.base.MinVersion = least.value
	}
	if len(p.pins) > 0 {
		p.base.VerifyConnection = p.checkPin
	}
	path, ok := keylogOption.In(t.Settings)
	if !ok {
		return nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err == nil {
		err = f.Chmod(0o600) // whoever has these secrets reads everything
	}
	if err != nil {
		return fmt.Errorf("keylog=: %w", err)
	}
	p.keylog, p.base.KeyLogWriter = f, f
	return nil
}

func (p *prepared) close() {
	if p.keylog != nil {
		p.keylog.Close()
	}
}

// client completes the configuration of who connects.
func (p *prepared) client(t socket.LayerTarget) error {
	p.base.ServerName, _ = sniOption.In(t.Settings)
	if p.base.ServerName == "" {
		p.base.ServerName = hostOf(t)
	}
	p.base.ClientSessionCache = tls.NewLRUClientSessionCache(sessions)
	verify, given := verifyOption.In(t.Settings)
	switch {
	case given && !verify:
		slog.Warn("verify=no: whoever answers is taken for the right one, and can read and change all that passes", "address", t.Destination)
		p.base.InsecureSkipVerify = true
	case len(p.pins) > 0 && p.ca == "":
		p.base.InsecureSkipVerify = true // the pin is what is verified
	}
	return nil
}

// sessions is how many sessions a client remembers, to resume them.
const sessions = 8

// connect is TLS's client over a connection.
func (p *prepared) connect(ctx context.Context, lower *socket.Socket) (*socket.Socket, error) {
	config := p.files.current()
	if ask := p.start.value; ask != nil {
		if err := askFor(ctx, lower, p.start.word, ask); err != nil {
			return nil, err
		}
	}
	w := p.newWire(lower)
	conn := tls.Client(w, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, handshakeError(err, config.ServerName)
	}
	return p.endpoint(conn, w), nil
}

// server completes the configuration of a listener.
func (p *prepared) server(t socket.LayerTarget) (err error) {
	switch names := all(acmeOption, t.Settings); {
	case len(names) > 0:
		err = p.acme(names, t)
	case len(p.certs) == 0:
		p.ephemeral, err = selfSigned()
	}
	switch {
	case p.ca != "":
		p.base.ClientAuth = tls.RequireAndVerifyClientCert
	case len(p.pins) > 0:
		p.base.ClientAuth = tls.RequireAnyClientCert
	}
	return err
}

// heardKey is that of a context whose value is to be called once a client has said
// what it wants.
type heardKey struct{}

// accept is TLS's server over a connection.
func (p *prepared) accept(ctx context.Context, lower *socket.Socket, heard func()) (*socket.Socket, error) {
	w := p.newWire(lower)
	config := p.files.current()
	conn := tls.Server(w, config)
	if err := conn.HandshakeContext(context.WithValue(ctx, heardKey{}, heard)); err != nil {
		return nil, handshakeError(err, "")
	}
	if conn.ConnectionState().NegotiatedProtocol == acme.ALPNProto {
		return nil, errChallenge
	}
	return p.endpoint(conn, w), nil
}

// hello is called for each client that has said what it wants.
func (p *prepared) hello(info *tls.ClientHelloInfo) (*tls.Config, error) {
	info.Context().Value(heardKey{}).(func())()
	if !p.challenged || !asksChallenge(info) {
		return nil, nil
	}
	config := p.base.Clone()
	config.NextProtos, config.ClientAuth = []string{acme.ALPNProto}, tls.NoClientCert
	return config, nil
}

// notices tells how to reach a listener whose certificate nobody else has signed.
func (p *prepared) notices(listening string) []string {
	if p.ephemeral == nil {
		return nil
	}
	line := fmt.Sprintf("its certificate is made up, for as long as it runs (cert= gives it another): connect by zocalo talk %s", listening)
	if p.base.ClientAuth != tls.NoClientCert {
		line += ",cert=FILE,key=FILE"
	}
	return []string{line}
}

// load makes a configuration of the files as they are.
func (p *prepared) load() (*tls.Config, error) {
	config := p.base.Clone()
	for i, path := range p.certs {
		c, err := loadPair(path, p.keys[i])
		if err != nil {
			return nil, err
		}
		config.Certificates = append(config.Certificates, c)
	}
	if p.ephemeral != nil {
		config.Certificates = []tls.Certificate{*p.ephemeral}
	}
	var pool *x509.CertPool
	if p.ca != "" {
		var err error
		if pool, err = loadAuthorities(p.ca); err != nil {
			return nil, err
		}
	}
	if p.passive {
		config.ClientCAs = pool
		config.GetConfigForClient = p.hello
		return config, nil
	}
	config.RootCAs = pool
	if len(config.Certificates) > 0 {
		// It is shown whatever authorities the server names: if it is the wrong one, the
		// server says more about that than about none.
		only := config.Certificates[0]
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &only, nil }
	}
	return config, nil
}

// hostOf is the host that a client reaches for; a carrier without hosts, as unix, is
// on this one.
func hostOf(t socket.LayerTarget) string {
	if !strings.HasPrefix(t.Carrier.Endpoint, "host") {
		return "localhost"
	}
	host, _, err := net.SplitHostPort(t.Destination)
	if err != nil || host == "" {
		return "localhost"
	}
	return host
}
