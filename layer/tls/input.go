package tls

import (
	"bytes"
	"crypto/tls"
	"sync"

	"zocalo/internal/sys"
)

// inputSize is the memory that crypto/tls reads into: of at least twice its longest
// record with what it asks for beside, it never grows but moves what is left of a record to its
// beginning.
const inputSize = 64 << 10

var inputMemory = sync.Pool{New: func() any { return &[inputSize]byte{} }}

// An input is the memory that crypto/tls reads into. By itself it grows to that of a
// record, 20 KiB, and is kept for as long as the connection stands: most of what an idle one
// holds. So it is lent while there is something to read. Where crypto/tls is not as we know
// it, nothing is lent.
type input struct {
	raw  *bytes.Buffer // as they came, of which crypto/tls decrypts
	text *bytes.Reader // what is decrypted, in the memory of raw
	lent *[inputSize]byte
}

func inputOf(c *tls.Conn) input {
	in := input{raw: sys.Field[bytes.Buffer](c, "rawInput"), text: sys.Field[bytes.Reader](c, "input")}
	if in.text == nil {
		in.raw = nil // what is not known whole is left alone
	}
	return in
}

// isEmpty reports whether crypto/tls has nothing left of what it has read.
func (in *input) isEmpty() bool {
	return in.raw != nil && in.raw.Len() == 0 && in.text.Len() == 0
}

// lend has crypto/tls read into memory that is lent. The caller has the turn of reading, as
// that of takeBack.
func (in *input) lend() {
	if in.lent == nil && in.isEmpty() {
		in.lent = inputMemory.Get().(*[inputSize]byte)
		*in.raw = *bytes.NewBuffer(in.lent[:0])
	}
}

// takeBack takes the memory back if nothing is left in it.
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
