package check

import (
	"fmt"
	"time"

	"zocalo/internal/units"
	"zocalo/socket"
)

// connected is the experiment on sending before there is a connection.
func connected(t *trial) ([]Finding, error) {
	f := Finding{Property: "connected", Sent: "a message from a socket without a connection"}
	if t.New == nil {
		f.Verdict = judge("connected", t.Promised.Connected, true).Verdict
		f.Word, f.Seen = "from birth", "none can be made: both ends are connected when they come into being"
		return []Finding{f}, nil
	}
	s, err := t.fresh()
	if err != nil {
		return nil, err
	}
	if t.Promised.Connected {
		refusal := t.write(s, []byte("early"))
		f.Verdict = judge("connected", true, refusal != nil && !t.missing(refusal)).Verdict
		switch {
		case refusal == nil:
			f.Word, f.Seen = "sent before", "it was accepted, although nobody can receive it"
		case f.Verdict == Broken:
			f.Word, f.Seen = "waits", "the send waits instead of being refused"
		default:
			f.Word, f.Seen = "needed", "refused: "+why(refusal)+"; with a connection it needs no name to arrive"
			a, b, err := t.pair()
			if err == nil {
				err = t.cross(a, b, smallSend)
			}
			if err != nil && !t.missing(err) {
				return nil, err
			}
			if err != nil {
				f.Verdict, f.Word, f.Seen = Broken, "lost", "refused: "+why(refusal)+"; with a connection it does not arrive"
			}
		}
		return []Finding{f}, nil
	}
	f.Verdict, f.Sent = NotPromised, "a message to a name, from a socket without a connection"
	server, err := t.named()
	if err != nil {
		return nil, err
	}
	var m socket.Message
	m.SetData([]byte("hola"))
	m.Peer = server.Name()
	s.SetWriteDeadline(t.soon())
	if _, err := s.Send(&m); err != nil {
		f.Word, f.Seen = "refused", "refused: "+why(err)
		return []Finding{f}, nil
	}
	f.Word, f.Seen = "not needed", "it arrived, without a connection"
	if _, err := t.hear(server, "hola"); err != nil {
		f.Word, f.Seen = "lost", "it was sent, and did not arrive"
	}
	return []Finding{f}, nil
}

// silence is how long a sender waits to hear that nobody was there. Nothing is
// held against a kind that says nothing.
const silence = 100 * time.Millisecond

// nobody is the experiment on sending to an address without a listener. A kind with a
// connection, or one that is reliable, promises to say so.
func nobody(t *trial) ([]Finding, error) {
	switch {
	case t.Nobody != nil:
		ctx, cancel := t.patient()
		defer cancel()
		return t.refusal(t.Nobody(ctx)), nil
	case t.New == nil:
		return t.peerGone()
	}
	gone, err := t.named()
	if err != nil {
		return nil, err
	}
	name := gone.Name()
	f := Finding{Property: "nobody"}
	if t.Promised.Connected {
		// It has the name, and does not listen.
		_, err := t.client(name, 0)
		return t.refusal(err), nil
	}
	f.Sent = "a message to a receiver that has gone"
	s, err := t.client(name, 0)
	if err != nil {
		return nil, err
	}
	if err := gone.Close(); err != nil {
		return nil, err
	}
	f.Verdict = NotPromised
	sendErr := t.write(s, []byte("hola"))
	if t.Promised.Reliable {
		f.Verdict = judge("nobody", true, sendErr != nil && !t.missing(sendErr)).Verdict
	}
	if sendErr != nil {
		f.Word, f.Seen = "refused", "refused: "+why(sendErr)
		return []Finding{f}, nil
	}
	s.SetReadDeadline(time.Now().Add(silence))
	if _, err := s.Read(make([]byte, headroom)); err != nil && !t.missing(err) {
		f.Word, f.Seen = "later", "it was sent; the next call says: "+why(err)
		return []Finding{f}, nil
	}
	f.Word, f.Seen = "silent", fmt.Sprintf("it was sent, and nothing came back within %s", units.Set(silence))
	return []Finding{f}, nil
}

// refusal is what a connection has found to an address without a listener.
func (t *trial) refusal(err error) []Finding {
	f := judge("nobody", true, err != nil && !t.missing(err))
	f.Sent = "connect to a name where nothing is listening"
	f.Word, f.Seen = "refused", "refused: "+why(err)
	if err == nil {
		f.Word, f.Seen = "connected", "it succeeded, although nothing is listening"
	} else if f.Verdict == Broken {
		f.Word, f.Seen = "no answer", "no answer within "+units.Set(t.patience)
	}
	return []Finding{f}
}

// peerGone is nobody for kinds that exist only as pairs.
func (t *trial) peerGone() ([]Finding, error) {
	a, b, err := t.pair()
	if err != nil {
		return nil, err
	}
	if err := b.Close(); err != nil {
		return nil, err
	}
	// What a connection over others is told, it is told by what the first write draws.
	for end := time.Now().Add(silence); err == nil && time.Now().Before(end); time.Sleep(time.Millisecond) {
		err = t.write(a, []byte("hola"))
	}
	f := judge("nobody", true, err != nil && !t.missing(err))
	f.Sent = "a message to an end that was closed"
	f.Word, f.Seen = "refused", "refused: "+why(err)
	if f.Verdict == Broken {
		f.Word, f.Seen = "silent", "nothing reports that nobody is there"
	}
	return []Finding{f}, nil
}
