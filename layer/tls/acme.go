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

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"

	"zocalo/socket"
)

// The options of a listener whose certificates an authority signs by ACME (RFC 8555).
var (
	acmeOption = socket.NewOption(socket.Spec{
		Name: "acme", Phase: socket.Naming, Only: socket.PassiveOnly, Repeatable: true, Default: "none",
		Doc: "a name to have a certificate signed for by ACME, whose challenge (tls-alpn-01) this listener answers: the authority must reach it at port 443 of that name",
	}, file.Or("NAME"), nil, nil)
	acmeDirectoryOption = socket.NewOption(socket.Spec{
		Name: "acme-directory", Phase: socket.Naming, Only: socket.PassiveOnly, Default: "that of Let's Encrypt",
		Doc: "the directory of the authority that acme= asks",
	}, file.Or("URL"), nil, nil)
	acmeCAOption = socket.NewOption(socket.Spec{
		Name: "acme-ca", Phase: socket.Naming, Only: socket.PassiveOnly, Default: "those of the system",
		Doc: "a file with the authorities that may have signed the directory's own certificate, as PEM",
	}, file, nil, nil)
	acmeCacheOption = socket.NewOption(socket.Spec{
		Name: "acme-cache", Phase: socket.Naming, Only: socket.PassiveOnly, Default: "zocalo/acme in the user's folder for caches",
		Doc: "a folder that keeps the account's key, certificates and their keys, readable by its owner alone",
	}, file.Or("FOLDER"), nil, nil)
	acmeEmailOption = socket.NewOption(socket.Spec{
		Name: "acme-email", Phase: socket.Naming, Only: socket.PassiveOnly, Default: "none",
		Doc: "whom the authority may write to about certificates",
	}, file.Or("ADDRESS"), nil, nil)
)

// errChallenge ends a connection that had no other purpose.
var errChallenge = errors.New("an ACME challenge was answered")

// acme prepares certificates signed on demand. Naming names is to agree to the
// authority's terms.
func (p *prepared) acme(names []string, t socket.LayerTarget) error {
	if len(p.certs) > 0 {
		return errors.New("a certificate is a file's or an authority's: give cert= or acme=")
	}
	for _, name := range names {
		if !strings.Contains(strings.Trim(name, "."), ".") {
			return fmt.Errorf("acme=%s: authorities sign full names, such as www.example.org", name)
		}
	}
	folder, given := acmeCacheOption.In(t.Settings)
	if !given {
		cache, err := os.UserCacheDir()
		if err != nil {
			return fmt.Errorf("there is no folder for certificates (%w): give acme-cache=FOLDER", err)
		}
		folder = filepath.Join(cache, "zocalo", "acme")
	}
	client := &acme.Client{DirectoryURL: autocert.DefaultACMEDirectory}
	if url, ok := acmeDirectoryOption.In(t.Settings); ok {
		client.DirectoryURL = url
	}
	if path, ok := acmeCAOption.In(t.Settings); ok {
		pool, err := loadAuthorities(path)
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

// within gets a certificate for as long as the handshake may last: what an authority
// takes longer for is there for the next client.
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

// asksChallenge reports whether a client is an authority that tries a name.
func asksChallenge(info *tls.ClientHelloInfo) bool {
	return slices.Contains(info.SupportedProtos, acme.ALPNProto)
}
