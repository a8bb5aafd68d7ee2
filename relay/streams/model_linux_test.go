package streams_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"zocalo/relay/outcome"
	"zocalo/socket"
	"zocalo/socket/option"
)

// The model of a joined pair: what one end writes the other reads, byte by
// byte, with the urgent bytes urgent, and then the end as it was made. A
// script of bytes says what each end does.

// A script is what the writing half of an end does.
type script struct {
	steps  []step
	ending ending_
	seed   uint64
}

type step struct {
	bytes int // to write; 0 is one urgent byte
	pause bool
}

type ending_ int

const (
	endsInOrder ending_ = iota // half-closes
	resets
)

// newScript reads a script from bytes, and returns what is left of them.
func newScript(b []byte) (script, []byte) {
	var s script
	next := func() (v byte) {
		if len(b) > 0 {
			v, b = b[0], b[1:]
		}
		return v
	}
	for range next() % 8 {
		op := next()
		st := step{pause: op&1 != 0}
		switch op >> 1 % 8 {
		case 0:
		case 1, 2, 3:
			st.bytes = 1 + int(next())
		case 4, 5:
			st.bytes = 1 + int(next())<<8
		default:
			st.bytes = 1 + int(next())<<12
		}
		s.steps = append(s.steps, st)
	}
	if next()%8 == 0 {
		s.ending = resets
	}
	s.seed = uint64(next())
	return s, b
}

// at is byte n of what a script writes.
func (s *script) at(n int) byte { return byte(uint64(n)*7 + uint64(n)>>8 + s.seed) }

// marks returns the places of urgent bytes, and the number of all bytes.
func (s *script) marks() (marks map[int]bool, bytes int) {
	marks = map[int]bool{}
	for _, st := range s.steps {
		if st.bytes == 0 {
			marks[bytes] = true
			bytes++
		}
		bytes += st.bytes
	}
	return marks, bytes
}

// write plays the script. After an urgent byte it waits until seen says that it
// arrived, since another would make it an ordinary one.
func (s *script) write(c *socket.Socket, seen <-chan struct{}) error {
	n := 0
	for _, st := range s.steps {
		if st.pause {
			time.Sleep(200 * time.Microsecond)
		}
		b := make([]byte, max(st.bytes, 1))
		for i := range b {
			b[i] = s.at(n + i)
		}
		n += len(b)
		if st.bytes == 0 {
			if _, err := c.SendUrgent(b); err != nil {
				return err
			}
			if _, ok := <-seen; !ok {
				return io.ErrClosedPipe // its reader has given up
			}
			continue
		}
		if _, err := c.Write(b); err != nil {
			return err
		}
	}
	if s.ending == resets {
		return c.Abort()
	}
	return c.Shutdown(socket.ShutdownWrite)
}

// read reads what the other end's script writes, and tells seen of urgent
// bytes. It returns how many bytes came before the end or the error.
func (s *script) read(c *socket.Socket, seen chan<- struct{}, rng *rand.Rand) (n int, err error) {
	defer close(seen)
	marks, _ := s.marks()
	b := make([]byte, 1<<16)
	for {
		part := b
		if rng.IntN(4) == 0 {
			part = b[:1+rng.IntN(len(b))]
			time.Sleep(time.Duration(rng.IntN(300)) * time.Microsecond)
		}
		got, urgent, err := readMarked(c, part)
		if err != nil {
			return n, err
		}
		for i, v := range part[:got] {
			if v != s.at(n+i) {
				return n, fmt.Errorf("byte %d is %d, want %d", n+i, v, s.at(n+i))
			}
			if marks[n+i] != urgent {
				return n, fmt.Errorf("byte %d is urgent: %v, want %v", n+i, urgent, marks[n+i])
			}
		}
		n += got
		if urgent {
			seen <- struct{}{}
		}
	}
}

