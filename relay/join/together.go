package join

import (
	"sync"

	"zocalo/socket"
)

// mostTogether is the most messages that are passed on at once.
const mostTogether = 128

// lists are lent while messages pass.
var lists = sync.Pool{New: func() any { return &[mostTogether][]byte{} }}

// A togetherSink takes several messages at once.
type togetherSink interface {
	// putTogether writes messages in order. An error is that of the message at the index n.
	putTogether(messages [][]byte) (n int, err error)
}

// several returns the flow's source where messages come from it several at once, as those of ws, and
// nothing is to see each of them; else nil.
func (f *flow) several() *messages {
	m, is := f.src.(*messages)
	if !is || m.first != nil || !m.only.IsZero() || f.filter != nil || f.beside != nil || f.j.opts.OnPassed != nil || !m.s.LendsMessages() {
		return nil
	}
	if own, has := socket.As[bound](m.s); !has || own.LongestMessage() > m.limit {
		return nil
	}
	return m
}

// passSeveral passes on messages that have come together, and reports how many bytes of them there
// were, and whether the flow goes on. If there are none, or an error, the source's next tells.
func (f *flow) passSeveral(s *messages) (bytes int, goesOn bool) {
	if s.memory.await() != nil || *f.j.pace.Load() != nil || f.drops() {
		return 0, true
	}
	list := lists.Get().(*[mostTogether][]byte)
	defer lists.Put(list)
	n := s.s.LendMessages(list[:])
	if n == 0 {
		return 0, true
	}
	s.memory.waited = false
	defer clear(list[:n])
	f.j.clock.touch()
	for _, m := range list[:n] {
		bytes += len(m)
	}
	return max(bytes, 1), !f.j.over.Load() && f.putSeveral(list[:n], bytes)
}

// putSeveral writes messages to the far end.
func (f *flow) putSeveral(messages [][]byte, bytes int) bool {
	to, together := f.dst.(togetherSink)
	if !together {
		for _, m := range messages {
			if !f.put(m, Message) {
				return false
			}
			if f.drops() {
				break
			}
		}
		return true
	}
	for {
		n, err := to.putTogether(messages)
		f.j.clock.touch()
		if err == nil {
			f.passes(bytes, n, Message, false)
			return true
		}
		done := 0
		for _, m := range messages[:n] {
			done += len(m)
		}
		f.passes(done, n, Message, false)
		size := len(messages[n])
		if !f.notPut(err, size) {
			return false
		}
		bytes -= done + size
		if messages = messages[n+1:]; len(messages) == 0 || f.drops() {
			return true
		}
	}
}
