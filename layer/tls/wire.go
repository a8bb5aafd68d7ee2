package tls

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"zocalo/socket"
)

// A wire encrypts at most one chunk ahead of what the connection beneath has taken:
// four of the longest TLS records.
const (
	recordSize = 16 << 10
	chunkSize  = 4 * recordSize
	wireSize   = chunkSize + 4*256 // with the overhead of each record
	aheadSize  = 64 << 10          // the longest message of a connection beneath that has messages
)

// wireMemory and aheadMemory pool the buffers that a wire needs while data is under way.
var (
	wireMemory  = sync.Pool{New: func() any { return &[wireSize]byte{} }}
	aheadMemory = sync.Pool{New: func() any { return &[aheadSize]byte{} }}
)

// A wire is the connection beneath as crypto/tls sees it. After the handshake, Write
// takes each record whole and keeps it until flush has written it, since a deadline in
// the middle of a record would corrupt the stream.
type wire struct {
	lower    *socket.Socket
	bounded  bool // lower carries messages
	optional bool // an end without close_notify is accepted

	shaking bool // the handshake is not done: Write writes at once

	mu     sync.Mutex // guards what follows
	out    []byte     // encrypted, in lent
	sent   int        // bytes of out that lower has taken
	lent   *[wireSize]byte
	late   bool // a deadline ended the last flush early
	failed bool // any error did

	// For reading, guarded by the endpoint's reading.
	trying bool             // Read does not wait
	ready  bool             // lower has something to read
	waits  bool             // lower is a ReadWaiter
	ahead  *[aheadSize]byte // pooled; ahead[from:to] was read ahead
	from   int
	to     int
}

// errNothingYet ends a Read that would wait. It is temporary, so crypto/tls can be
// called again after it.
var errNothingYet net.Error = nothingYet{}

type nothingYet struct{}

func (nothingYet) Error() string   { return "nothing to read yet" }
func (nothingYet) Timeout() bool   { return true }
func (nothingYet) Temporary() bool { return true }

// Read implements net.Conn for crypto/tls. It reads ahead during the handshake, when
// crypto/tls reads in small pieces, and from connections with messages, which must be read
// whole.
func (w *wire) Read(b []byte) (n int, err error) {
	switch {
	case w.from < w.to:
	case w.trying && !w.ready:
		return 0, errNothingYet
	case !w.shaking && !w.bounded:
		w.ready = false
		return w.read(b)
	default:
		if err := w.fill(); err != nil {
			return 0, err
		}
	}
	n = copy(b, w.ahead[w.from:w.to])
	if w.from += n; w.from == w.to {
		w.giveBack()
	}
	return n, nil
}

// fill reads ahead. If lower can wait without a buffer, it takes one only once there is
// something to read.
func (w *wire) fill() error {
	if !w.ready && w.waits {
		if err := w.lower.WaitRead(); err != nil {
			return err
		}
	}
	w.ready = false
	w.ahead = aheadMemory.Get().(*[aheadSize]byte)
	n, err := w.read(w.ahead[:])
	if err != nil {
		w.giveBack()
		return err
	}
	w.from, w.to = 0, n
	return nil
}

// read reads at least one byte from lower.
func (w *wire) read(b []byte) (int, error) {
	n, err := w.lower.Read(b)
	if errors.Is(err, syscall.ECONNRESET) && w.lower.Domain() == socket.Unix {
		// The peer closed with unread input; what it sent is still there.
		n, err = w.lower.Read(b)
	}
	switch {
	case n > 0: // an error comes back with the next call
		return n, nil
	case err == nil:
		return 0, io.ErrNoProgress
	case err == io.EOF && !w.optional:
		return 0, errCut
	}
	return 0, err
}

func (w *wire) giveBack() {
	aheadMemory.Put(w.ahead)
	w.ahead, w.from, w.to = nil, 0, 0
}

// Write implements net.Conn for crypto/tls. It never waits after the handshake, since
// crypto/tls holds a lock meanwhile that its reader may need.
func (w *wire) Write(b []byte) (int, error) {
	if w.shaking {
		return w.lower.Write(b)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.lent == nil {
		w.lent = wireMemory.Get().(*[wireSize]byte)
		w.out = w.lent[:0]
	}
	w.out = append(w.out, b...)
	return len(b), nil
}

// flush writes the encrypted records to lower. Only one goroutine may call it at a time.
func (w *wire) flush() error {
	for {
		w.mu.Lock()
		b := w.out[w.sent:]
		if len(b) == 0 {
			w.empty()
			w.mu.Unlock()
			return nil
		}
		w.mu.Unlock()
		if w.bounded {
			b = b[:min(len(b), recordSize)]
		}
		n, err := w.lower.Write(b) // b is not touched by what is appended meanwhile
		w.mu.Lock()
		w.sent += n
		w.late = errors.Is(err, os.ErrDeadlineExceeded)
		w.failed = err != nil
		w.mu.Unlock()
		if err != nil {
			return err
		}
	}
}

// empty returns the buffer to the pool. The caller holds mu.
func (w *wire) empty() {
	w.out, w.sent = nil, 0
	if w.lent != nil {
		wireMemory.Put(w.lent)
		w.lent = nil
	}
}

// drop forgets the records that were not sent.
func (w *wire) drop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.empty()
}

// stuck reports whether a deadline ended the last flush early.
func (w *wire) stuck() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.late
}

// cut reports whether any error ended the last flush early.
func (w *wire) cut() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failed
}

// Close implements net.Conn for crypto/tls, which calls it when the context of a handshake
// ends. The endpoint closes the connection itself.
func (w *wire) Close() error { return w.lower.SetDeadline(time.Unix(1, 0)) }

func (w *wire) LocalAddr() net.Addr  { return w.lower.LocalAddr() }
func (w *wire) RemoteAddr() net.Addr { return w.lower.RemoteAddr() }

// The endpoint sets the deadlines; those that crypto/tls sets around close_notify would
// interfere.
func (w *wire) SetDeadline(time.Time) error      { return nil }
func (w *wire) SetReadDeadline(time.Time) error  { return nil }
func (w *wire) SetWriteDeadline(time.Time) error { return nil }