// passes reports whether an error is what an end may see of the other's reset,
// or of its own.
func passes(err error) bool {
	for _, may := range []error{syscall.ECONNRESET, syscall.EPIPE, syscall.ENOTCONN, net.ErrClosed, io.ErrClosedPipe} {
		if errors.Is(err, may) {
			return true
		}
	}
	return err == nil
}

// exercise plays two scripts on a pair. Unless faults are hard, what is written
// arrives.
func exercise(t testing.TB, r *rig, scripts [2]script, rng *rand.Rand, hard bool) {
	t.Helper()
	var ends [2]*socket.Socket
	k := r.from.Kind()
	ends[0] = must(socket.New(k.Domain, k.Type, k.Protocol))(t)
	defer ends[0].Close()
	try(t, ends[0].Connect(t.Context(), r.from.Name()))
	try(t, r.to.SetDeadline(time.Now().Add(patience)))
	var err error
	for ends[1], err = r.to.Accept(t.Context()); err != nil; {
		if hard && errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
		try(t, err)
	}
	defer ends[1].Close()

	type told struct {
		wrote, read error
		bytes       int // read
	}
	var out [2]told // of what each end wrote
	done := make(chan int, 4)
	for _, s := range ends {
		try(t, option.OOBInline.Set(s, true))
		try(t, s.SetDeadline(time.Now().Add(patience)))
	}
	for side := range ends {
		near, far := ends[side], ends[1-side]
		seen := make(chan struct{}, 1)
		rng := rand.New(rand.NewPCG(rng.Uint64(), 0))
		go func() {
			out[side].wrote = scripts[side].write(near, seen)
			done <- side
		}()
		go func() {
			out[side].bytes, out[side].read = scripts[side].read(far, seen, rng)
			done <- side
		}()
	}
	for range 4 {
		<-done
	}
	for _, s := range ends {
		s.Close()
	}
	e := <-r.ended
	reset := hard && e.How != outcome.Finished
	for side := range ends {
		reset = reset || scripts[side].ending == resets && ends[side].Domain() != socket.Unix
	}
	for side, s := range scripts {
		_, bytes := s.marks()
		o := out[side]
		switch {
		case reset || scripts[0].ending == resets || scripts[1].ending == resets:
			if o.bytes > bytes || !passes(o.wrote) || o.read != io.EOF && !passes(o.read) {
				t.Errorf("side %d: %d bytes of %d, wrote %v, read %v, %+v", side, o.bytes, bytes, o.wrote, o.read, e)
			}
			near, far := ends[side].Domain(), ends[1-side].Domain()
			switch cut := s.ending == resets && o.wrote == nil; {
			case hard:
			case cut && near != socket.Unix && far != socket.Unix && o.read == io.EOF:
				t.Errorf("side %d: its reset reads as an end in order, %+v", side, e)
			case cut && near == socket.Unix && scripts[1-side].ending != resets && bytes > 0 && (o.bytes != bytes || o.read != io.EOF):
				// To close a unix stream cuts nothing of what it sent. (One that
				// was closed before it was joined, and sent nothing, has gone.)
				t.Errorf("side %d: %d bytes of %d, then %v, %+v", side, o.bytes, bytes, o.read, e)
			}
		case o.bytes != bytes || o.wrote != nil || o.read != io.EOF:
			t.Errorf("side %d: %d bytes of %d, wrote %v, read %v, %+v", side, o.bytes, bytes, o.wrote, o.read, e)
		case e.How != outcome.Finished || e.From[side].Bytes != int64(bytes) || !e.From[side].EndOfFile:
			t.Errorf("side %d: the account says %+v of %d bytes", side, e, bytes)
		}
		if e.How == outcome.Finished && e.From[side].EndOfFile && o.read == io.EOF && o.bytes != int(e.From[side].Bytes) {
			t.Errorf("side %d: it finished in order with %d bytes, and %d were read", side, e.From[side].Bytes, o.bytes)
		}
	}
}

