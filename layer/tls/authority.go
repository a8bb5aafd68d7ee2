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
	"math/big"
	"net"
	"strings"
	"time"
)

// An Authority signs certificates to try TLS with: it takes anybody's word for who
// they are.
type Authority struct {
	pair tls.Certificate
	key  *ecdsa.PrivateKey
}

// NewAuthority makes an authority with a key of its own, whose certificate is good
// until then.
func NewAuthority(until time.Time) (*Authority, error) {
	t := template(until, "zocalo's authority")
	t.IsCA, t.BasicConstraintsValid, t.KeyUsage = true, true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
	return sign(t, nil)
}

// ReadAuthority returns the authority of a certificate and key as PEM.
func ReadAuthority(text []byte) (*Authority, error) {
	pair, err := tls.X509KeyPair(text, text)
	if err != nil {
		return nil, errors.New(withoutPrefix(err))
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok || !pair.Leaf.IsCA {
		return nil, errors.New("it is no authority that this program has made")
	}
	return &Authority{pair, key}, nil
}

// Certificate returns the authority's certificate as PEM: for ca= and client-ca=.
func (a *Authority) Certificate() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.pair.Certificate[0]})
}

// PEM returns the certificate and the private key.
func (a *Authority) PEM() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(a.key)
	return append(a.Certificate(), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})...), err
}

// Issue makes a certificate for names, with its private key, as PEM: for cert= of
// servers and clients alike. Names are of hosts, addresses, or of people, as
// a@example.org.
func (a *Authority) Issue(until time.Time, names ...string) ([]byte, error) {
	issued, err := sign(template(until, names...), a)
	if err != nil {
		return nil, err
	}
	return issued.PEM()
}

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
		Subject:      pkix.Name{CommonName: names[0]},
		NotBefore:    from, NotAfter: until,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
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

// sign makes a key, and a certificate for it that a signs, or the key itself.
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
