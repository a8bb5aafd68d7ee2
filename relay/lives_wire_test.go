package relay_test

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"zocalo/socket"
)

// A wire is the socket of a side, of bytes or of messages. It cuts a stream into
// messages by itself, so as not to trust what it tests.
type wire struct {
	s        *socket.Socket
	messages bool
	framed   bool // a stream of messages, each after its length in 4 bytes
	out      []byte
}

func (w *wire) write(b []byte) error {
	if w.framed {
		w.out = binary.BigEndian.AppendUint32(w.out[:0], uint32(len(b)))
		w.out = append(w.out, b...)
		b = w.out
	}
	_, err := w.s.Write(b)
	return err
}

// read reads some bytes, or one message. io.ErrUnexpectedEOF is an end inside a
// message.
func (w *wire) read(b []byte) (int, error) {
	if !w.framed {
		return w.s.Read(b)
	}
	var head [4]byte
	if _, err := io.ReadFull(w.s, head[:]); err != nil {
		return 0, err
	}
	size := int(binary.BigEndian.Uint32(head[:]))
	if size > len(b) {
		return 0, errors.New("a message longer than any that was sent")
	}
	n, err := io.ReadFull(w.s, b[:size])
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return 0, err
	}
	return n, nil
}

// An end is what a side saw of the other's end.
type end int

const (
	none    end = iota // it ended by itself before
	orderly            // an end-of-file
	reset
	hung  // nothing, for as long as a life may take
	other // an error that no life has
)

func (e end) String() string {
	return [...]string{"no end", "an orderly end", "a reset", "nothing for too long", "another error"}[e]
}

func endOf(err error) end {
	switch {
	case err == io.EOF, err == io.ErrUnexpectedEOF:
		return orderly
	case errors.Is(err, os.ErrDeadlineExceeded):
		return hung
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNABORTED),
		errors.Is(err, syscall.ENOTCONN): // of mptcp, where the writer was told the reset
		return reset
	case errors.Is(err, net.ErrClosed):
		return none
	}
	return other
}
