package tls

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
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
		Default: "none for who connects; for a listener one made up, whose pin= it prints",
		Doc:     "a file with the certificate to show, and those up to its authority, as PEM; a listener has several and chooses by name",
	}, file, nil, nil)
	keyOption = socket.NewOption(socket.Spec{
		Name: "key", Phase: socket.Naming, Repeatable: true, Default: "the file of cert=",
		Doc: "the file with the private key of the cert= before it, as PEM",
	}, file, nil, nil)
	caOption = socket.NewOption(socket.Spec{
		Name: "ca", Aliases: []string{"cafile"}, Phase: socket.Naming, Only: socket.ActiveOnly, Default: "those of the system",
		Doc: "a file with the authorities that may have signed the peer's certificate, as PEM",
	}, file, nil, nil)
	clientCAOption = socket.NewOption(socket.Spec{
		Name: "client-ca", Phase: socket.Naming, Only: socket.PassiveOnly, Default: "none: clients need no certificate",
		Doc: "a file with the authorities of which every client must show a certificate, as PEM",
	}, file, nil, nil)
	pinOption = socket.NewOption(socket.Spec{
		Name: "pin", Phase: socket.Naming, Repeatable: true, Default: "none",
		Doc: "the SHA-256 of the public key that the peer must have, in hexadecimal or base64; without ca= that is all that is asked of its certificate",
	}, socket.Codec[pin]{Placeholder: "sha256:HASH", Parse: parsePin, Format: pin.String}, nil, nil)
	sniOption = socket.NewOption(socket.Spec{
		Name: "sni", Aliases: []string{"servername"}, Phase: socket.Naming, Only: socket.ActiveOnly, Default: "the host of the address, localhost where it has none",
		Doc: "the name that the peer is asked for, and that its certificate must have",
	}, file.Or("NAME"), nil, nil)
	alpnOption = socket.NewOption(socket.Spec{
		Name: "alpn", Phase: socket.Naming, Repeatable: true, Default: "none",
		Doc: "a protocol to offer or to take, as h2, the preferred one first",
	}, file.Or("PROTOCOL"), nil, nil)
	minOption = socket.NewOption(socket.Spec{
		Name: "min", Aliases: []string{"min-version"}, Phase: socket.Naming, Default: "1.2",
		Doc: "the oldest version of TLS that will do, 1.2 or 1.3",
	}, oneOf("VERSION", map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}), nil, nil)
	verifyOption = socket.NewOption(socket.Spec{
		Name: "verify", Phase: socket.Naming, Only: socket.ActiveOnly, Default: "on",
		Doc: "verify=no takes any certificate, from whomever: there is a warning each time",
	}, socket.Flag, nil, nil)
	closeNotifyOption = socket.NewOption(socket.Spec{
		Name: "close-notify", Phase: socket.Naming, Default: "required: an end without it is a reset",
		Doc: "optional takes it for an end when the peer closes without TLS's own word for it, as many HTTP servers do",
	}, oneOf("required|optional", map[string]bool{"required": false, "optional": true}), nil, nil)
	keylogOption = socket.NewOption(socket.Spec{
		Name: "keylog", Phase: socket.Naming, Default: "none",
		Doc: "a file to add the secrets of each connection to, with which Wireshark reads a recording",
	}, file, nil, nil)
	starttlsOption = socket.NewOption(socket.Spec{
		Name: "starttls", Phase: socket.Naming, Only: socket.ActiveOnly, Default: "none: TLS from the first byte on",
		Doc: "the protocol in which to ask for TLS first: smtp, imap, pop3 or postgres",
	}, oneOf("PROTOCOL", starters), nil, nil)
)

// file is the codec of the name of a file, or other text that is not empty.
var file = socket.Codec[string]{
	Placeholder: "FILE",
	Parse: func(text string) (string, error) {
		if text == "" {
			return "", fmt.Errorf("it is empty, and must not be")
		}
		return text, nil
	},
	Format: func(s string) string { return s },
}

// oneOf is the codec of a value that goes by one of a few words.
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

// A choice is a value with its word.
type choice[T any] struct {
	word  string
	value T
}

// A pin is the SHA-256 of a public key, as certificates have it.
type pin [sha256.Size]byte

func parsePin(text string) (p pin, err error) {
	hash, ok := strings.CutPrefix(text, "sha256:")
	b, hexErr := hex.DecodeString(hash)
	if hexErr != nil {
		b, err = base64.StdEncoding.DecodeString(hash)
	}
	if !ok || err != nil || len(b) != len(p) {
		return p, fmt.Errorf("%q is not sha256: and the 64 hexadecimal digits, or the base64, of a hash", text)
	}
	return pin(b), nil
}

func (p pin) String() string { return "sha256:" + hex.EncodeToString(p[:]) }

const layerName = "tls"

// scheme is the layer.
var scheme = &socket.LayerScheme{
	Name: layerName, Aliases: []string{"ssl"}, Short: "tcp", Names: true,
	Doc: "TLS, encrypted and authenticated",
	Options: []*socket.Spec{
		certOption.Spec, keyOption.Spec, caOption.Spec, clientCAOption.Spec, pinOption.Spec, sniOption.Spec, alpnOption.Spec, minOption.Spec,
		verifyOption.Spec, closeNotifyOption.Spec, keylogOption.Spec, starttlsOption.Spec,
		acmeOption.Spec, acmeDirectoryOption.Spec, acmeCAOption.Spec, acmeCacheOption.Spec, acmeEmailOption.Spec,
	},
	Needs: func(p socket.Properties) string {
		switch {
		case p.Bounded && !p.Reliable:
			return "TLS needs every byte in order, and datagrams get lost; TLS for datagrams is QUIC"
		case !p.Reliable || !p.Connected:
			return "TLS needs a reliable connection, as that of tcp or unix"
		}
		return ""
	},
}

func init() {
	scheme.Prepare = prepare // which refers to scheme
	socket.RegisterLayer(scheme)
}

// all are the values that settings give to a repeatable option, in their order.
func all[T any](o *socket.Option[T], settings socket.Settings) (values []T) {
	for _, s := range settings {
		if s.Spec == o.Spec {
			values = append(values, s.Value.(T))
		}
	}
	return values
}
