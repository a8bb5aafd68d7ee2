package tls

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"strconv"
	"strings"

	"zocalo/socket"
)

// Facts implements [socket.Teller].
func (e *endpoint) Facts() []socket.Fact {
	return factsOf(layer.Name, e.conn.ConnectionState(), e.passive, e.proven)
}

// StateOf returns what crypto/tls knows about a connection, such as the peer's
// certificate: of the outermost TLS layer, or of QUIC. ok is false without one.
func StateOf(e socket.Endpoint) (state tls.ConnectionState, ok bool) {
	for e != nil {
		if s, ok := socket.As[interface{ ConnectionState() tls.ConnectionState }](e); ok {
			return s.ConnectionState(), true
		}
		l, ok := socket.As[socket.Layer](e)
		if !ok {
			break
		}
		e = l.Lower()
	}
	return state, false
}

// ConnectionState is for [StateOf].
func (e *endpoint) ConnectionState() tls.ConnectionState { return e.conn.ConnectionState() }

// proves reports whether an authority vouches for the names in the peer's certificate. A
// pin does not: whoever has the pinned key can sign any name with it.
func proves(state *tls.ConnectionState) bool { return len(state.VerifiedChains) > 0 }

// factsOf returns the facts of a connection; proven is that of proves. The variables are
// those of Apache's mod_ssl.
func factsOf(layer string, state tls.ConnectionState, passive, proven bool) []socket.Fact {
	var facts []socket.Fact
	add := func(name, variable, value string) {
		if value != "" {
			facts = append(facts, socket.Fact{Layer: layer, Name: name, Variable: variable, Value: value})
		}
	}
	add("version", "SSL_PROTOCOL", strings.Replace(tls.VersionName(state.Version), "TLS ", "TLSv", 1))
	add("cipher", "SSL_CIPHER", tls.CipherSuiteName(state.CipherSuite))
	if state.CurveID != 0 {
		add("group", "", state.CurveID.String())
	}
	add("alpn", "SSL_ALPN", state.NegotiatedProtocol)
	add("sni", "SSL_TLS_SNI", state.ServerName)
	resumed := "Initial"
	if state.DidResume {
		resumed = "Resumed"
		add("resumed", "", "true")
	}
	add("", "SSL_SESSION_RESUMED", resumed)
	if len(state.PeerCertificates) == 0 {
		add("", "SSL_CLIENT_VERIFY", "NONE")
		return facts
	}
	peer := state.PeerCertificates[0]
	names, verified := socket.CertificateName, "SUCCESS"
	if !proven {
		names, verified = "unverified-cert", "GENEROUS"
	}
	for _, name := range namesOf(peer) {
		add(names, "", name)
	}
	add("pin", "", pinOf(peer).String())
	if !passive {
		return facts
	}
	add("", "SSL_CLIENT_VERIFY", verified)
	add("", "SSL_CLIENT_S_DN", peer.Subject.String())
	add("", "SSL_CLIENT_S_DN_CN", peer.Subject.CommonName)
	add("", "SSL_CLIENT_I_DN", peer.Issuer.String())
	add("", "SSL_CLIENT_I_DN_CN", peer.Issuer.CommonName)
	add("", "SSL_CLIENT_M_SERIAL", fmt.Sprintf("%X", peer.SerialNumber))
	const asn1 = "Jan _2 15:04:05 2006 GMT"
	add("", "SSL_CLIENT_V_START", peer.NotBefore.UTC().Format(asn1))
	add("", "SSL_CLIENT_V_END", peer.NotAfter.UTC().Format(asn1))
	for i, name := range peer.DNSNames {
		add("", "SSL_CLIENT_SAN_DNS_"+strconv.Itoa(i), name)
	}
	for i, name := range peer.EmailAddresses {
		add("", "SSL_CLIENT_SAN_Email_"+strconv.Itoa(i), name)
	}
	return facts
}

// namesOf are the names that a certificate is for.
func namesOf(c *x509.Certificate) []string {
	names := append([]string(nil), c.DNSNames...)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	names = append(names, c.EmailAddresses...)
	for _, u := range c.URIs {
		names = append(names, u.String())
	}
	for _, n := range names {
		if n == c.Subject.CommonName {
			return names
		}
	}
	if c.Subject.CommonName != "" {
		names = append(names, c.Subject.CommonName)
	}
	return names
}
