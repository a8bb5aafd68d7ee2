package join

import (
	"zocalo/frame"
	"zocalo/socket"
)

// newSink makes the sink that an end is.
func (f *flow) newSink() (sink, error) {
	e := f.far()
	u := urgentSink{e.Socket, e.Socket.Properties().Urgent}
	switch {
	case e.Text:
		return &text{urgentSink: u}, nil
	case e.Format != frame.Format{}:
		w, err := frame.NewWriter(e.Socket, e.Format, f.j.opts.Limit(e.Socket))
		return &marked{u, w}, err
	case e.messages():
		return &asIs{u}, nil
	}
	return &stream{u}, nil
}

// urgentSink sends urgent data to a socket that takes most bytes of it at
// once.
type urgentSink struct {
	s    *socket.Socket
	most int
}

// urgent sends urgent data, as much of it as the kind takes as urgent: what is
// more goes before it in order, as the kind's own SendUrgent would do.
func (u *urgentSink) urgent(data []byte) error {
	if ahead := len(data) - u.most; ahead > 0 {
		if _, err := u.s.Write(data[:ahead]); err != nil {
			return err
		}
		data = data[ahead:]
	}
	_, err := u.s.SendUrgent(data)
	return err
}

// separate is urgent where it cannot go among messages.
func (u *urgentSink) separate(data []byte) error {
	if u.most < len(data) {
		return &NoUrgentError{u.s.Kind(), len(data), u.most}
	}
	return u.urgent(data)
}

// stream writes bytes, and urgent ones among them where there is no other
// way.
type stream struct{ urgentSink }

func (s *stream) put(data []byte, what What) (inLine bool, err error) {
	if what == Urgent && s.most > 0 {
		return false, s.urgent(data)
	}
	_, err = s.s.Write(data)
	return true, err
}

// asIs writes each message by one call: to a kind that keeps boundaries, or
// where none are wanted.
type asIs struct{ urgentSink }

func (s *asIs) put(data []byte, what What) (bool, error) {
	if what == Urgent {
		return false, s.separate(data)
	}
	_, err := s.s.Write(data)
	return false, err
}

func (s *asIs) putTogether(messages [][]byte) (int, error) { return s.s.WriteMessages(messages) }

// marked writes messages in a format.
type marked struct {
	urgentSink
	w *frame.Writer
}

func (s *marked) put(data []byte, what What) (bool, error) {
	if what == Urgent {
		return false, s.separate(data)
	}
	_, err := s.w.Write(data)
	return false, err
}

func (s *marked) putTogether(messages [][]byte) (int, error) { return s.w.WriteSeveral(messages) }

// text writes messages for people.
type text struct {
	urgentSink
	line []byte
}

func (s *text) put(data []byte, what What) (bool, error) {
	switch {
	case what == Urgent && s.most > 0:
		return false, s.urgent(data)
	case what == Urgent: // people see it in its place
		_, err := s.s.Write(data)
		return true, err
	}
	if n := len(data); n == 0 || data[n-1] != '\n' {
		s.line = append(append(s.line[:0], data...), '\n')
		data = s.line
	}
	_, err := s.s.Write(data)
	return false, err
}
