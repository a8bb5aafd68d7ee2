package tls

import (
	"bytes"
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

	"zocalo/layer/internal/file"
)

// A reloading is a configuration that follows its files. They are checked when the
// configuration is needed, at most every lookEvery.
type reloading struct {
	paths []string
	load  func() (*tls.Config, error)

	mu     sync.Mutex
	config *tls.Config
	looked time.Time
	stamp  string // of the files when they were last read, usable or not
}

// lookEvery bounds how often the files are checked for changes.
const lookEvery = time.Second

// first loads the configuration.
func (r *reloading) first() (err error) {
	r.looked, r.stamp = time.Now(), r.stamps()
	r.config, err = r.load()
	return err
}

// current returns the configuration from the files as they are, or as they last
// were usable.
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
		slog.Error("tls: the changed files are not usable: keeping the old certificates", "error", err)
		return r.config
	}
	slog.Info("tls: certificates reloaded", "files", strings.Join(r.paths, " "))
	r.config = config
	return config
}

// stamps returns a text that changes whenever a file changes or is replaced.
func (r *reloading) stamps() string {
	var b strings.Builder
	for _, path := range r.paths {
		switch info, err := os.Stat(path); {
		case err != nil:
			fmt.Fprintln(&b, err)
		case info.Mode().IsRegular(): // a pipe can be read only once
			fmt.Fprintln(&b, info.Size(), info.ModTime().UnixNano())
		}
	}
	return b.String()
}

func loadPair(certFile, keyFile string) (tls.Certificate, error) {
	if certFile == keyFile {
		both, err := file.Read(certOption.Name, certFile)
		if err != nil {
			return tls.Certificate{}, err
		}
		return parsePair(both, both, certFile, "")
	}
	cert, err := file.Read(certOption.Name, certFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := file.Read(keyOption.Name, keyFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	return parsePair(cert, key, certFile, keyFile)
}

// parsePair returns the certificate and key of two texts; keyFile is "" where both are
// in one file.
func parsePair(cert, key []byte, certFile, keyFile string) (tls.Certificate, error) {
	pair, err := tls.X509KeyPair(cert, key)
	if err == nil {
		if keyFile == "" {
			file.CheckSecret(certOption.Name, certFile)
		} else {
			file.CheckSecret(keyOption.Name, keyFile)
		}
		return pair, nil
	}
	inCert, inKey := "cert="+certFile, "key="+keyFile
	if keyFile == "" {
		inKey = inCert
	}
	isKey := bytes.Contains(key, []byte("PRIVATE KEY-----"))
	switch {
	case !bytes.Contains(cert, []byte("-----BEGIN CERTIFICATE-----")):
		return pair, fmt.Errorf("%s: it has no certificate in PEM form: 'openssl x509 -inform der' and 'openssl pkcs12' convert others", inCert)
	case !isKey && keyFile == "":
		return pair, fmt.Errorf("%s: it has a certificate and no private key: give the key with key=", inCert)
	case !isKey:
		return pair, fmt.Errorf("%s: it has no private key in PEM form", inKey)
	case bytes.Contains(key, []byte("ENCRYPTED")):
		return pair, fmt.Errorf("%s: the private key is encrypted: 'openssl pkey' removes the passphrase", inKey)
	case strings.Contains(err.Error(), "does not match") && keyFile == "":
		return pair, fmt.Errorf("%s: the private key in it does not belong to its first certificate", inCert)
	case strings.Contains(err.Error(), "does not match"):
		return pair, fmt.Errorf("%s is not the key of %s: give each cert= and its key= in the same order", inKey, inCert)
	}
	return pair, fmt.Errorf("%s, %s: %s", inCert, inKey, withoutPrefix(err))
}

func loadAuthorities(option, path string) (*x509.CertPool, error) {
	text, err := file.Read(option, path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s=%s: it has no certificate in PEM form", option, path)
	}
	return pool, nil
}

// selfSigned makes a certificate for the names of this machine.
func selfSigned() (*tls.Certificate, error) {
	made, err := sign(template(time.Now().AddDate(1, 0, 0), LocalNames()...), nil)
	if err != nil {
		return nil, err
	}
	return &made.pair, nil
}

// LocalNames are the names and addresses of this machine as seen from itself, and its
// host name.
func LocalNames() []string {
	names := []string{"localhost", "127.0.0.1", "::1"}
	if host, err := os.Hostname(); err == nil && host != "localhost" && CheckName(host) == nil {
		names = append(names, host)
	}
	return names
}

func pinOf(c *x509.Certificate) pin { return sha256.Sum256(c.RawSubjectPublicKeyInfo) }

// checkPin refuses a peer whose key is not one of the pinned ones.
func (p *prepared) checkPin(state tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 {
		return errors.New("the peer presented no certificate, and pin= asks for one")
	}
	is := pinOf(state.PeerCertificates[0])
	for _, want := range p.pins {
		if is == want {
			return nil
		}
	}
	return &pinError{is, p.pins[0]}
}
