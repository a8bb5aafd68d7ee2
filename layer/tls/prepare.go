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
	"syscall"

	"golang.org/x/crypto/acme"

	"zocalo/layer/internal/file"
	"zocalo/socket"
	"zocalo/socket/scheme"
)

// prepare reads the options of one address.
func prepare(t scheme.LayerTarget) (*scheme.PreparedLayer, error) {
	p, err := newPrepared(t, nil)
	if err != nil {
		return nil, err
	}
	l := &scheme.PreparedLayer{Reach: p.reach(), Close: p.close}
	if t.Passive {
		l.Server, l.Notices, l.ProvesNames = p.accept, p.notices, p.ca != ""
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
func newPrepared(t scheme.LayerTarget, protocols []string) (*prepared, error) {
	p := &prepared{passive: t.Passive, pins: all(pinOption, t.Settings)}
	p.certs, p.keys = all(certOption, t.Settings), all(keyOption, t.Settings)
	if len(p.keys) == 0 {
		p.keys = p.certs
	}
	switch {
	case len(p.certs) == 0 && len(p.keys) > 0:
		return nil, errors.New("key= without cert=: give the certificate that the key belongs to")
	case len(p.certs) != len(p.keys):
		return nil, fmt.Errorf("%d cert= and %d key=: give one key= for each cert=, or none if the certificate files contain the keys", len(p.certs), len(p.keys))
	case len(p.certs) > 1 && !t.Passive:
		return nil, fmt.Errorf("%d cert=: a client presents only one certificate", len(p.certs))
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

// A prepared is the layer as one address configures it.
type prepared struct {
	passive   bool
	certs     []string // files
	keys      []string
	ca        string
	pins      []pin
	optional  bool // close_notify may be missing
	start     choice[starter]
	ephemeral *tls.Certificate // of a listener without cert=

	challenged bool        // answers ACME challenges
	base       *tls.Config // all but what comes from files
	files      reloading
	keylog     *os.File
}

// baseConfig sets what both sides have in common.
func (p *prepared) baseConfig(t scheme.LayerTarget) error {
	p.base = &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: all(alpnOption, t.Settings),
		// Records leave in one write, so small ones would arrive no earlier.
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
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|syscall.O_NONBLOCK, 0o600) // does not wait for a reader of a pipe
	if err == nil {
		var info os.FileInfo
		if info, err = f.Stat(); err == nil && info.Mode().IsRegular() { // a device or a pipe is others' too
			err = f.Chmod(0o600) // these secrets decrypt everything
		}
	}
	if err != nil {
		return fmt.Errorf("keylog=%s: %w", path, file.Reason(err))
	}
	p.keylog, p.base.KeyLogWriter = f, f
	return nil
}

func (p *prepared) close() {
	if p.keylog != nil {
		p.keylog.Close()
	}
}

// client completes the configuration of a client.
func (p *prepared) client(t scheme.LayerTarget) error {
	p.base.ServerName, _ = sniOption.In(t.Settings)
	if p.base.ServerName == "" {
		p.base.ServerName = hostOf(t)
	}
	p.base.ClientSessionCache = tls.NewLRUClientSessionCache(sessions)
	verify, given := verifyOption.In(t.Settings)
	switch {
	case given && !verify:
		slog.Warn("verify=no: the server is not authenticated, so anyone in between can read and change everything", "address", t.Destination)
		p.base.InsecureSkipVerify = true
	case len(p.pins) > 0 && p.ca == "" && !given:
		p.base.InsecureSkipVerify = true // checkPin verifies
	}
	return nil
}

// sessions is how many sessions a client keeps for resumption.
const sessions = 8

// connect is the client side of a handshake.
func (p *prepared) connect(ctx context.Context, lower *socket.Socket) (*socket.Socket, error) {
	config := told(p.files.current())
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
func (p *prepared) server(t scheme.LayerTarget) (err error) {
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

// heardKey is the context key of the func to call once a ClientHello has come.
type heardKey struct{}

// accept is the server side of a handshake.
func (p *prepared) accept(ctx context.Context, lower *socket.Socket, heard func()) (*socket.Socket, error) {
	w := p.newWire(lower)
	config := told(p.files.current())
	conn := tls.Server(w, config)
	if err := conn.HandshakeContext(context.WithValue(ctx, heardKey{}, heard)); err != nil {
		return nil, handshakeError(err, "")
	}
	if conn.ConnectionState().NegotiatedProtocol == acme.ALPNProto {
		return nil, errChallenge
	}
	return p.endpoint(conn, w), nil
}

// hello is called with each ClientHello.
func (p *prepared) hello(info *tls.ClientHelloInfo) (*tls.Config, error) {
	info.Context().Value(heardKey{}).(func())()
	if !p.challenged || !asksChallenge(info) {
		return nil, nil
	}
	config := p.base.Clone()
	config.NextProtos, config.ClientAuth, config.VerifyConnection = []string{acme.ALPNProto}, tls.NoClientCert, nil
	return config, nil
}

// notices tells how to connect to a listener with a self-signed certificate.
func (p *prepared) notices(listening string) []string {
	if p.ephemeral == nil {
		return nil
	}
	line := fmt.Sprintf("using a self-signed certificate for this run (cert= sets another): connect with zocalo talk %s", listening)
	if p.base.ClientAuth != tls.NoClientCert {
		line += ",cert=FILE,key=FILE"
	}
	return []string{line}
}

// load makes the configuration from the files as they are now.
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
		option := caOption.Name
		if p.passive {
			option = clientCAOption.Name
		}
		if pool, err = loadAuthorities(option, p.ca); err != nil {
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
		// Present it whatever authorities the server names: its refusal of a wrong
		// certificate says more than its refusal of none.
		only := config.Certificates[0]
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &only, nil }
	}
	return config, nil
}

// hostOf returns the host that a client connects to: localhost for carriers
// without hosts, such as unix.
func hostOf(t scheme.LayerTarget) string {
	if !strings.HasPrefix(t.Carrier.Endpoint, "host") {
		return "localhost"
	}
	host, _, err := net.SplitHostPort(t.Destination)
	if err != nil || host == "" {
		return "localhost"
	}
	return host
}
