package tls

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"
)

// A reloading is a configuration that follows the files which it is made of. They
// are looked at when somebody needs it, at most once in a while.
type reloading struct {
	paths []string
	load  func() (*tls.Config, error)

	mu     sync.Mutex
	config *tls.Config
	looked time.Time
	stamp  string // of the files when they were last read, well or not
}

// lookEvery is how often files are looked at that may have changed.
const lookEvery = time.Second

// first loads the configuration.
func (r *reloading) first() (err error) {
	r.looked, r.stamp = time.Now(), r.stamps()
	r.config, err = r.load()
	return err
}

// current returns the configuration as the files are, or as they last made
// sense.
func (r *reloading) current() *tls.Config {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.paths) == 0 || time.Since(r.looked) < lookEvery {
		return r.config
	}
	r.looked = time.Now()
	stamp := r.stamps()
	if stamp == r.stamp {
		return r.config
	}
	r.stamp = stamp
	config, err := r.load()
	if err != nil {
		slog.Error("tls: what changed is not used, and the old certificates are kept", "error", err)
		return r.config
	}
	slog.Info("tls: certificates were read again", "files", strings.Join(r.paths, " "))
	r.config = config
	return config
}

// stamps are texts that change when a file does, or another takes its place.
func (r *reloading) stamps() string {
	var b strings.Builder
	for _, path := range r.paths {
		info, err := os.Stat(path)
		if err != nil {
			fmt.Fprintln(&b, err)
			continue
		}
		fmt.Fprintln(&b, info.Size(), info.ModTime().UnixNano())
	}
	return b.String()
}

func loadPair(certFile, keyFile string) (tls.Certificate, error) {
	cert, err := os.ReadFile(certFile)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("cert=: %w", err)
	}
	key, err := os.ReadFile(keyFile)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("key=: %w", err)
	}
	c, err := tls.X509KeyPair(cert, key)
	switch {
	case err == nil:
		return c, nil
	case strings.Contains(err.Error(), "does not match"):
		return c, fmt.Errorf("the key of %s is not that of the certificate of %s: each key= goes with the cert= of the same place", keyFile, certFile)
	case certFile == keyFile:
		return c, fmt.Errorf("%s does not hold a certificate and its private key in PEM form: give the key's file by key=, or make both with 'zocalo cert'", certFile)
	}
	return c, fmt.Errorf("cert=%s and key=%s: %s", certFile, keyFile, withoutPrefix(err))
}

func loadAuthorities(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("ca=: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s has no certificate as PEM", path)
	}
	return pool, nil
}

// selfSigned makes up a certificate for this machine.
func selfSigned() (*tls.Certificate, error) {
	made, err := sign(template(time.Now().AddDate(1, 0, 0), LocalNames()...), nil)
	if err != nil {
		return nil, err
	}
	return &made.pair, nil
}

// LocalNames are the names by which this machine is reached from itself, and the one
// that it has elsewhere.
func LocalNames() []string {
	names := []string{"localhost", "127.0.0.1", "::1"}
	if host, err := os.Hostname(); err == nil && host != "localhost" {
		names = append(names, host)
	}
	return names
}

func pinOf(c *x509.Certificate) pin { return sha256.Sum256(c.RawSubjectPublicKeyInfo) }

// checkPin refuses a peer with another key than those that are pinned.
func (p *prepared) checkPin(state tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 {
		return errors.New("the peer has no certificate, of which the public key is pinned")
	}
	is := pinOf(state.PeerCertificates[0])
	for _, want := range p.pins {
		if is == want {
			return nil
		}
	}
	return &pinError{is, p.pins[0]}
}
