package tls

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

// A cutError is a connection that did not end properly. It matches ECONNRESET, so that
// nothing takes the connection for complete.
type cutError struct {
	text string
	err  error // from crypto/tls, or nil
}

func (e *cutError) Error() string        { return layerName + ": " + e.text }
func (e *cutError) Unwrap() error        { return e.err }
func (e *cutError) Is(target error) bool { return target == syscall.ECONNRESET }

// errCut is an end without close_notify.
var errCut error = &cutError{text: "the connection ended without close_notify, so someone may have cut it: close-notify=optional accepts that"}

// connectionError explains an error after the handshake.
func connectionError(err error) error {
	var beneath *net.OpError
	switch {
	case err == io.ErrUnexpectedEOF:
		return errCut
	case errors.As(err, &beneath) && beneath.Op == "remote error":
		return &cutError{refusal(beneath.Err), err}
	case errors.As(err, &beneath) && beneath.Op == "local error":
		return &cutError{"the data was damaged on the way, or is not TLS: " + withoutPrefix(beneath.Err), err}
	case strings.HasPrefix(err.Error(), "tls: "):
		return &cutError{"the data was damaged on the way, or is not TLS: " + withoutPrefix(err), err}
	}
	return err
}

// A failedHandshake is why a handshake failed.
type failedHandshake struct {
	text string
	err  error
}

func (e *failedHandshake) Error() string { return e.text }
func (e *failedHandshake) Unwrap() error { return e.err }

// A pinError refuses a peer whose public key is not a pinned one.
type pinError struct{ is, want pin }

func (e *pinError) Error() string {
	return fmt.Sprintf("the peer's public key is %v, not the pinned %v", e.is, e.want)
}

// handshakeError explains why a handshake failed. name is the expected name of the
// server, or "" on the server's side.
func handshakeError(err error, name string) error {
	var wrongName x509.HostnameError
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var verification *tls.CertificateVerificationError
	var wrongPin *pinError
	var noTLS tls.RecordHeaderError
	var beneath *net.OpError
	text := ""
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &wrongPin):
		return err
	case errors.As(err, &wrongName):
		text = fmt.Sprintf("certificate is for %s, not %s: give sni= or ca=", listed(namesOf(wrongName.Certificate)), name)
	case errors.As(err, &unknown):
		text = whose(unknown.Cert, name) + " is signed by an unknown authority: " + signedBy(unknown.Cert, name)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && time.Now().After(invalid.Cert.NotAfter):
		text = fmt.Sprintf("%s expired on %s", whose(invalid.Cert, name), invalid.Cert.NotAfter.Format(time.DateTime))
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		text = fmt.Sprintf("%s is not valid before %s: is the clock right?", whose(invalid.Cert, name), invalid.Cert.NotBefore.Format(time.DateTime))
	case errors.As(err, &verification):
		text = whose(verification.UnverifiedCertificates[0], name) + " is not acceptable: " + withoutPrefix(verification.Err)
	case errors.As(err, &noTLS):
		text = fmt.Sprintf("the peer does not speak TLS: it sent %q", noTLS.RecordHeader[:])
	case errors.Is(err, errCut), err == io.EOF, err == io.ErrUnexpectedEOF:
		text = "the peer closed the connection during the handshake: does it speak TLS?"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		text = "the peer reset the connection during the handshake: does it speak TLS?"
	case errors.As(err, &beneath) && beneath.Op == "remote error":
		text = refusal(beneath.Err)
	case strings.Contains(err.Error(), "client didn't provide a certificate"):
		text = "the client presented no certificate, and client-ca= or pin= asks for one"
	case strings.Contains(err.Error(), "unexpected handshake message"):
		text = "the peer does not answer like the other side of a handshake: is it a TLS client too, or an echo?"
	case strings.HasPrefix(err.Error(), "tls: "):
		text = withoutPrefix(err)
	default:
		return err
	}
	return &failedHandshake{text, err}
}

// whose describes the certificate that was presented.
func whose(c *x509.Certificate, name string) string {
	if name != "" {
		return "certificate of " + name
	}
	return "the certificate of client " + listed(namesOf(c))
}

// signedBy tells what to do about an unknown authority.
func signedBy(c *x509.Certificate, name string) string {
	if name == "" {
		return "client-ca= lists the trusted ones"
	}
	return fmt.Sprintf("give ca=FILE, or pin=%v if you trust that key", pinOf(c))
}

func listed(names []string) string {
	if len(names) == 0 {
		return "nobody"
	}
	if len(names) > 4 {
		names = append(names[:4:4], "...")
	}
	return strings.Join(names, ", ")
}

// refusal explains an alert from the peer, and tells what to do.
func refusal(alert error) string {
	text := withoutPrefix(alert)
	advice := map[string]string{
		"bad certificate":                ": it does not accept our certificate (cert=)",
		"unknown certificate authority":  ": it does not trust the authority that signed our certificate (cert=)",
		"unknown certificate":            ": it does not accept our certificate (cert=)",
		"expired certificate":            ": our certificate (cert=) has expired",
		"certificate required":           ": it requires a client certificate: give cert= and key=",
		"handshake failure":              ": no version or cipher in common, or it requires a client certificate (cert=, key=)",
		"protocol version not supported": ": no TLS version in common",
		"unrecognized name":              ": it serves no host of that name: give sni=",
		"no application protocol":        ": it supports none of the protocols in alpn=",
	}[text]
	return fmt.Sprintf("the peer refused with the alert %q%s", text, advice)
}

func withoutPrefix(err error) string {
	text := err.Error()
	for _, prefix := range []string{"tls: ", "x509: "} {
		text = strings.TrimPrefix(text, prefix)
	}
	return text
}
