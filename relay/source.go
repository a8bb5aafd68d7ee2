package relay

import (
	"errors"
	"io"
	"sync"

	"zocalo/frame"
	"zocalo/socket"
)

// newSource makes the source that an end is.
func (f *flow) newSource() (source, error) {
	e := f.near()
	limit := f.j.opts.maxMessage(e.Socket)
	if e.bounded() {
		f.watchUrgent()
		return newMessages(e, limit), nil
	}
	r := f.newReader()
	switch {
	case e.Whole:
		return &whole{r: &flat{r: r, f: f}, limit: limit}, nil
	case e.cut():
		fr, err := frame.NewReader(&flat{r: r, f: f}, e.Format, limit)
		return &framed{fr}, err
	}
	return &octets{r: r, buf: buffers.Get().(*[bufferSize]byte)}, nil
}

// A reader reads a stream. It never returns urgent octets together with
// others.
type reader interface {
	read(b []byte) (n int, urgent bool, err error)
}

// A tap reads what is there of a stream. Over a unix socket descriptors may
// come with it, of which Read would not tell.
type tap struct {
	f     *flow
	s     *socket.Socket
	files bool
	m     socket.Message
}

func (f *flow) newTap() tap {
	s := f.near().Socket
	_, ok := socket.As[socket.Messenger](s)
	return tap{f: f, s: s, files: ok && s.Domain() == socket.Unix}
}

func (t *tap) Read(b []byte) (int, error) {
	if !t.files {
		return t.s.Read(b)
	}
	t.m.SetData(b)
	err := t.s.Receive(&t.m)
	if errors.Is(err, socket.ErrDescriptorsRefused) {
		t.f.refuseFiles(err)
		err = nil
	}
	return t.m.N, err
}

// plain reads a stream without urgent data.
type plain struct{ tap }

func (p *plain) read(b []byte) (int, bool, error) {
	n, err := p.Read(b)
	return n, false, err
}

const (
	bufferSize    = 32 << 10
	maxEmptyReads = 100 // reads in a row that bring neither octets nor an error
)

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// octets passes each read of a stream on.
type octets struct {
	r   reader
	buf *[bufferSize]byte
	err error // came with octets, and is due after them
}

func (o *octets) next() ([]byte, What, error) {
	for range maxEmptyReads {
		if err := o.err; err != nil {
			return nil, Octets, err
		}
		var n int
		var urgent bool
		n, urgent, o.err = o.r.read(o.buf[:])
		switch {
		case n > 0 && urgent:
			return o.buf[:n], Urgent, nil
		case n > 0:
			return o.buf[:n], Octets, nil
		}
	}
	return nil, Octets, io.ErrNoProgress
}

func (o *octets) release() {
	if o.buf != nil {
		buffers.Put(o.buf)
		o.buf = nil
	}
}

// flat is a stream with its urgent octets among the others, counted.
type flat struct {
	r reader
	f *flow
}

func (l *flat) Read(b []byte) (int, error) {
	n, urgent, err := l.r.read(b)
	if urgent {
		l.f.count(func(p *Flow) { p.UrgentInLine += int64(n) })
	}
	return n, err
}

// framed cuts a stream by a format.
type framed struct{ r *frame.Reader }

func (s *framed) next() ([]byte, What, error) {
	b, err := s.r.Next()
	return b, Message, err
}

func (s *framed) release() {}

// whole makes one message of a stream.
type whole struct {
	r     io.Reader
	limit int
	done  bool // up to end-of-file
	long  bool // too long, and what is left is still to be read
}

func (w *whole) next() ([]byte, What, error) {
	switch {
	case w.done:
		return nil, Message, io.EOF
	case w.long:
		// Who sends it must not hang for want of a reader.
		if _, err := io.Copy(io.Discard, w.r); err != nil {
			return nil, Message, err
		}
		w.done = true
		return nil, Message, io.EOF
	}
	b, err := io.ReadAll(io.LimitReader(w.r, int64(w.limit)+1))
	switch {
	case err != nil:
		return nil, Message, err
	case len(b) > w.limit:
		w.long = true
		return nil, Message, &TooLongError{w.limit}
	}
	w.done = true
	return b, Message, nil
}

func (w *whole) release() {}

// messages takes the messages of a kind that keeps boundaries.
type messages struct {
	s       *socket.Socket
	receive bool // the kind receives with what accompanies messages
	buf     []byte
	m       socket.Message
	only    socket.Name   // take messages of this peer alone, unless zero
	first   *firstMessage // that came before the join
}

func newMessages(e *End, limit int) *messages {
	s := &messages{s: e.Socket, buf: make([]byte, limit)}
	_, s.receive = socket.As[socket.Messenger](e.Socket)
	if e.first != nil {
		s.first, s.only = e.first, e.first.from
	}
	return s
}

func (s *messages) next() ([]byte, What, error) {
	if first := s.first; first != nil {
		s.first = nil
		if first.err == nil && len(first.data) > len(s.buf) {
			return nil, Message, &TooLongError{len(s.buf)}
		}
		return first.data, Message, first.err
	}
	if !s.receive {
		n, err := s.s.Read(s.buf)
		return s.buf[:n], Message, err
	}
	for {
		s.m.SetData(s.buf)
		err := s.s.Receive(&s.m)
		if s.only.IsZero() || s.m.Peer == s.only || err != nil && !errors.Is(err, socket.ErrTruncated) && !errors.Is(err, socket.ErrDescriptorsRefused) {
			return s.buf[:s.m.N], Message, err
		}
	}
}

func (s *messages) release() {}
