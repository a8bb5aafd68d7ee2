package replay

import (
	"fmt"

	"zocalo/frame"
	"zocalo/record/capture"
	"zocalo/relay/join"
	"zocalo/socket"
)

// A wire is a socket as a conversation of its sort is played on it: of messages, or of a
// stream.
type wire struct {
	s       *socket.Socket
	bounded bool // messages, by the kind or by a format
	buffer  []byte
	message socket.Message
	receive bool // the kind receives with what accompanies messages
	reader  *frame.Reader
	writer  *frame.Writer
}

const streamBuffer = 64 << 10

// newWire refuses a conversation that the socket cannot carry as it was.
func newWire(s *socket.Socket, c *capture.Conversation, format frame.Format) (*wire, error) {
	w := &wire{s: s, bounded: s.Properties().Bounded}
	framed := format != frame.Format{}
	switch {
	case c.Bounded() && !w.bounded && !framed:
		return nil, &KindError{c, s.Kind()}
	case !c.Bounded() && w.bounded:
		return nil, &KindError{c, s.Kind()}
	case !c.Bounded() && framed:
		return nil, fmt.Errorf("conversation %d is a stream, which is played as it was: omit frame=%v", c.Number, format)
	}
	limit := new(join.Options).Limit(s)
	if framed && !w.bounded {
		var err error
		if w.reader, err = frame.NewReader(s, format, max(frame.DefaultLimit, format.Size)); err != nil {
			return nil, err
		}
		w.writer, err = frame.NewWriter(s, format, max(frame.DefaultLimit, format.Size))
		w.bounded = true
		return w, err
	}
	if !w.bounded {
		limit = streamBuffer
	}
	w.buffer = make([]byte, limit)
	_, w.receive = socket.As[socket.Messenger](s)
	w.receive = w.receive && w.bounded
	return w, nil
}

// A KindError is of a conversation that a kind of socket cannot carry.
type KindError struct {
	Conversation *capture.Conversation
	Kind         socket.Kind
}

func (e *KindError) Error() string {
	if e.Conversation.Bounded() {
		return fmt.Sprintf("conversation %d is of messages (%s), and %v carries bytes: add frame=FORMAT to the address, such as frame=len32",
			e.Conversation.Number, e.Conversation.Kind, e.Kind)
	}
	return fmt.Sprintf("conversation %d is a stream (%s), and %v carries messages: play it to a stream, such as tcp",
		e.Conversation.Number, e.Conversation.Kind, e.Kind)
}

// Fits returns nil where sockets of a kind can carry the conversation as it was. framed
// is set where messages are marked on a stream.
func Fits(c *capture.Conversation, kind socket.Kind, framed bool) error {
	if bounded := kind.Properties().Bounded; c.Bounded() != (bounded || framed) {
		return &KindError{c, kind}
	}
	return nil
}

// read returns what came: bytes of a stream, or a message. It is good until the next call.
func (w *wire) read() ([]byte, error) {
	switch {
	case w.reader != nil:
		return w.reader.Next()
	case !w.receive:
		n, err := w.s.Read(w.buffer)
		return w.buffer[:n], err
	}
	w.message.SetData(w.buffer)
	err := w.s.Receive(&w.message)
	return w.buffer[:w.message.N], err
}

// write sends bytes of a stream, or a message.
func (w *wire) write(b []byte) (err error) {
	if w.writer != nil {
		_, err = w.writer.Write(b)
	} else {
		_, err = w.s.Write(b)
	}
	return err
}

// urgent sends an urgent byte, among the others where the kind has none.
func (w *wire) urgent(b []byte) (err error) {
	if w.s.Properties().Urgent > 0 {
		_, err = w.s.SendUrgent(b)
		return err
	}
	return w.write(b)
}
