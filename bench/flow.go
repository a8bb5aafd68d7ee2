package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"zocalo/internal/units"
	"zocalo/socket"
	"zocalo/socket/option"
)

// A flow is one socket of a run, at the client.
type flow struct {
	socket *socket.Socket
	ask    greeting
	token  uint64
	echo   bool // the far end is an echo server, and knows no greeting
	kind   socket.Properties
}

// ErrNoServer says that an echo server answers where a Server is needed.
var ErrNoServer = errors.New("an echo server answers there, and it serves only round trips: streams need zocalo bench --serve")

// open makes a flow: it dials, finds a size that the kind takes where none is
// given, and greets.
func open(ctx context.Context, dial Dial, ask greeting, o *Options) (f *flow, err error) {
	s, err := dial(ctx)
	if err != nil {
		return nil, err
	}
	if toGroup(s) {
		return nil, groupSocket{s}
	}
	f = &flow{socket: s, ask: ask, kind: s.Properties()}
	stop := context.AfterFunc(ctx, func() { s.SetDeadline(past) })
	defer stop()
	if ask.direction&reverse != 0 {
		defer func() { // read as one until now, and as trains from now on
			if err == nil {
				option.UDPGRO.Set(s, true) // where there is such a thing; it may have been refused
			}
		}()
	}
	err = f.fit(o)
	if err == nil {
		err = f.greet(o.Patience)
	}
	if err != nil {
		s.Close()
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, err
	}
	s.SetDeadline(time.Time{})
	return f, nil
}

// fit settles the size of messages.
func (f *flow) fit(o *Options) error {
	least := 1
	switch {
	case f.ask.service == framed && f.kind.Bounded:
		least = headerSize
	case f.ask.service == echoed && f.mayLose():
		least = numberSize
	}
	if f.ask.size > 0 {
		if f.ask.size < least {
			return refusef("messages of %d bytes: over a socket of kind %v they need at least %d, for their number", f.ask.size, kindName(f.socket), least)
		}
		return nil
	}
	switch {
	case f.ask.service == echoed:
		f.ask.size = requestSize
		return nil
	case !f.kind.Bounded:
		f.ask.size = DefaultSize
		return nil
	case f.kind.Reliable:
		f.ask.size = reliableSize
	default:
		f.ask.size = unreliableSize
	}
	f.socket.SetWriteDeadline(time.Now().Add(o.Patience))
	for {
		b := make([]byte, f.ask.size)
		h := header{kind: padFrame, length: f.ask.size}
		h.put(b)
		_, err := f.socket.Write(b)
		if !errors.Is(err, syscall.EMSGSIZE) || f.ask.size/2 < least {
			return err
		}
		f.ask.size /= 2
	}
}

// mayLose reports whether a message may never arrive, or twice, or out of
// turn, so that it needs a number.
func (f *flow) mayLose() bool { return f.kind.Bounded && !f.kind.Connected }

// greet sends the greeting and reads the answer.
func (f *flow) greet(patience time.Duration) error {
	text := f.ask.append(nil)
	reply := make([]byte, greetingSize+1)
	end := time.Now().Add(patience)
	wait := end
	for {
		f.socket.SetDeadline(end)
		if _, err := f.socket.Write(text); err != nil {
			return f.unanswered(err, patience)
		}
		if f.mayLose() {
			wait = time.Now().Add(patience / 20)
		}
		f.socket.SetReadDeadline(wait)
		n, err := f.readReply(reply)
		if errors.Is(err, os.ErrDeadlineExceeded) && time.Now().Before(end) {
			continue
		}
		if f.kind.Bounded && (n > 0 && reply[0] == byte(padFrame) || errors.Is(err, socket.ErrTruncated)) {
			return f.noServer() // what fit sent came back
		}
		if err != nil {
			return f.unanswered(err, patience)
		}
		if err = f.answered(text, reply[:n]); err == nil && f.mayLose() && f.ask.service == echoed && !f.echo {
			err = f.confirm(end, patience)
		}
		return err
	}
}

// confirm says the start until it comes back, before requests that may be lost.
func (f *flow) confirm(end time.Time, patience time.Duration) error {
	reply := make([]byte, greetingSize)
	for time.Now().Before(end) {
		if err := writeFrame(f.socket, startFrame, f.token, 0); err != nil {
			return f.unanswered(err, patience)
		}
		f.socket.SetReadDeadline(time.Now().Add(patience / 20))
		for {
			n, err := f.socket.Read(reply)
			if err == nil && isStart(reply[:n], f.token) {
				return nil
			}
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break
			}
			if err != nil && !errors.Is(err, socket.ErrTruncated) {
				return f.unanswered(err, patience)
			}
		}
	}
	return f.unanswered(os.ErrDeadlineExceeded, patience)
}

func (f *flow) readReply(b []byte) (int, error) {
	if f.kind.Bounded {
		return f.socket.Read(b)
	}
	return io.ReadFull(f.socket, b[:greetingSize])
}

func (f *flow) unanswered(err error, patience time.Duration) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("%s: no answer to the greeting within %s: is zocalo bench --serve, or an echo server, there?", f.peer(), units.Set(patience))
	case errors.Is(err, syscall.ECONNREFUSED): // of datagrams, which dialing does not tell
		return &socket.HintError{Err: err, Hint: "nothing is listening there: start zocalo bench --serve or an echo server, or check the address"}
	case err == io.EOF, errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%s: the connection was closed instead of an answer: neither zocalo bench --serve nor an echo server is there", f.peer())
	}
	return err
}

func (f *flow) noServer() error { return fmt.Errorf("%s: %w", f.peer(), ErrNoServer) }

func (f *flow) peer() string {
	if p := f.socket.Peer().String(); p != "" {
		return p
	}
	return kindName(f.socket)
}

// answered takes the answer.
func (f *flow) answered(asked, reply []byte) error {
	if bytes.Equal(reply, asked) {
		f.echo = true
		if f.ask.service != echoed {
			return f.noServer()
		}
		return nil
	}
	var a answer
	if err := a.parse(reply); err != nil {
		return fmt.Errorf("%s: %w: something else answers there", f.peer(), err)
	}
	if a.token == 0 {
		return fmt.Errorf("%s refused: %s", f.peer(), a.reason)
	}
	f.token = a.token
	return nil
}

// service names who answers.
func (f *flow) service() string {
	if f.echo {
		return "an echo server"
	}
	return "zocalo bench"
}
