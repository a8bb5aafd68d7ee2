package tls

import (
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"net"

	"zocalo/socket"
	"zocalo/socket/option"
	"zocalo/socket/scheme"
)

// A Within is TLS for a protocol that contains it, such as QUIC: the options of an address
// as a configuration of crypto/tls.
type Within struct {
	p     *prepared
	layer string
}

// WithinOptions are the options that have a meaning within another protocol, which always
// uses TLS 1.3: all but those of the connection beneath, of ACME, which works over TCP, and
// alpn=, which has another default there.
func WithinOptions() []*option.Spec {
	return []*option.Spec{
		certOption.Spec, keyOption.Spec, caOption.Spec, clientCAOption.Spec, pinOption.Spec,
		sniOption.Spec, verifyOption.Spec, keylogOption.Spec,
	}
}

// PrepareWithin reads the options of an address. layer is the name of the protocol, and
// protocols are what it offers or accepts by ALPN.
func PrepareWithin(layer string, protocols []string, t scheme.LayerTarget) (*Within, error) {
	p, err := newPrepared(t, protocols)
	if err != nil {
		return nil, err
	}
	return &Within{p, layer}, nil
}

// Client returns the configuration of a client, from the files as they are now.
func (w *Within) Client() *tls.Config { return told(w.p.files.current()) }

// Server returns the configuration of a listener, which follows the files.
func (w *Within) Server() *tls.Config {
	return &tls.Config{
		NextProtos: w.p.base.NextProtos,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return told(w.p.files.current()), nil
		},
	}
}

// Facts returns the facts of a connection.
func (w *Within) Facts(state tls.ConnectionState) []socket.Fact {
	return factsOf(w.layer, state, w.p.passive, proves(&state))
}

// Error is an error of a handshake for people.
func (w *Within) Error(err error) error { return handshakeError(err, w.p.base.ServerName) }

// Refusal is the error of a handshake that the peer refused with an alert of TLS.
func (w *Within) Refusal(alert uint8) error {
	return w.Error(&net.OpError{Op: "remote error", Err: tls.AlertError(alert)})
}

// Secret returns a secret of a listener that depends on its first private key and on info, so that it
// is the same after a restart; nil for a listener whose certificate lasts only as long as it does.
func (w *Within) Secret(info string, length int) []byte {
	certificates := w.p.files.current().Certificates
	if !w.p.passive || w.p.ephemeral != nil || len(certificates) == 0 {
		return nil
	}
	key, err := x509.MarshalPKCS8PrivateKey(certificates[0].PrivateKey)
	if err != nil {
		return nil
	}
	secret, err := hkdf.Key(sha256.New, key, nil, info, length)
	if err != nil {
		return nil
	}
	return secret
}

// ProvesNames reports whether every client of a listener must prove its names.
func (w *Within) ProvesNames() bool { return w.p.passive && w.p.ca != "" }

// Reach, Notices and Close are those of a [scheme.PreparedLayer].
func (w *Within) Reach() string                     { return w.p.reach() }
func (w *Within) Notices(listening string) []string { return w.p.notices(listening) }
func (w *Within) Close()                            { w.p.close() }
