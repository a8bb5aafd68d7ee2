package tls

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"zocalo/socket"
)

// The options of an address's layer tls.
var (
	certOption = socket.NewOption(socket.Spec{
		Name: "cert", Aliases: []string{"certificate"}, Phase: socket.Naming, Repeatable: true,
		Default: "none for a client; a listener makes one and prints its pin=",
		Doc:     "a PEM file with the certificate and its intermediates; a listener may have several, chosen by SNI",
	}, text, nil, nil)
	keyOption = socket.NewOption(socket.Spec{
		Name: "key", Phase: socket.Naming, Repeatable: true, Default: "the file of cert=",
		Doc: "a PEM file with the private key of the preceding cert=",
	}, text, nil, nil)
	caOption = socket.NewOption(socket.Spec{
		Name: "ca", Aliases: []string{"cafile"}, Phase: socket.Naming, Only: socket.ActiveOnly, Default: "the system's",
		Doc: "a PEM file with the certificate authorities to trust for the server's certificate",
	}, text, nil, nil)
	clientCAOption = socket.NewOption(socket.Spec{
		Name: "client-ca", Phase: socket.Naming, Only: socket.PassiveOnly, Default: "none: clients need no certificate",
		Doc: "a PEM file with certificate authorities; every client must present a certificate from one of them",
	}, text, nil, nil)
	pinOption = socket.NewOption(socket.Spec{
		Name: "pin", Phase: socket.Naming, Repeatable: true, Default: "none",
		Doc: "the SHA-256 of the peer's public key, in hex or base64; without ca= nothing else about its certificate is checked",
	}, socket.Codec[pin]{Placeholder: "sha256:HASH", Parse: parsePin, Format: pin.String}, nil, nil)
	sniOption = socket.NewOption(socket.Spec{
		Name: "sni", Aliases: []string{"servername"}, Phase: socket.Naming, Only: socket.ActiveOnly, Default: "the host of the address, or localhost if it has none",
		Doc: "the server name to ask for, which its certificate must match",
	}, text.Or("NAME"), nil, nil)
	alpnOption = socket.NewOption(socket.Spec{
		Name: "alpn", Phase: socket.Naming, Repeatable: true, Default: "none",
		Doc: "a protocol to offer or accept, such as h2, in order of preference",
	}, text.Or("PROTOCOL"), nil, nil)
	minOption = socket.NewOption(socket.Spec{
		Name: "min", Aliases: []string{"min-version"}, Phase: socket.Naming, Default: "1.2",
		Doc: "the oldest acceptable TLS version, 1.2 or 1.3",
	}, oneOf("VERSION", map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}), nil, nil)
	verifyOption = socket.NewOption(socket.Spec{
		Name: "verify", Phase: socket.Naming, Only: socket.ActiveOnly, Default: "on",
		Doc: "verify=no accepts any certificate from anyone, and warns every time",
	}, socket.Flag, nil, nil)
	closeNotifyOption = socket.NewOption(socket.Spec{
		Name: "close-notify", Phase: socket.Naming, Default: "required: an end without it is a reset",
		Doc: "optional accepts a connection that closes without close_notify, as many HTTP servers do",
	}, oneOf("required|optional", map[string]bool{"required": false, "optional": true}), nil, nil)
	keylogOption = socket.NewOption(socket.Spec{
		Name: "keylog", Phase: socket.Naming, Default: "none",
		Doc: "a file to append the secrets of each connection to, so that Wireshark can decrypt a capture",
	}, text, nil, nil)
	starttlsOption = socket.NewOption(socket.Spec{
		Name: "starttls", Phase: socket.Naming, Only: socket.ActiveOnly, Default: "none: TLS from the first byte",
		Doc: "the protocol in which to ask the server for TLS: smtp, imap, pop3 or postgres",
	}, oneOf("PROTOCOL", starters), nil, nil)
)

// text is the codec of text that is not empty, such as the name of a file.
var text = socket.Codec[string]{
	Placeholder: "FILE",
	Parse: func(s string) (string, error) {
		if s == "" {
			return "", errors.New("it must not be empty")
		}
		return s, nil
	},
	Format: func(s string) string { return s },
}

// oneOf is the codec of a value that is written as one of a few words.
func oneOf[T any](placeholder string, values map[string]T) socket.Codec[choice[T]] {
	words := slices.Sorted(maps.Keys(values))
	return socket.Codec[choice[T]]{
		Placeholder: placeholder,
		Parse: func(text string) (choice[T], error) {
			v, ok := values[strings.ToLower(text)]
			if !ok {
				return choice[T]{}, fmt.Errorf("%q must be one of %s", text, strings.Join(words, ", "))
			}
			return choice[T]{strings.ToLower(text), v}, nil
		},
		Format: func(c choice[T]) string { return c.word },
	}
}

// A choice is a value and the word for it.
type choice[T any] struct {
	word  string
	value T
}

// A pin is the SHA-256 of the public key in a certificate.
type pin [sha256.Size]byte

func parsePin(text string) (p pin, err error) {
	hash, ok := strings.CutPrefix(text, "sha256:")
	b, hexErr := hex.DecodeString(hash)
	if hexErr != nil {
		b, err = base64.StdEncoding.DecodeString(hash)
	}
	if !ok || err != nil || len(b) != len(p) {
		return p, fmt.Errorf("%q is not sha256: followed by a hash as 64 hexadecimal digits or base64", text)
	}
	return pin(b), nil
}

func (p pin) String() string { return "sha256:" + hex.EncodeToString(p[:]) }

const layerName = "tls"

// scheme is the layer.
var scheme = &socket.LayerScheme{
	Name: layerName, Aliases: []string{"ssl"}, Short: "tcp", Names: true,
	Doc: "TLS",
	Options: []*socket.Spec{
		certOption.Spec, keyOption.Spec, caOption.Spec, clientCAOption.Spec, pinOption.Spec, sniOption.Spec, alpnOption.Spec, minOption.Spec,
		verifyOption.Spec, closeNotifyOption.Spec, keylogOption.Spec, starttlsOption.Spec,
		acmeOption.Spec, acmeDirectoryOption.Spec, acmeCAOption.Spec, acmeCacheOption.Spec, acmeEmailOption.Spec,
	},
	Needs: func(p socket.Properties) string {
		switch {
		case p.Bounded && !p.Reliable:
			return "TLS needs every byte in order, and datagrams get lost: QUIC is TLS for datagrams"
		case !p.Reliable || !p.Connected:
			return "TLS needs a reliable connection, such as tcp or unix"
		}
		return ""
	},
}

func init() {
	scheme.Prepare = prepare // which refers to scheme
	socket.RegisterLayer(scheme)
}

// all returns the values of a repeatable option, in order.
func all[T any](o *socket.Option[T], settings socket.Settings) (values []T) {
	for _, s := range settings {
		if s.Spec == o.Spec {
			values = append(values, s.Value.(T))
		}
	}
	return values
}
