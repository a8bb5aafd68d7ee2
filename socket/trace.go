package socket

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// A Call is one completed call on a socket, as a trace hook sees it.
type Call struct {
	Name   string        // "socket", "bind", "accept", "read" ...
	FD     int           // the descriptor it was made on; -1 for socket and socketpair
	Args   string        // the other arguments, as C would write them
	Result int           // what it returned: a descriptor, a number of bytes, 0
	Detail string        // what else came back: the peer of accept, the value of getsockopt
	Err    error         // nil if it succeeded
	Start  time.Time     // when it was made
	Took   time.Duration // how long it lasted, waiting included
}

// String returns the call as the lecture writes it, as
// "accept(3) = 5, 127.0.0.1:41218".
func (c Call) String() string {
	var b strings.Builder
	b.WriteString(c.Name)
	b.WriteByte('(')
	if c.FD >= 0 {
		b.WriteString(strconv.Itoa(c.FD))
		if c.Args != "" {
			b.WriteString(", ")
		}
	}
	b.WriteString(c.Args)
	b.WriteString(") = ")
	if c.Err != nil {
		fmt.Fprintf(&b, "-1, %s", reason(c.Err))
	} else {
		b.WriteString(strconv.Itoa(c.Result))
	}
	if c.Detail != "" {
		b.WriteString(", ")
		b.WriteString(c.Detail)
	}
	return b.String()
}

// reason is the innermost error, where the operation and the names around it
// are known already.
func reason(err error) string {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno.Error()
	}
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}

var traceHook atomic.Pointer[func(Call)]

// SetTrace makes hook see each completed call of every socket made from now
// on, except those that only ask: AtMark, Name and Peer. Nil ends that for new
// sockets. The hook is called by the goroutine that made the call, and by many
// at once. Without a hook, tracing costs a comparison with nil.
func SetTrace(hook func(Call)) {
	if hook == nil {
		traceHook.Store(nil)
		return
	}
	traceHook.Store(&hook)
}

// Trace shows a call to the hook, if there is one: for families in user space,
// which have packets to tell besides the calls. Ask [Tracing] first where the
// Call costs something to make.
func Trace(c Call) {
	if hook := currentTrace(); hook != nil {
		hook(c)
	}
}

// Tracing reports whether there is a hook.
func Tracing() bool { return traceHook.Load() != nil }

func currentTrace() func(Call) {
	if p := traceHook.Load(); p != nil {
		return *p
	}
	return nil
}

// virtualFD numbers the sockets that have no descriptor, for the trace.
var virtualFD atomic.Int64

func init() { virtualFD.Store(999) }

func (s *Socket) number() int {
	if d, ok := Beneath[Descriptor](s.endpoint); ok {
		if fd := d.FD(); fd >= 0 {
			s.lastFD.Store(int64(fd))
		}
	} else if s.lastFD.Load() < 0 {
		s.lastFD.CompareAndSwap(-1, virtualFD.Add(1))
	}
	return int(s.lastFD.Load())
}

func (s *Socket) tracedFrom(start time.Time, call, args string, result int, detail string, err error) {
	s.Trace(Call{Name: call, Args: args, Result: result, Detail: detail, Err: err, Start: start})
}

// Traced reports whether a hook sees the calls on the socket.
func (s *Socket) Traced() bool { return s.trace != nil }

// Trace shows the hook a call on the socket that is not a method of it and has just
// returned, as setsockopt: the descriptor and the time that it took are filled in.
func (s *Socket) Trace(c Call) {
	if s.trace != nil {
		c.FD, c.Took = s.number(), time.Since(c.Start)
		s.trace(c)
	}
}
