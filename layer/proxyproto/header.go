package proxyproto

import (
	"bytes"
	"errors"
	"fmt"

	"zocalo/socket"
)

// A header is the content of a PROXY header.
type header struct {
	told        bool // it has names; else the connection keeps its own
	peer, local socket.Name
	facts       []socket.Fact
}

// How the two versions begin, and their greatest lengths.
const (
	signature1 = "PROXY "
	signature2 = "\r\n\r\n\x00\r\nQUIT\n"

	longest1 = 107
	longest2 = 4096
)

// errNone is a connection that does not begin with a header.
var errNone = errors.New("the peer sent no PROXY header")

// parse reads the header at the beginning of data and returns its length, 0 while data
// has only a part of it.
func parse(data []byte) (h header, n int, err error) {
	switch {
	case begins(data, signature1):
		return parse1(data)
	case begins(data, signature2):
		return parse2(data)
	}
	return h, 0, errNone
}

// begins reports whether data begins with a signature, or with a part of it and ends.
func begins(data []byte, signature string) bool {
	n := min(len(data), len(signature))
	return bytes.Equal(data[:n], []byte(signature[:n]))
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("the peer's PROXY header is malformed: "+format, args...)
}
