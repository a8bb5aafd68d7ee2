package websocket

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"zocalo/layer/internal/prefix"
	"zocalo/socket"
)

// bufferSize is what is read at once, and gathered to be written at once.
const bufferSize = 64 << 10

var memory = sync.Pool{New: func() any { return &[bufferSize]byte{} }}

// errNothingYet ends a read that would wait.
var errNothingYet = errors.New("nothing to read yet")

// An input is what has come from the connection beneath and is not taken yet. Its memory
// is lent while there is something in it.
type input struct {
	lower   *socket.Socket
	bounded bool // lower carries messages, which are to be read whole
	waits   bool // lower can be waited for

	lent     *[bufferSize]byte
	from, to int
	shown    bool          // the reader has slices of it
	toLend   func() []byte // lends it
	toReturn func()        // gives it back

	trying bool // fill does not wait

	asks  atomic.Int64 // since when a call waits in lower; 0 where none does
	heard atomic.Int64 // when something came last; both since epoch
}

func (in *input) init(lower *socket.Socket) {
	in.lower, in.bounded = lower, lower.Properties().Bounded
	_, in.waits = socket.As[socket.ReadWaiter](lower)
	in.toLend, in.toReturn = in.lend, in.giveBack
}

var epoch = time.Now()

func now() int64 { return int64(time.Since(epoch)) }

// bytes are those that are there.
func (in *input) bytes() []byte {
	if in.lent == nil {
		return nil
	}
	return in.lent[in.from:in.to]
}

func (in *input) isEmpty() bool { return in.from == in.to }

// fill reads what is there into the empty memory, which is lent once there is something.
func (in *input) fill() error {
	if in.trying {
		return errNothingYet
	}
	in.asks.Store(now())
	n, err := in.lower.ReadLent(in.toLend, in.toReturn)
	in.asks.Store(0)
	if err != nil && leftUnread(in.lower, err) {
		n, err = in.lower.Read(in.lend())
	}
	in.from, in.to = 0, n
	return in.heardOf(n, err)
}

// fillFrom reads what there is to read into b, and holds no memory of its own while it waits.
func (in *input) fillFrom(b []byte) (int, error) {
	if in.trying {
		return 0, errNothingYet
	}
	in.giveBack()
	in.asks.Store(now())
	n, err := in.lower.Read(b)
	in.asks.Store(0)
	if err != nil && leftUnread(in.lower, err) {
		n, err = in.lower.Read(b)
	}
	return n, in.heardOf(n, err)
}

// heardOf notes that something came; what is left of an error then, the next read says.
func (in *input) heardOf(n int, err error) error {
	switch {
	case n > 0:
		in.heard.Store(now())
		return nil
	case err == nil:
		return io.ErrNoProgress
	}
	return err
}

// leftUnread reports whether an error of reading is that of a peer that has closed with input
// unread: what it sent is still there.
func leftUnread(lower *socket.Socket, err error) bool {
	return errors.Is(err, syscall.ECONNRESET) && lower.Domain() == socket.Unix && lower.Kind().Layers == ""
}

func (in *input) lend() []byte {
	if in.lent == nil {
		in.lent = memory.Get().(*[bufferSize]byte)
	}
	return in.lent[:]
}

func (in *input) giveBack() {
	if in.lent != nil {
		if !in.shown {
			memory.Put(in.lent)
		}
		in.lent, in.from, in.to = nil, 0, 0
	}
}

// head reads up to and with the empty line that ends the head of HTTP.
func (in *input) head() ([]byte, error) {
	var head []byte
	for {
		if in.isEmpty() {
			if err := in.fill(); err == io.EOF {
				return head, prefix.ErrEnded
			} else if err != nil {
				return head, err
			}
		}
		before := len(head)
		head = append(head, in.bytes()...)
		search := max(0, before-len(headEnd)+1)
		if i := bytes.Index(head[search:], headEnd); i >= 0 {
			head = head[:search+i+len(headEnd)]
			in.from += len(head) - before
			return head, nil
		}
		in.from = in.to
		if len(head) > longestHead {
			return head, fmt.Errorf("the peer's HTTP header is longer than %d bytes", longestHead)
		}
	}
}

var headEnd = []byte("\r\n\r\n")

// longestHead is the most that a request or an answer may have before its body, and
// something.
const longestHead = 16 << 10

// Read reads what is there, for the body of an answer.
func (in *input) Read(b []byte) (int, error) {
	if in.isEmpty() {
		if err := in.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(b, in.bytes())
	in.from += n
	return n, nil
}
