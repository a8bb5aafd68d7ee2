package interop

import (
	"crypto/tls"
	"crypto/x509"
	"testing"
	"time"

	zocalotls "zocalo/layer/tls"
)

// certificates returns the configuration of a server named server, and of clients
// that trust it.
func certificates(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	until := time.Now().Add(time.Hour)
	authority, err := zocalotls.NewAuthority(until)
	if err != nil {
		t.Fatal(err)
	}
	both, err := authority.Issue(until, "server")
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := tls.X509KeyPair(both, both)
	if err != nil {
		t.Fatal(err)
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(authority.Certificate())
	return &tls.Config{Certificates: []tls.Certificate{certificate}}, &tls.Config{RootCAs: trusted, ServerName: "server"}
}
