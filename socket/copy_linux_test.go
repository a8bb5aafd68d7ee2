package socket_test

import (
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"zocalo/internal/poll"
	"zocalo/socket"
)

// io.Copy between our sockets and what package net and os have goes through the
// system, whichever of the two it asks to do it: two kinds of ours, four of theirs,
// both directions.
func TestCopyOfStandardLibrary(t *testing.T) {
	data := random(2<<20 + 11)
	size := int64(len(data))
	pipe := func(t *testing.T) (r, w *os.File) {
		r, w, err := os.Pipe()
		check(t, err)
		t.Cleanup(func() { r.Close(); w.Close() })
		return r, w
	}
	feed := func(w io.WriteCloser) {
		go func() {
			w.Write(data)
			w.Close()
		}()
	}
	read := func(t *testing.T, r io.Reader) <-chan bool {
		same := make(chan bool, 1)
		go func() {
			sum := sha256.New()
			io.Copy(sum, struct{ io.Reader }{r})
			same <- [32]byte(sum.Sum(nil)) == sha256.Sum256(data)
		}()
		return same
	}
	each(t, []testKind{tcp, unixStream}, func(t *testing.T, k testKind) {
		for _, theirs := range []string{"tcp", "unix", "pipe", "file", "file to append to"} {
			t.Run("from "+theirs, func(t *testing.T) {
				var from io.Reader
				switch theirs {
				case "pipe":
					r, w := pipe(t)
					feed(w)
					from = r
				case "file", "file to append to":
					path := filepath.Join(t.TempDir(), "data")
					check(t, os.WriteFile(path, data, 0o600))
					f, err := os.Open(path)
					check(t, err)
					defer f.Close()
					from = f
				default:
					a, b := netPair(t, theirs)
					feed(a)
					from = b
				}
				to, sink := k.pair(t)
				same := read(t, sink)
				spliced, sent, undo := socket.CountMoves()
				defer undo()
				n, err := io.Copy(to, from)
				to.Close()
				if !<-same || n != size || err != nil {
					t.Errorf("%d bytes of %d, %v", n, size, err)
				}
				if _, isFile := from.(*os.File); isFile && theirs != "pipe" {
					if sent.Load() != size {
						t.Errorf("sendfile sent %d bytes of %d", sent.Load(), size)
					}
				} else if spliced.Load() != 2*size {
					t.Errorf("splice moved %d bytes in and out of pipes, of %d", spliced.Load(), 2*size)
				}
			})
			t.Run("to "+theirs, func(t *testing.T) {
				var to io.WriteCloser
				var sink io.Reader
				switch theirs {
				case "pipe":
					r, w := pipe(t)
					to, sink = w, r
				case "file", "file to append to":
					flag := os.O_WRONLY | os.O_CREATE
					if theirs != "file" {
						flag |= os.O_APPEND
					}
					f, err := os.OpenFile(filepath.Join(t.TempDir(), "data"), flag, 0o600)
					check(t, err)
					to = f
				default:
					a, b := netPair(t, theirs)
					to, sink = a, b
				}
				source, from := k.pair(t)
				feed(source)
				var same <-chan bool
				if sink != nil {
					same = read(t, sink)
				}
				spliced, _, undo := socket.CountMoves()
				defer undo()
				n, err := io.Copy(to, from)
				to.Close()
				if f, ok := to.(*os.File); ok && sink == nil {
					written, err := os.Open(f.Name())
					check(t, err)
					defer written.Close()
					same = read(t, written)
				}
				if !<-same || n != size || err != nil {
					t.Errorf("%d bytes of %d, %v", n, size, err)
				}
				if theirs != "file to append to" && spliced.Load() != 2*size { // for which there is no splice(2)
					t.Errorf("splice moved %d bytes in and out of pipes, of %d", spliced.Load(), 2*size)
				}
			})
		}
	})
}

// What embeds a connection or file of the standard library and reads otherwise is
// read, and not passed by.
func TestCopyFromEmbedded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data")
	check(t, os.WriteFile(path, []byte("secret"), 0o600))
	f, err := os.Open(path)
	check(t, err)
	defer f.Close()
	out, b := tcp.pair(t)
	_, err = out.ReadFrom(masked{f})
	check(t, err)
	check(t, out.Close())
	if got, err := io.ReadAll(b); string(got) != "******" || err != nil {
		t.Errorf("%q came out, %v", got, err)
	}
}

type masked struct{ *os.File }

func (m masked) Read(b []byte) (int, error) {
	n, err := m.File.Read(b)
	for i := range b[:n] {
		b[i] = '*'
	}
	return n, err
}

// Without a descriptor for a pipe to splice through, bytes are copied.
func TestCopyWithoutPipes(t *testing.T) {
	data := random(1 << 20)
	a, in := tcp.pair(t)
	out, b := unixStream.pair(t)
	var limit syscall.Rlimit
	check(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	low := limit
	low.Cur = 200
	check(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &low))
	defer syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
	var taken []*os.File
	defer func() {
		for _, f := range taken {
			f.Close()
		}
	}()
	for {
		pipe, errno := poll.TakePipe()
		if errno != 0 {
			break
		}
		defer pipe.Close()
	}
	for {
		f, err := os.Open(os.DevNull)
		if errors.Is(err, syscall.EMFILE) {
			break
		}
		check(t, err)
		taken = append(taken, f)
	}
	passes(t, data, a, b, func() (int64, error) { return out.ReadFrom(in) }, a.Close, out.Close)
}
