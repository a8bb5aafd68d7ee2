package main

import (
	"bytes"
	"encoding/json"
	"io"
	"sync"
	"unicode/utf8"

	"zocalo/relay/join"
	"zocalo/relay/outcome"
	"zocalo/socket"
)

// A rendering appends what people or programs are shown of a piece of data
// that came from one of the ends, A being standard input; nothing for what is
// not shown.
type rendering func(dst []byte, from outcome.Side, what join.What, data []byte) []byte

// quotedRendering shows each read, or message, of the socket as Python does.
func quotedRendering() rendering {
	return func(dst []byte, from outcome.Side, what join.What, data []byte) []byte {
		if from == outcome.A {
			return dst
		}
		if what == join.Urgent {
			dst = append(dst, "urgent "...)
		}
		return append(appendQuoted(dst, data), '\n')
	}
}

// hexRendering shows both directions.
func hexRendering() rendering {
	var offsets [2]int64
	return func(dst []byte, from outcome.Side, what join.What, data []byte) []byte {
		dst = appendHex(dst, [2]byte{'>', '<'}[from], what == join.Urgent, offsets[from], data)
		offsets[from] += int64(len(data))
		return dst
	}
}

// dataEvent is what --json prints of what came.
type dataEvent struct {
	Event  string  `json:"event"`            // "data", "message" or "urgent"
	Peer   string  `json:"peer,omitempty"`   // who sent it, where the socket hears several
	Text   *string `json:"text,omitempty"`   // where it is UTF-8
	Base64 []byte  `json:"base64,omitempty"` // else
}

// jsonRendering shows what came from the socket, an object a line.
func jsonRendering(hearer socket.Hearer) rendering {
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	names := [...]string{join.Bytes: "data", join.Message: "message", join.Urgent: "urgent"}
	return func(dst []byte, from outcome.Side, what join.What, data []byte) []byte {
		if from == outcome.A {
			return dst
		}
		e := dataEvent{Event: names[what]}
		if hearer != nil {
			e.Peer = hearer.Sender().String()
		}
		if utf8.Valid(data) {
			text := string(data)
			e.Text = &text
		} else {
			e.Base64 = data
		}
		line.Reset()
		encoder.Encode(e) // cannot fail: text and bytes, into memory
		return append(dst, line.Bytes()...)
	}
}

// A transcript is standard output where it shows a rendering of what passes.
type transcript struct {
	out    io.Writer
	render rendering

	mu  sync.Mutex
	buf []byte
	err error // of out, once it failed
}

// see shows a piece. Both directions may call it at once.
func (t *transcript) see(from outcome.Side, what join.What, data []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = t.render(t.buf[:0], from, what, data)
	if len(t.buf) > 0 && t.err == nil {
		_, t.err = t.out.Write(t.buf)
	}
}

// failed returns why standard output took no more.
func (t *transcript) failed() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err
}
