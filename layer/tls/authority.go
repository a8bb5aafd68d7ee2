package tls

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"strings"
	"time"
)

// An Authority signs certificates for trying out TLS. It checks nobody's identity.
type Authority struct {
	pair tls.Certificate
	key  *ecdsa.PrivateKey
}

// NewAuthority makes an authority with a new key and a certificate that is valid until
// then.
func NewAuthority(until time.Time) (*Authority, error) {
	t := template(until, "zocalo test authority")
	t.IsCA, t.BasicConstraintsValid, t.KeyUsage = true, true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
	return sign(t, nil)
}

// ReadAuthority returns the authority with a certificate and key in PEM form, as PEM
// returns them.
func ReadAuthority(text []byte) (*Authority, error) {
	pair, err := tls.X509KeyPair(text, text)
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if err != nil || !ok || !pair.Leaf.IsCA {
		return nil, errors.New("it is not an authority made by zocalo cert")
	}
	return &Authority{pair, key}, nil
}

// Certificate returns the authority's certificate in PEM form, for ca= and client-ca=.
func (a *Authority) Certificate() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.pair.Certificate[0]})
}

// PEM returns the certificate and the private key in PEM form.
func (a *Authority) PEM() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(a.key)
	return append(a.Certificate(), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})...), err
}

// Issue makes a certificate for names, at least one, and returns it with its private key
// in PEM form, for cert= of servers and clients alike. [CheckName] says what is a name.
func (a *Authority) Issue(until time.Time, names ...string) ([]byte, error) {
	for _, name := range names {
		if err := CheckName(name); err != nil {
			return nil, err
		}
	}
	issued, err := sign(template(until, names...), a)
	if err != nil {
		return nil, err
	}
	return issued.PEM()
}

// CheckName says why a certificate cannot be issued for a name: it must be that of a
// host, also as *.example, an address, or a person, as ana@example.org.
func CheckName(name string) error {
	host := strings.TrimPrefix(name, "*.")
	if person, at, is := strings.Cut(name, "@"); is {
		host = at
		if person == "" || strings.ContainsFunc(person, func(r rune) bool { return r <= ' ' || r > '~' }) {
			host = ""
		}
	}
	for label := range strings.SplitSeq(host, ".") {
		odd := func(r rune) bool {
			return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
		}
		if net.ParseIP(name) == nil && (label == "" || len(label) > 63 || len(name) > 253 || strings.ContainsFunc(label, odd)) {
			return fmt.Errorf("%q is not a name for a certificate: it must be a host (db.example, *.example), an address (10.0.0.7) or a person (ana@example.org), in ASCII", name)
		}
	}
	return nil
}

// longestCommonName is that of X.509, in bytes. Longer names are only among the
// certificate's alternative names, which is where TLS looks.
const longestCommonName = 64

// template is a certificate for names.
func template(until time.Time, names ...string) *x509.Certificate {
	serial := make([]byte, 16)
	rand.Read(serial)
	serial[0] &= 0x7f
	from := time.Now().Add(-time.Hour)
	if until.Before(from) {
		from = until.Add(-time.Hour)
	}
	t := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serial),
		NotBefore:    from, NotAfter: until,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if len(names[0]) <= longestCommonName {
		t.Subject = pkix.Name{CommonName: names[0]}
	}
	for _, name := range names {
		switch ip := net.ParseIP(name); {
		case ip != nil:
			t.IPAddresses = append(t.IPAddresses, ip)
		case strings.Contains(name, "@"):
			t.EmailAddresses = append(t.EmailAddresses, name)
		case !strings.Contains(name, " "):
			t.DNSNames = append(t.DNSNames, name)
		}
	}
	return t
}

// sign makes a key and a certificate for it, signed by a or, if that is nil, by itself.
func sign(t *x509.Certificate, a *Authority) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	parent, signer := t, key
	if a != nil {
		parent, signer = a.pair.Leaf, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, t, parent, &key.PublicKey, signer)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	return &Authority{tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, key}, err
}
