package websocket

import (
	"bytes"
	"compress/flate"
	"io"
	"sync"

	"github.com/gobwas/httphead"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"
)

// permessage-deflate (RFC 7692) without a context that outlives a message: what is kept
// for compressing is kept while there is something to compress, and not for each
// connection.

// noTakeover are the parameters that this end offers, and answers with.
var noTakeover = wsflate.Parameters{ServerNoContextTakeover: true, ClientNoContextTakeover: true}

// leastPacked is the length in bytes from which on compressing a message is worth it.
const leastPacked = 128

// acceptOffer returns what a server answers to an offer: nothing to one that asks for what
// compress/flate cannot do, a smaller window.
func acceptOffer(offer httphead.Option) (answer httphead.Option, ok bool) {
	var p wsflate.Parameters
	if string(offer.Name) != wsflate.ExtensionName || p.Parse(offer) != nil || p.ServerMaxWindowBits.Defined() && p.ServerMaxWindowBits < 15 {
		return answer, false
	}
	p = wsflate.Parameters{ServerNoContextTakeover: true, ClientNoContextTakeover: true, ServerMaxWindowBits: p.ServerMaxWindowBits}
	return p.Option(), true
}

// acceptAnswer reports whether a client can do what a server answers.
func acceptAnswer(answer httphead.Option) bool {
	var p wsflate.Parameters
	return p.Parse(answer) == nil && p.ServerNoContextTakeover && (!p.ClientMaxWindowBits.Defined() || p.ClientMaxWindowBits == 15)
}

// A packer compresses messages.
type packer struct {
	w    *flate.Writer
	b    bytes.Buffer
	data []byte
	one  [1][]byte
}

var packers = sync.Pool{New: func() any {
	w, _ := flate.NewWriter(nil, flate.BestSpeed)
	return &packer{w: w}
}}

// pack compresses a message. Its memory is the caller's to free.
func pack(buffers [][]byte) (*packer, error) {
	p := packers.Get().(*packer)
	p.b.Reset()
	p.w.Reset(&p.b)
	for _, b := range buffers {
		p.w.Write(b)
	}
	err := p.w.Flush()
	p.data = bytes.TrimSuffix(p.b.Bytes(), flushed)
	return p, err
}

func (p *packer) buffers() [][]byte {
	p.one[0] = p.data
	return p.one[:]
}

func (p *packer) free() {
	if p.b.Cap() <= mostKept {
		packers.Put(p)
	}
}

// flushed is what a flush of DEFLATE ends with, and messages are without; lastBlock ends
// the whole.
var (
	flushed   = []byte{0, 0, 0xff, 0xff}
	lastBlock = []byte{1, 0, 0, 0xff, 0xff}
)

// mostKept is the most memory of a message that is kept for the next.
const mostKept = 1 << 20

// An unpacker reads a compressed message.
type unpacker struct {
	from bytes.Reader
	r    io.ReadCloser
}

var unpackers = sync.Pool{New: func() any {
	u := &unpacker{}
	u.r = flate.NewReader(&u.from)
	return u
}}

// gather takes what is at hand of a compressed message.
func (e *endpoint) gather() error {
	r := &e.reader
	for r.left > 0 {
		if r.in.isEmpty() {
			if err := r.in.fill(); err != nil {
				return err
			}
		}
		data := r.in.bytes()
		data = data[:min(int64(len(data)), r.left)]
		r.in.from += len(data)
		r.unmask(data)
		r.left -= int64(len(data))
		r.size += int64(len(data))
		r.gathered = append(r.gathered, data...)
	}
	return nil
}

// unpack begins to read the compressed message at hand, all of which has come.
func (e *endpoint) unpack() error {
	r := &e.reader
	r.gathered = append(append(r.gathered, flushed...), lastBlock...)
	r.unpacker = unpackers.Get().(*unpacker)
	r.unpacker.from.Reset(r.gathered)
	r.size = 0
	return r.unpacker.r.(flate.Resetter).Reset(&r.unpacker.from, nil)
}

// unpacked is piece of a compressed message.
func (e *endpoint) unpacked(b []byte) (n int, err error) {
	r := &e.reader
	if len(b) == 0 {
		lent := memory.Get().(*[bufferSize]byte)
		defer memory.Put(lent)
		b = lent[:]
	}
	n, err = r.unpacker.r.Read(b)
	if r.size += int64(n); r.size > r.most {
		return 0, tooBig(r.most)
	}
	if r.text && !r.utf8.piece(b[:n]) {
		return 0, errNoText
	}
	switch err {
	case nil:
		return n, nil
	case io.EOF:
		r.freeUnpacker()
		return n, nil
	}
	return 0, &violation{ws.StatusInvalidFramePayloadData, "a compressed message from the peer is corrupt"}
}

func (r *reading) freeUnpacker() {
	if r.unpacker != nil {
		unpackers.Put(r.unpacker)
		r.unpacker = nil
	}
	r.packed = false
	if r.gathered = r.gathered[:0]; cap(r.gathered) > bufferSize {
		r.gathered = nil
	}
}

// forget gives back what reading has taken.
func (r *reading) forget() {
	r.in.giveBack()
	r.freeUnpacker()
	r.gathered = nil
}
