package tls

import (
	"bytes"
	"crypto/tls"
	"sync"

	"zocalo/internal/sys"
)

// inputSize is the size of the buffer that crypto/tls reads into. It has room for more than
// two of the longest records, so it never grows: the remainder of a record moves to the front.
const inputSize = 64 << 10

var inputMemory = sync.Pool{New: func() any { return &[inputSize]byte{} }}

// An input is the buffer that crypto/tls reads into. On its own, crypto/tls grows one to the
// size of a record, 20 KiB, and keeps it for the life of the connection, which is most of what
// an idle connection costs. So a pooled buffer is lent while there is something to read. If a
// future crypto/tls has different fields, nothing is lent.
type input struct {
	raw  *bytes.Buffer // encrypted
	text *bytes.Reader // decrypted, in the memory of raw
	lent *[inputSize]byte
}

func inputOf(c *tls.Conn) input {
	in := input{raw: sys.Field[bytes.Buffer](c, "rawInput"), text: sys.Field[bytes.Reader](c, "input")}
	if in.text == nil {
		in.raw = nil // lend nothing
	}
	return in
}

// isEmpty reports whether crypto/tls has passed on everything it has read.
func (in *input) isEmpty() bool {
	return in.raw != nil && in.raw.Len() == 0 && in.text.Len() == 0
}

// lend has crypto/tls read into a pooled buffer. The caller of lend and takeBack holds
// reading.
func (in *input) lend() {
	if in.lent == nil && in.isEmpty() {
		in.lent = inputMemory.Get().(*[inputSize]byte)
		*in.raw = *bytes.NewBuffer(in.lent[:0])
	}
}

// takeBack returns the buffer to the pool if nothing is left in it.
func (in *input) takeBack() {
	if in.isEmpty() && in.raw.Cap() > 0 {
		in.text.Reset(nil)
		*in.raw = bytes.Buffer{}
		if in.lent != nil {
			inputMemory.Put(in.lent)
			in.lent = nil
		}
	}
}
