package proxyproto

import (
	"bytes"
	"errors"
	"fmt"

	"zocalo/socket"
)

// A header is what one says.
type header struct {
	told        bool // the names are; else the connection keeps its own
	peer, local socket.Name
	facts       []socket.Fact
}

// The beginnings of the two versions, and their longest.
const (
	signature1 = "PROXY "
	signature2 = "\r\n\r\n\x00\r\nQUIT\n"

	longest1 = 107
	longest2 = 4096
)

// errNone says that a connection does not begin with a header.
var errNone = errors.New("the peer sent no PROXY header")

// parse reads the header that data begins with, and returns how long that is; 0
// while data has only a part of it.
func parse(data []byte) (h header, n int, err error) {
	switch {
	case begins(data, signature1):
		return parse1(data)
	case begins(data, signature2):
		return parse2(data)
	}
	return h, 0, errNone
}

// begins reports whether data begins with a signature, as far as it goes.
func begins(data []byte, signature string) bool {
	n := min(len(data), len(signature))
	return bytes.Equal(data[:n], []byte(signature[:n]))
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("the peer's PROXY header is malformed: "+format, args...)
}
