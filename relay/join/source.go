package join

import (
	"errors"
	"io"

	"zocalo/frame"
	"zocalo/internal/pass"
	"zocalo/relay/outcome"
	"zocalo/socket"
)

// newSource makes the source that an end is.
func (f *flow) newSource() (source, error) {
	e := f.near()
	limit := f.j.opts.Limit(e.Socket)
	if e.bounded() {
		f.watchUrgent()
		return f.newMessages(limit), nil
	}
	r := f.newReader()
	switch {
	case e.Whole:
		return &whole{r: f.newFlat(r), limit: limit}, nil
	case e.cut():
		flat := f.newFlat(r)
		fr, err := frame.NewReader(flat, e.Format, limit)
		return &framed{fr, flat}, err
	}
	return &bytes{r: r, memory: newMemory(bufferSize, r.waiting())}, nil
}

// A reader reads a stream. It never returns urgent bytes together with
// others.
type reader interface {
	// waiting returns what waits until there is something to read, without
	// which read may not be called; nil where read itself waits.
	waiting() func() error
	read(b []byte) (n int, urgent bool, err error)
	release() // what came with the bytes; called once, after the last read
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
	t := tap{f: f, s: s, files: ok && s.Domain() == socket.Unix}
	t.m.Ancillary.WantFiles = f.wantFiles()
	return t
}

func (t *tap) Read(b []byte) (int, error) {
	if !t.files {
		return t.s.Read(b)
	}
	t.m.SetData(b)
	err := t.s.Receive(&t.m)
	if t.f.near().leftUnread(err) {
		err = t.s.Receive(&t.m)
	}
	if errors.Is(err, socket.ErrDescriptorsRefused) {
		if t.f.j.opts.Files != pass.CloseFiles {
			return 0, err
		}
		t.f.refuseFiles(err)
		err = nil
	}
	t.f.came = &t.m.Ancillary
	return t.m.N, err
}

func (t *tap) release() {}

// plain reads a stream without urgent data.
type plain struct{ tap }

func (p *plain) waiting() func() error { return waiting(p.s) }

func (p *plain) read(b []byte) (int, bool, error) {
	n, err := p.Read(b)
	return n, false, err
}

const (
	bufferSize    = 64 << 10
	maxEmptyReads = 100 // reads in a row that bring neither bytes nor an error
)

// bytes passes each read of a stream on.
type bytes struct {
	r      reader
	memory memory
	err    error // came with bytes, and is due after them
}

func (o *bytes) next() ([]byte, What, error) {
	for range maxEmptyReads {
		if err := o.err; err != nil {
			return nil, Bytes, err
		}
		b, err := o.memory.take()
		if err != nil {
			return nil, Bytes, err
		}
		var n int
		var urgent bool
		n, urgent, o.err = o.r.read(b)
		switch {
		case n > 0 && urgent:
			return b[:n], Urgent, nil
		case n > 0:
			return b[:n], Bytes, nil
		}
	}
	return nil, Bytes, io.ErrNoProgress
}

func (o *bytes) release() {
	o.memory.release()
	o.r.release()
}

// flat is a stream with its urgent bytes among the others, counted.
type flat struct {
	r    reader
	wait func() error
	f    *flow
}

func (f *flow) newFlat(r reader) *flat { return &flat{r: r, wait: r.waiting(), f: f} }

func (l *flat) Read(b []byte) (int, error) {
	if l.wait != nil {
		if err := l.wait(); err != nil {
			return 0, err
		}
	}
	n, urgent, err := l.r.read(b)
	if urgent {
		l.f.count(func(p *outcome.Flow) { p.UrgentInLine += uint32(n) })
	}
	return n, err
}

// framed cuts a stream by a format.
type framed struct {
	r    *frame.Reader
	flat *flat
}

func (s *framed) next() ([]byte, What, error) {
	b, err := s.r.Next()
	return b, Message, err
}

func (s *framed) release() { s.flat.r.release() }

// whole makes one message of a stream.
type whole struct {
	r     *flat
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

func (w *whole) release() { w.r.r.release() }

// messages takes the messages of a kind that keeps boundaries.
type messages struct {
	f       *flow
	s       *socket.Socket
	receive bool // the kind receives with what accompanies messages
	memory  memory
	m       socket.Message
	only    socket.Name   // take messages of this peer alone, unless zero
	first   *firstMessage // that came before the join
	limit   int
}

func (f *flow) newMessages(limit int) *messages {
	e := f.near()
	s := &messages{f: f, s: e.Socket, limit: limit, memory: newMemory(limit, waiting(e.Socket))}
	_, s.receive = socket.As[socket.Messenger](e.Socket)
	if r, ok := socket.As[readier](e.Socket); ok {
		s.memory.ready = r.Ready
	}
	s.m.Ancillary.WantFiles = f.wantFiles()
	if e.first != nil {
		s.first, s.only = e.first, e.first.from
	}
	return s
}

func (s *messages) next() ([]byte, What, error) {
	if first := s.first; first != nil {
		s.first = nil
		if first.err == nil && len(first.data) > s.limit {
			return nil, Message, &TooLongError{s.limit}
		}
		return first.data, Message, first.err
	}
	for {
		b, err := s.memory.take()
		if err != nil {
			return nil, Message, err
		}
		if !s.receive {
			n, err := s.s.Read(b)
			return b[:n], Message, err
		}
		s.m.SetData(b)
		err = s.s.Receive(&s.m)
		if s.f.near().leftUnread(err) {
			err = s.s.Receive(&s.m)
		}
		if s.only.IsZero() || s.m.Peer == s.only || err != nil && !errors.Is(err, socket.ErrTruncated) && !errors.Is(err, socket.ErrDescriptorsRefused) {
			s.f.came = &s.m.Ancillary
			return b[:s.m.N], Message, err
		}
	}
}

func (s *messages) release() { s.memory.release() }