var kindPairs = [][2]socket.Kind{{tcp, tcp}, {tcp, unixStream}, {unixStream, tcp}, {unixStream, unixStream}}

// soft are faults after which all goes on.
func soft(seed uint64) *faults {
	return &faults{rng: rand.New(rand.NewPCG(seed, 1)), one: 8, hard: map[uintptr][]syscall.Errno{
		unix.SYS_ACCEPT4: {syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED, syscall.EPROTO},
		unix.SYS_PIPE2:   {syscall.EMFILE, syscall.ENFILE},
		unix.SYS_IOCTL:   nil,
	}}
}

// FuzzEvents plays scripts while system calls fail now and then, and events
// come in any order.
func FuzzEvents(f *testing.F) {
	f.Add([]byte{3, 2, 10, 0, 12, 200, 1, 5, 2, 14, 9, 8, 90, 1, 3}, uint8(0), uint64(1))
	f.Add([]byte{7, 0, 13, 40, 0, 15, 255, 1, 0, 0, 7, 12, 1, 1, 7, 15, 200, 0, 3, 9, 1}, uint8(1), uint64(2))
	f.Add([]byte{2, 14, 255, 14, 255, 0, 1, 1, 14, 255, 1}, uint8(2), uint64(3))
	f.Add([]byte{4, 0, 1, 0, 1, 1, 1, 5, 0, 3, 2, 9, 0, 1}, uint8(3), uint64(4))
	f.Fuzz(func(t *testing.T, ops []byte, kinds uint8, seed uint64) {
		k := kindPairs[kinds%4]
		defer soft(seed).install()()
		r := relaying(t, k[0], k[1], 1, nil)
		var scripts [2]script
		scripts[0], ops = newScript(ops)
		scripts[1], _ = newScript(ops)
		exercise(t, r, scripts, rand.New(rand.NewPCG(seed, 2)), false)
		r.stop()
		<-r.over
		r.over <- nil
	})
}

func randomScript(rng *rand.Rand) script {
	b := make([]byte, 32)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	s, _ := newScript(b)
	return s
}

// Many scripts, one after the other, under soft faults.
func TestSoftFaults(t *testing.T) {
	for i, k := range kindPairs {
		t.Run(k[0].String()+" to "+k[1].String(), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(uint64(i), 3))
			defer soft(uint64(i)).install()()
			r := relaying(t, k[0], k[1], 1, nil)
			for range 40 {
				exercise(t, r, [2]script{randomScript(rng), randomScript(rng)}, rng, false)
			}
			r.stop()
			try(t, <-r.over)
			r.over <- nil
		})
	}
}

// The same under faults that end connections: nothing is taken for complete
// that is not, and the loop goes on.
func TestHardFaults(t *testing.T) {
	for i, k := range kindPairs {
		t.Run(k[0].String()+" to "+k[1].String(), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(uint64(i), 4))
			f := soft(uint64(i))
			f.one = 40
			for _, call := range []uintptr{unix.SYS_SENDTO, unix.SYS_SPLICE, unix.SYS_SENDMSG} {
				f.hard[call] = []syscall.Errno{syscall.EPIPE, syscall.ECONNRESET, syscall.ENOBUFS, syscall.ENOMEM}
			}
			// Of a unix stream ECONNRESET would say that all was read.
			f.hard[unix.SYS_RECVMSG] = []syscall.Errno{syscall.ENOBUFS, syscall.ENOMEM}
			f.hard[unix.SYS_RECVFROM] = []syscall.Errno{syscall.ECONNRESET, syscall.ENOBUFS, syscall.ETIMEDOUT}
			defer f.install()()
			r := relaying(t, k[0], k[1], 1, nil)
			for range 40 {
				exercise(t, r, [2]script{randomScript(rng), randomScript(rng)}, rng, true)
			}
			r.stop()
			try(t, <-r.over)
			r.over <- nil
		})
	}
}
