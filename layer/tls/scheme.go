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

	"zocalo/codec"
	"zocalo/socket"
	"zocalo/socket/option"
	"zocalo/socket/scheme"
)

// The options of an address's layer tls.
var (
	certOption = option.New(option.Spec{
		Name: "cert", Aliases: []string{"certificate"}, Phase: option.Naming, Repeatable: true,
		Default: "none for a client; a listener makes one and prints its pin=",
		Doc:     "a PEM file with the certificate and its intermediates; a listener may have several, chosen by SNI",
	}, text, nil, nil)
	keyOption = option.New(option.Spec{
		Name: "key", Phase: option.Naming, Repeatable: true, Default: "the file of cert=",
		Doc: "a PEM file with the private key of the preceding cert=",
	}, text, nil, nil)
	caOption = option.New(option.Spec{
		Name: "ca", Aliases: []string{"cafile"}, Phase: option.Naming, Only: option.ActiveOnly, Default: "the system's",
		Doc: "a PEM file with the certificate authorities to trust for the server's certificate",
	}, text, nil, nil)
	clientCAOption = option.New(option.Spec{
		Name: "client-ca", Phase: option.Naming, Only: option.PassiveOnly, Default: "none: clients need no certificate",
		Doc: "a PEM file with certificate authorities; every client must present a certificate from one of them",
	}, text, nil, nil)
	pinOption = option.New(option.Spec{
		Name: "pin", Phase: option.Naming, Repeatable: true, Default: "none",
		Doc: "the SHA-256 of the peer's public key, in hex or base64; without ca= or verify=yes nothing else about its certificate is checked",
	}, codec.Codec[pin]{Placeholder: "sha256:HASH", Parse: parsePin, Format: pin.String}, nil, nil)
	sniOption = option.New(option.Spec{
		Name: "sni", Aliases: []string{"servername"}, Phase: option.Naming, Only: option.ActiveOnly, Default: "the host of the address, or localhost if it has none",
		Doc: "the server name to ask for, which its certificate must match",
	}, text.Or("NAME"), nil, nil)
	alpnOption = option.New(option.Spec{
		Name: "alpn", Phase: option.Naming, Repeatable: true, Default: "none",
		Doc: "a protocol to offer or accept, such as h2, in order of preference",
	}, text.Or("PROTOCOL"), nil, nil)
	minOption = option.New(option.Spec{
		Name: "min", Aliases: []string{"min-version"}, Phase: option.Naming, Default: "1.2",
		Doc: "the oldest acceptable TLS version, 1.2 or 1.3",
	}, oneOf("VERSION", map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}), nil, nil)
	verifyOption = option.New(option.Spec{
		Name: "verify", Phase: option.Naming, Only: option.ActiveOnly, Default: "on",
		Doc: "verify=no accepts any certificate from anyone, and warns every time",
	}, codec.Flag, nil, nil)
	closeNotifyOption = option.New(option.Spec{
		Name: "close-notify", Phase: option.Naming, Default: "required: an end without it is a reset",
		Doc: "optional accepts a connection that closes without close_notify, as many HTTP servers do",
	}, oneOf("required|optional", map[string]bool{"required": false, "optional": true}), nil, nil)
	keylogOption = option.New(option.Spec{
		Name: "keylog", Phase: option.Naming, Default: "none",
		Doc: "a file to append the secrets of each connection to, so that Wireshark can decrypt a capture",
	}, text, nil, nil)
	starttlsOption = option.New(option.Spec{
		Name: "starttls", Phase: option.Naming, Only: option.ActiveOnly, Default: "none: TLS from the first byte",
		Doc: "the protocol in which to ask the server for TLS: smtp, imap, pop3 or postgres",
	}, oneOf("PROTOCOL", starters), nil, nil)
)

// text is the codec of text that is not empty, such as the name of a file.
var text = codec.Codec[string]{
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
func oneOf[T any](placeholder string, values map[string]T) codec.Codec[choice[T]] {
	words := slices.Sorted(maps.Keys(values))
	return codec.Codec[choice[T]]{
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
var layer = &scheme.Layer{
	LayerKind: socket.LayerKind{Name: layerName},
	Aliases:   []string{"ssl"}, Short: "tcp", Names: true,
	Doc: "TLS 1.2 and 1.3",
	Options: []*option.Spec{
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
	layer.Prepare = prepare // which refers to scheme
	scheme.RegisterLayer(layer)
}

// all returns the values of a repeatable option, in order.
func all[T any](o *option.Option[T], settings option.Settings) (values []T) {
	for _, s := range settings {
		if s.Spec == o.Spec {
			values = append(values, s.Value.(T))
		}
	}
	return values
}
