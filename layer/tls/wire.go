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

// The most that a wire encrypts ahead of what the connection beneath has taken:
// four records of TLS at their longest, and as many of the beneath's messages.
const (
	recordSize = 16 << 10
	chunkSize  = 4 * recordSize
	wireSize   = chunkSize + 4*256 // with what TLS adds to each record
	aheadSize  = 64 << 10          // bytes of a message of the connection beneath
)

// wireMemory and aheadMemory lend the memory that a wire needs while something
// is under way.
var (
	wireMemory  = sync.Pool{New: func() any { return &[wireSize]byte{} }}
	aheadMemory = sync.Pool{New: func() any { return &[aheadSize]byte{} }}
)

// A wire is the connection beneath as crypto/tls has it. Once the handshake is
// done, Write takes each record whole and keeps it until flush has written it: of
// half a record, a deadline would make nonsense.
type wire struct {
	lower    *socket.Socket
	bounded  bool // lower carries messages
	optional bool // an end without close_notify is one all the same

	shaking bool // the handshake is not done yet: what is written goes out at once

	mu     sync.Mutex // of what follows
	out    []byte     // encrypted, in lent
	sent   int        // bytes of out that lower has taken
	lent   *[wireSize]byte
	late   bool // a deadline ended the last flush, and left something in out
	failed bool // that, or another error

	// Of reading, whose turn the endpoint keeps.
	trying bool             // Read does not wait
	ready  bool             // lower has something to read
	waits  bool             // lower can be waited for
	ahead  *[aheadSize]byte // lent; what was read and not asked for yet is at from to to
	from   int
	to     int
}

// errNothingYet ends a Read that would wait. Its being temporary has crypto/tls
// go on another time.
var errNothingYet net.Error = nothingYet{}

type nothingYet struct{}

func (nothingYet) Error() string   { return "nothing to read yet" }
func (nothingYet) Timeout() bool   { return true }
func (nothingYet) Temporary() bool { return true }

// Read implements net.Conn for crypto/tls. In a handshake, when crypto/tls has little
// memory to read into, and of messages, which are to be read whole, it reads ahead.
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

// fill reads ahead. It borrows the memory once there is something, where lower can
// tell.
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
		// The peer has closed with input unread. What it sent is still there.
		n, err = w.lower.Read(b)
	}
	switch {
	case n > 0: // what is left of an error, the next call says
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

// Write implements net.Conn for crypto/tls, which holds a lock meanwhile that its
// reader may need: it never waits.
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

// flush has lower take what was encrypted. One goroutine at a time may call it.
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
		n, err := w.lower.Write(b) // what is appended meanwhile leaves b alone
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

// empty gives the memory back. The caller holds mu.
func (w *wire) empty() {
	w.out, w.sent = nil, 0
	if w.lent != nil {
		wireMemory.Put(w.lent)
		w.lent = nil
	}
}

// drop forgets what was encrypted and not taken.
func (w *wire) drop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.empty()
}

// stuck reports whether a deadline had the last flush leave something behind.
func (w *wire) stuck() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.late
}

// cut reports whether the last flush left something behind for whatever reason.
func (w *wire) cut() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failed
}

// Close implements net.Conn for crypto/tls, which calls it to end a handshake whose
// context is over. The connection itself is the endpoint's.
func (w *wire) Close() error { return w.lower.SetDeadline(time.Unix(1, 0)) }

func (w *wire) LocalAddr() net.Addr  { return w.lower.LocalAddr() }
func (w *wire) RemoteAddr() net.Addr { return w.lower.RemoteAddr() }

// Deadlines are the endpoint's too: crypto/tls sets some around its close_notify.
func (w *wire) SetDeadline(time.Time) error      { return nil }
func (w *wire) SetReadDeadline(time.Time) error  { return nil }
func (w *wire) SetWriteDeadline(time.Time) error { return nil }
