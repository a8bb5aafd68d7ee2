package main

import (
	"context"
	"errors"
	"io"
	"os"
	"syscall"

	"zocalo/process"
	"zocalo/socket"
)

// sized is ctx for opening a program on a terminal: it is as large as ours.
func (c *conversation) sized(ctx context.Context) context.Context {
	if f, ok := c.in.(*os.File); ok {
		return process.WithSizeOf(ctx, f)
	}
	return ctx
}

// attach connects our terminal to that of a program, where both are there, until
// detach is called: the program's one echoes and edits lines, so that ours must
// not, and is as large.
func (c *conversation) attach(s *socket.Socket) (detach func()) {
	f, ok := c.in.(*os.File)
	if !ok || c.quoted || c.hex || c.json || process.CopySize(s, f) != nil {
		return func() {}
	}
	restore, err := process.MakeRaw(f)
	if err != nil {
		return func() {}
	}
	forget := atExit(restore)
	follow := onSignal(sigResized, func() { process.CopySize(s, f) })
	return func() {
		follow()
		restore()
		forget()
	}
}

// rawKeys makes our terminal pass each key as it is typed, until restore is called.
func (c *conversation) rawKeys() (restore func(), err error) {
	f, ok := c.in.(*os.File)
	if !ok {
		return nil, syscall.ENOTTY
	}
	cooked, err := process.MakeRaw(f)
	if err != nil {
		return nil, err
	}
	forget := atExit(cooked)
	return func() { cooked(); forget() }, nil
}

// errEscaped is why a conversation ends that --raw's escape ended.
var errEscaped = errors.New("~. ended it")

// An escapeReader takes ~. at the beginning of a line for the end, and ~~ for ~, as
// ssh(1) does.
type escapeReader struct {
	r      io.Reader
	end    func()
	begins bool // a line begins here
	tilde  bool // and with a ~, which is kept back
	err    error
	buf    [256]byte
	ready  []byte // of what was read, not yet passed on
}

func (e *escapeReader) Read(b []byte) (int, error) {
	for len(e.ready) == 0 && e.err == nil {
		var n int
		n, e.err = e.r.Read(e.buf[1:]) // leaving room for a tilde that was none
		e.ready = e.keep(e.buf[:0], e.buf[1:1+n])
		if e.err == io.EOF && e.tilde {
			e.ready, e.tilde = append(e.ready, '~'), false
		}
	}
	if len(e.ready) == 0 {
		return 0, e.err
	}
	n := copy(b, e.ready)
	e.ready = e.ready[n:]
	return n, nil
}

// keep appends keys to dst, without the escapes in them.
func (e *escapeReader) keep(dst, keys []byte) []byte {
	for _, key := range keys {
		held := e.tilde
		e.tilde = false
		switch {
		case held && key == '.':
			e.err = io.EOF
			e.end()
			return dst
		case held && key != '~':
			dst = append(dst, '~')
		case !held && e.begins && key == '~':
			e.tilde, e.begins = true, false
			continue
		}
		dst = append(dst, key)
		e.begins = key == '\r' || key == '\n'
	}
	return dst
}
