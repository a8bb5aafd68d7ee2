package websocket

// Ends over a connection that can be waited for without memory.
type (
	waitingStream   struct{ stream }
	waitingMessages struct{ messages }
)

// WaitRead implements [socket.ReadWaiter].
func (w waitingStream) WaitRead() error { return w.waitRead() }

// WaitRead implements [socket.ReadWaiter]. For what comes after the first 64 KiB of a message
// Read may have to wait.
func (w waitingMessages) WaitRead() error { return w.waitRead() }

// Ready reports whether Read would not wait, where that is sure without a look.
func (w waitingMessages) Ready() bool { return w.more.Load() }

func (e *endpoint) waitRead() error {
	if e.more.Load() {
		return nil
	}
	e.reads.Lock()
	defer e.reads.Unlock()
	for {
		if ready, err := e.lookAhead(); ready || err != nil {
			return err
		}
		if err := e.reader.in.fill(); err != nil {
			return e.waitFailed(err)
		}
	}
}

//go:noinline
func (e *endpoint) waitFailed(err error) error {
	if err = e.readError(err); e.failure != nil {
		return nil // for Read to tell
	}
	return err
}

// lookAhead reports whether Read would not wait. It is kept apart from waitRead, lest the
// stack of a waiting goroutine be larger. The caller has the turn of reading.
//
//go:noinline
func (e *endpoint) lookAhead() (ready bool, err error) {
	if err := e.over(&e.readDeadline); err != nil {
		return false, err
	}
	if e.failure != nil || e.readEnd.Load() {
		return true, nil
	}
	r := &e.reader
	r.in.shown = false
	r.in.trying = true
	defer func() { r.in.trying = false }()
	for err == nil {
		if r.isBetween() && len(e.kept.bytes) == 0 && !r.bytes {
			if r.looksAhead = r.whole(); r.looksAhead {
				return true, nil
			}
		}
		var over bool
		over, err = e.next()
		switch {
		case err != nil, over && r.bytes:
		case over:
			r.ended = true // for receive to find
			return true, nil
		case r.bytes, r.unpacker != nil, len(e.kept.bytes) >= bufferSize:
			return true, nil
		default:
			err = e.keepPiece()
		}
	}
	if err == errNothingYet {
		r.in.giveBack()
		return false, nil
	}
	return true, e.waitFailed(err)
}

// A kept is what has come of a message that is not whole yet: for WaitRead, up to
// bufferSize, or before a deadline.
type kept struct {
	bytes []byte
	lent  *[bufferSize]byte // bytes are there, unless there are more
	lost  bool              // what is between them and the rest did not fit
}

func (k *kept) lend() {
	if k.lent == nil {
		k.lent = memory.Get().(*[bufferSize]byte)
		k.bytes = append(k.lent[:0], k.bytes...)
	}
}

// keepPiece keeps the next piece of the message at hand.
func (e *endpoint) keepPiece() error {
	k := &e.kept
	k.lend()
	at := len(k.bytes)
	n, err := e.piece(k.lent[at:])
	k.bytes = k.lent[:at+n]
	return err
}

// keep keeps what has come of a message into buffers.
func (e *endpoint) keep(buffers [][]byte, n int) {
	var all []byte
	k := &e.kept
	k.lend()
	all = k.lent[:0]
	for _, b := range buffers {
		all = append(all, b[:min(len(b), n-len(all))]...)
	}
	k.bytes = all
}

func (e *endpoint) forgetKept() {
	if e.kept.lent != nil {
		memory.Put(e.kept.lent)
	}
	e.kept = kept{}
}
