package capture

import (
	"net/netip"
	"strconv"
	"strings"

	"zocalo/socket"
)

// An about is what zocalo/record says of a pair in the comment of its first packet:
// words KEY=VALUE, with quotes around a value where it needs them.
type about map[string]string

// mostAbout bounds the words that are read.
const mostAbout = 32

// parseAbout returns nil for a comment that is no such one.
func parseAbout(comment string) about {
	if !strings.HasPrefix(comment, "pair=") {
		return nil
	}
	a := about{}
	for len(comment) > 0 && len(a) < mostAbout {
		key, rest, ok := strings.Cut(comment, "=")
		if !ok {
			break
		}
		value, after, _ := strings.Cut(rest, " ")
		if quoted, err := strconv.QuotedPrefix(rest); err == nil {
			value, _ = strconv.Unquote(quoted)
			after = strings.TrimPrefix(rest[len(quoted):], " ")
		}
		a[key] = value
		comment = after
	}
	return a
}

// madeUp are the addresses that a recorder makes up for ends that have none.
var madeUp = netip.MustParsePrefix("240.0.0.0/4")

// tell tells the conversation what its recorder says of it.
func (a about) tell(c *Conversation) {
	if kind := a["kind"]; kind != "" {
		c.Kind = kind
	}
	if a["messages"] == "yes" && c.Type == socket.Stream {
		c.Type = socket.SeqPacket
	}
	c.ProcessName, _, _ = strings.Cut(a["process"], "[")
	for _, end := range []struct {
		e    *Endpoint
		name string
	}{{&c.Client, a["client"]}, {&c.Server, a["server"]}} {
		if madeUp.Contains(end.e.Addr.Addr()) && end.name != "" {
			*end.e = Endpoint{Name: end.name}
		}
	}
}

// isISO reports whether the messages of a conversation are within ISO transport.
func (a about) isISO() bool {
	for _, kind := range []string{a["kind"], a["reached"]} {
		if kind == "iso" || strings.HasPrefix(kind, "iso-") || strings.HasSuffix(kind, "+iso") {
			return true
		}
	}
	return false
}

// A messenger makes messages of the stream that a recorder made of them: the last
// segment of each has PSH, and those of ISO transport have its headers (RFC 1006).
type messenger struct {
	iso     bool
	pending [2][]byte // of the message that has begun
	rest    [2][]byte // of ISO, bytes that make no packet yet
	lacking [2]bool   // something of the message is not in the file
}

const (
	tpktHeader = 4
	tpduData   = 0xf0
	tpduUrgent = 0x10
	endOfTSDU  = 0x80
)

// cut takes bytes of the stream of messages.
func (t *tcp) cut(from Side, data []byte, push bool) {
	m := t.messages
	if !m.iso {
		m.pending[from] = append(m.pending[from], data...)
		t.bound(from)
		if push {
			t.message(from)
		}
		return
	}
	m.rest[from] = append(m.rest[from], data...)
	b := m.rest[from]
	for len(b) >= tpktHeader+3 {
		n := int(b[2])<<8 | int(b[3])
		header := tpktHeader + 1 + int(b[4])
		if b[0] != 3 || n < header || header < tpktHeader+3 {
			m.lacking[from], b = true, nil // no such packet: what follows cannot be told
			break
		}
		if n > len(b) {
			break
		}
		body := b[header:n]
		switch b[5] & 0xf0 {
		case tpduData:
			m.pending[from] = append(m.pending[from], body...)
			t.bound(from)
			if b[6]&endOfTSDU != 0 {
				t.message(from)
			}
		case tpduUrgent:
			t.event(from, Event{At: t.halves[from].last, What: Urgent, Data: body})
		}
		b = b[n:]
	}
	m.rest[from] = append(m.rest[from][:0], b...)
}

// message tells of a message that is complete, or that some of it is lacking.
func (t *tcp) message(from Side) {
	m := t.messages
	e := Event{At: t.halves[from].last, What: Message, Data: m.pending[from]}
	if m.lacking[from] {
		e = Event{At: e.At, What: Gap, Size: 1}
	}
	t.event(from, e)
	m.pending[from], m.lacking[from] = m.pending[from][:0], false
}

// bound drops a conversation of which one message is too large.
func (t *tcp) bound(from Side) {
	if int64(len(t.messages.pending[from])) > t.r.MaxConversation {
		t.messages.pending[from] = nil
		t.messages.lacking[from] = true
		t.drop()
	}
}
