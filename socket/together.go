package socket

import (
	"context"
	"strconv"
	"syscall"
)

// A lentReader reads into memory that it takes only where there is something to read.
type lentReader interface {
	readLent(lend func() []byte, giveBack func()) (int, error)
}

// ReadLent is [Socket.Read] into memory that lend gives, for callers that hold none while they
// wait: lend is called before each attempt, and giveBack after one that found nothing. For the kernel's
// streams it takes one system call less than WaitRead and Read. Other kinds wait first, if they can, and
// call lend then.
func (s *Socket) ReadLent(lend func() []byte, giveBack func()) (int, error) {
	if l, ok := s.endpoint.(lentReader); ok && s.trace == nil {
		n, err := l.readLent(lend, giveBack)
		if err != nil {
			err = s.failed("read", err)
		}
		return n, err
	}
	if w := s.readWaiter(); w != nil {
		if err := w.WaitRead(); err != nil {
			return 0, s.waitFailed(err)
		}
	}
	return s.Read(lend())
}

// readLent implements lentReader.
func (k *streamKernel) readLent(lend func() []byte, giveBack func()) (int, error) {
	if err := k.begin(context.Background(), &k.read); err != nil {
		return 0, err
	}
	r := &k.receiving
	r.lend, r.giveBack = lend, giveBack
	n, err := k.readBytes(nil)
	r.lend, r.giveBack = nil, nil
	k.end(&k.read)
	return n, err
}

// tryLent is try into memory that is lent for it.
func (r *receiving) tryLent(fd int) syscall.Errno {
	r.b = r.lend()
	errno := r.recv(fd)
	if errno == syscall.EAGAIN {
		r.b = nil
		r.giveBack()
	}
	return errno
}

// A messageLender is an endpoint whose messages come into memory of its own.
type messageLender interface{ LendMessages([][]byte) int }

// LendMessages fills messages with some that have come whole, in order, and returns how many,
// without waiting and without a copy: they are good, and must not be changed, until the next call that
// reads. It returns 0 where there is none, where Receive has something else to tell, and on kinds
// that do not lend.
func (s *Socket) LendMessages(messages [][]byte) int {
	if l, ok := s.endpoint.(messageLender); ok && s.trace == nil {
		return l.LendMessages(messages)
	}
	return 0
}

// LendsMessages reports whether [Socket.LendMessages] is worth a try.
func (s *Socket) LendsMessages() bool {
	_, ok := s.endpoint.(messageLender)
	return ok && s.trace == nil
}

// A messagesWriter takes several messages in one call.
type messagesWriter interface {
	WriteMessages([][]byte) (int, error)
}

// WriteMessages writes messages in order, as [Socket.Write] does each, and returns how many were
// taken. It stops at the first error, which is that of the message at that index. Kinds of the program's own may send them
// together.
func (s *Socket) WriteMessages(messages [][]byte) (n int, err error) {
	w, ok := s.endpoint.(messagesWriter)
	if !ok {
		for n < len(messages) {
			if _, err := s.Write(messages[n]); err != nil {
				return n, err
			}
			n++
		}
		return n, nil
	}
	start := s.now()
	n, err = w.WriteMessages(messages)
	if s.trace != nil {
		s.tracedIO(start, "sendmmsg", strconv.Itoa(len(messages)), n, err)
	}
	return n, s.failed("write", err)
}
