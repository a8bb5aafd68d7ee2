package datagrams

// recent is a list of sessions in the order in which something last passed.
type recent struct {
	root session // next is the newest, prev the oldest
	len  int
}

func (r *recent) init() { r.root.next, r.root.prev = &r.root, &r.root }

func (r *recent) oldest() *session { return r.or(r.root.prev) }
func (r *recent) newest() *session { return r.or(r.root.next) }

// older returns the one that was idle longer than s.
func (r *recent) older(s *session) *session { return r.or(s.next) }

func (r *recent) or(s *session) *session {
	if s == &r.root {
		return nil
	}
	return s
}

func (r *recent) add(s *session) {
	r.len++
	r.front(s)
}

func (r *recent) front(s *session) {
	s.prev, s.next = &r.root, r.root.next
	s.prev.next, s.next.prev = s, s
}

func (r *recent) touch(s *session) {
	if r.root.next != s {
		r.unlink(s)
		r.front(s)
	}
}

func (r *recent) remove(s *session) {
	r.len--
	r.unlink(s)
}

func (r *recent) unlink(s *session) {
	s.prev.next, s.next.prev = s.next, s.prev
	s.prev, s.next = nil, nil
}
