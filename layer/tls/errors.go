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

// A cutError says that a connection did not end in order. It matches ECONNRESET:
// nothing may take it for a whole one.
type cutError struct {
	text string
	err  error // of crypto/tls; nil where there is none
}

func (e *cutError) Error() string        { return layerName + ": " + e.text }
func (e *cutError) Unwrap() error        { return e.err }
func (e *cutError) Is(target error) bool { return target == syscall.ECONNRESET }

// errCut is the end of a connection beneath without TLS's own.
var errCut error = &cutError{text: "the peer ended the connection without TLS's close_notify, so that it may have been cut: close-notify=optional takes that for an end"}

// connectionError is what an error of a connection that stood is for people.
func connectionError(err error) error {
	var beneath *net.OpError
	switch {
	case err == io.ErrUnexpectedEOF:
		return errCut
	case errors.As(err, &beneath) && beneath.Op == "remote error":
		return &cutError{refusal(beneath.Err), err}
	case errors.As(err, &beneath) && beneath.Op == "local error":
		return &cutError{"what came is not what the peer's TLS can have sent: " + withoutPrefix(beneath.Err), err}
	case strings.HasPrefix(err.Error(), "tls: "):
		return &cutError{"what came is not what the peer's TLS can have sent: " + withoutPrefix(err), err}
	}
	return err
}

// A handshakeError is why a connection did not come to be.
type failedHandshake struct {
	text string
	err  error
}

func (e *failedHandshake) Error() string { return e.text }
func (e *failedHandshake) Unwrap() error { return e.err }

// A pinError refuses a peer with another public key than the pinned one.
type pinError struct{ is, want pin }

func (e *pinError) Error() string {
	return fmt.Sprintf("the peer's public key is not the pinned one: it is %v, and pin= says %v", e.is, e.want)
}

// handshakeError is what an error of a handshake is for people. name is what the
// server's certificate should have; "" on the server.
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
		text = whose(unknown.Cert, name) + " is signed by no authority that is known here: " + signedBy(unknown.Cert, name)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && time.Now().After(invalid.Cert.NotAfter):
		text = fmt.Sprintf("%s expired on %s", whose(invalid.Cert, name), invalid.Cert.NotAfter.Format(time.DateTime))
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		text = fmt.Sprintf("%s is valid from %s on: is the clock right?", whose(invalid.Cert, name), invalid.Cert.NotBefore.Format(time.DateTime))
	case errors.As(err, &verification):
		text = whose(verification.UnverifiedCertificates[0], name) + " will not do: " + withoutPrefix(verification.Err)
	case errors.As(err, &noTLS):
		text = fmt.Sprintf("the peer does not speak TLS: it began with %q", noTLS.RecordHeader[:])
	case errors.Is(err, errCut), err == io.EOF, err == io.ErrUnexpectedEOF:
		text = "the peer ended the connection in the middle of the handshake"
	case errors.As(err, &beneath) && beneath.Op == "remote error":
		text = refusal(beneath.Err)
	case strings.Contains(err.Error(), "client didn't provide a certificate"):
		text = "the client shows no certificate, which client-ca= or pin= asks for"
	case strings.Contains(err.Error(), "unexpected handshake message"):
		text = "the peer speaks TLS, and not as the other side of a handshake: is it a client, or this end itself?"
	case strings.HasPrefix(err.Error(), "tls: "):
		text = withoutPrefix(err)
	default:
		return err
	}
	return &failedHandshake{text, err}
}

// whose names a certificate.
func whose(c *x509.Certificate, name string) string {
	if name != "" {
		return "certificate of " + name
	}
	return "the client's certificate, of " + listed(namesOf(c)) + ","
}

// signedBy says what to do about an unknown authority.
func signedBy(c *x509.Certificate, name string) string {
	if name == "" {
		return "client-ca= has those that are"
	}
	return fmt.Sprintf("give ca=FILE, or pin=%v if that is its key", pinOf(c))
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

// refusal is an alert of the peer's for people: what it says, and what to do.
func refusal(alert error) string {
	text := withoutPrefix(alert)
	advice := map[string]string{
		"bad certificate":                ": it does not take the certificate of cert=",
		"unknown certificate authority":  ": it does not know who signed our certificate",
		"unknown certificate":            ": it does not take our certificate",
		"expired certificate":            ": our certificate is too old",
		"certificate required":           ": it wants a certificate of us: give cert= and key=",
		"handshake failure":              ": it has no version or cipher in common with us, or wants a certificate (cert=, key=)",
		"protocol version not supported": ": it has no version of TLS in common with us",
		"unrecognized name":              ": it serves nobody of that name: give sni=",
		"no application protocol":        ": it speaks none of what alpn= offers",
	}[text]
	return fmt.Sprintf("the peer refused, with the alert %q%s", text, advice)
}

func withoutPrefix(err error) string {
	text := err.Error()
	for _, prefix := range []string{"tls: ", "x509: "} {
		text = strings.TrimPrefix(text, prefix)
	}
	return text
}
