package tls

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"zocalo/socket/option"
	"zocalo/socket/scheme"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

// The options of a listener that gets its certificates by ACME (RFC 8555).
var (
	acmeOption = option.New(option.Spec{
		Name: "acme", Phase: option.Naming, Only: option.PassiveOnly, Repeatable: true, Default: "none",
		Doc: "a name to get a certificate for by ACME (tls-alpn-01): the authority must reach this listener at port 443 of the name",
	}, text.Or("NAME"), nil, nil)
	acmeDirectoryOption = option.New(option.Spec{
		Name: "acme-directory", Phase: option.Naming, Only: option.PassiveOnly, Default: "Let's Encrypt's",
		Doc: "the directory URL of the ACME authority",
	}, text.Or("URL"), nil, nil)
	acmeCAOption = option.New(option.Spec{
		Name: "acme-ca", Phase: option.Naming, Only: option.PassiveOnly, Default: "the system's",
		Doc: "a PEM file with the certificate authorities to trust for the directory itself",
	}, text, nil, nil)
	acmeCacheOption = option.New(option.Spec{
		Name: "acme-cache", Phase: option.Naming, Only: option.PassiveOnly, Default: "zocalo/acme in the user's cache folder",
		Doc: "a folder for the account key, the certificates and their keys, readable only by its owner",
	}, text.Or("FOLDER"), nil, nil)
	acmeEmailOption = option.New(option.Spec{
		Name: "acme-email", Phase: option.Naming, Only: option.PassiveOnly, Default: "none",
		Doc: "an email address for the authority's messages about certificates",
	}, text.Or("ADDRESS"), nil, nil)
)

// errChallenge ends a connection that was only an ACME challenge.
var errChallenge = errors.New("an ACME challenge was answered")

// acme has certificates issued on demand. Using acme= is agreeing to the
// authority's terms.
func (p *prepared) acme(names []string, t scheme.LayerTarget) error {
	if len(p.certs) > 0 {
		return errors.New("cert= and acme= exclude each other: give one of them")
	}
	for _, name := range names {
		if !strings.Contains(strings.Trim(name, "."), ".") {
			return fmt.Errorf("acme=%s: authorities only sign full names, such as www.example.org", name)
		}
	}
	folder, given := acmeCacheOption.In(t.Settings)
	if !given {
		cache, err := os.UserCacheDir()
		if err != nil {
			return fmt.Errorf("no folder to keep certificates in (%w): give acme-cache=FOLDER", err)
		}
		folder = filepath.Join(cache, "zocalo", "acme")
	}
	client := &acme.Client{DirectoryURL: autocert.DefaultACMEDirectory}
	if url, ok := acmeDirectoryOption.In(t.Settings); ok {
		client.DirectoryURL = url
	}
	if path, ok := acmeCAOption.In(t.Settings); ok {
		pool, err := loadAuthorities(acmeCAOption.Name, path)
		if err != nil {
			return err
		}
		client.HTTPClient = trusting(pool)
	}
	m := &autocert.Manager{
		Prompt: autocert.AcceptTOS, Cache: autocert.DirCache(folder), HostPolicy: autocert.HostWhitelist(names...), Client: client,
	}
	m.Email, _ = acmeEmailOption.In(t.Settings)
	p.base.GetCertificate = func(info *tls.ClientHelloInfo) (*tls.Certificate, error) { return within(info, m.GetCertificate) }
	p.challenged = true
	return nil
}

func trusting(pool *x509.CertPool) *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: pool}
	return &http.Client{Transport: transport}
}

// within gets a certificate within the time of the handshake. One that takes the
// authority longer is there for the next client.
func within(info *tls.ClientHelloInfo, get func(*tls.ClientHelloInfo) (*tls.Certificate, error)) (*tls.Certificate, error) {
	type answer struct {
		c   *tls.Certificate
		err error
	}
	got := make(chan answer, 1)
	go func() {
		c, err := get(info)
		got <- answer{c, err}
	}()
	select {
	case a := <-got:
		return a.c, a.err
	case <-info.Context().Done():
		return nil, context.Cause(info.Context())
	}
}

// asksChallenge reports whether a client is an ACME authority that checks a name.
func asksChallenge(info *tls.ClientHelloInfo) bool {
	return slices.Contains(info.SupportedProtos, acme.ALPNProto)
}
