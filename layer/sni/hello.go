package sni

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// A hello is what matters here of a ClientHello.
type hello struct {
	name      string   // the requested server, in lower case; "" for none
	protocols []string // offered by ALPN, in order of preference
}

// longest bounds a ClientHello together with its record headers.
const longest = 16 << 10

// The constants of TLS (RFC 8446 and RFC 6066).
const (
	handshakeRecord = 22
	recordHeader    = 1 + 2 + 2
	longestRecord   = 1 << 14

	clientHello     = 1
	handshakeHeader = 1 + 3

	serverName = 0
	hostName   = 0
	alpn       = 16
)

var errNoTLS = errors.New("the peer does not speak TLS")

// parse reads the hello at the beginning of data; done reports whether it is complete.
func parse(data []byte) (h hello, done bool, err error) {
	message, err := assemble(data)
	if err != nil || message == nil {
		return h, false, err
	}
	h, err = parseHello(message)
	return h, err == nil, err
}

// assemble returns the body of the ClientHello, which may be spread over several records;
// nil while it is incomplete.
func assemble(data []byte) (body []byte, err error) {
	var message []byte
	for {
		if len(data) > 0 && data[0] != handshakeRecord || len(data) > 1 && data[1] != 3 {
			return nil, fmt.Errorf("%w: it sent %.20q", errNoTLS, data)
		}
		if len(data) < recordHeader {
			return nil, nil
		}
		size := int(binary.BigEndian.Uint16(data[3:]))
		if size == 0 || size > longestRecord {
			return nil, fmt.Errorf("%w: it sent a record of %d bytes", errNoTLS, size)
		}
		rest := data[recordHeader:]
		message = append(message, rest[:min(size, len(rest))]...)
		if len(message) > 0 && message[0] != clientHello {
			return nil, fmt.Errorf("%w: its first message has type %d instead of being a ClientHello", errNoTLS, message[0])
		}
		if len(message) >= handshakeHeader {
			whole := handshakeHeader + int(message[1])<<16 + int(binary.BigEndian.Uint16(message[2:]))
			switch {
			case whole > longest:
				return nil, fmt.Errorf("the peer's ClientHello has %d bytes, more than the %d that are accepted", whole, longest)
			case len(message) >= whole:
				return message[handshakeHeader:whole], nil
			}
		}
		if len(rest) < size {
			return nil, nil
		}
		data = rest[size:]
	}
}

var errMalformed = errors.New("the peer's ClientHello is malformed")

// parseHello reads the body of a ClientHello.
func parseHello(body []byte) (h hello, err error) {
	r := reader(body)
	version, session, suites, methods := r.take(2+32), r.vector(1), r.vector(2), r.vector(1)
	if version == nil || session == nil || suites == nil || methods == nil {
		return h, errMalformed
	}
	if len(r) == 0 {
		return h, nil // no extensions
	}
	extensions := r.vector(2)
	if extensions == nil || len(r) > 0 {
		return h, errMalformed
	}
	for len(extensions) > 0 && err == nil {
		typ, content := extensions.take(2), extensions.vector(2)
		switch {
		case typ == nil || content == nil:
			return h, errMalformed
		case binary.BigEndian.Uint16(typ) == serverName:
			h.name, err = parseNames(content)
		case binary.BigEndian.Uint16(typ) == alpn:
			h.protocols, err = parseProtocols(content)
		}
	}
	return h, err
}

// parseNames returns the host name in the extension server_name.
func parseNames(content reader) (name string, err error) {
	list := content.vector(2)
	if list == nil || len(content) > 0 {
		return "", errMalformed
	}
	for len(list) > 0 {
		typ, n := list.take(1), list.vector(2)
		if typ == nil || len(n) == 0 {
			return "", errMalformed
		}
		if typ[0] == hostName && name == "" {
			name = strings.ToLower(strings.TrimSuffix(string(n), "."))
		}
	}
	return name, nil
}

// parseProtocols returns the protocols in the ALPN extension.
func parseProtocols(content reader) (protocols []string, err error) {
	list := content.vector(2)
	if list == nil || len(content) > 0 {
		return nil, errMalformed
	}
	for len(list) > 0 {
		p := list.vector(1)
		if len(p) == 0 {
			return nil, errMalformed
		}
		protocols = append(protocols, string(p))
	}
	return protocols, nil
}

// A reader holds what is still to be read.
type reader []byte

// take returns the next n bytes, or nil if there are fewer.
func (r *reader) take(n int) []byte {
	if len(*r) < n {
		return nil
	}
	b := (*r)[:n:n]
	*r = (*r)[n:]
	return b
}

// vector returns the bytes that follow a length of width bytes, or nil if there are too
// few.
func (r *reader) vector(width int) reader {
	n := 0
	length := r.take(width)
	if length == nil {
		return nil
	}
	for _, b := range length {
		n = n<<8 | int(b)
	}
	return r.take(n)
}
