package join

import (
	"errors"
	"io"
	"net"
	"runtime"
	"sync"
	"syscall"

	"zocalo/internal/pass"
	"zocalo/relay/outcome"
	"zocalo/socket"
)

// A flow is one direction of a join.
type flow struct {
	j      *join
	from   outcome.Side
	src    source
	dst    sink
	beside *beside   // where urgent data comes beside the stream
	filter *filtered // nil mostly

	came    *socket.Ancillary // of the piece in hand, with the descriptors that came with it
	passing socket.Message    // of what they go on with

	mu     sync.Mutex // guards dst and passed, where there is a beside
	passed outcome.Flow
}

// A source is what an end sends.
type source interface {
	// next waits for the next piece. It is valid until the next call.
	next() ([]byte, What, error)
	release() // its memory; called once, after the last next
}

// A sink is what takes pieces to an end.
type sink interface {
	// put writes a piece. Of urgent data it says whether it went in line with
	// ordinary bytes.
	put(data []byte, what What) (inLine bool, err error)
}

func (f *flow) init(j *join, from outcome.Side) (err error) {
	f.j, f.from = j, from
	if f.src, err = f.newSource(); err == nil {
		f.dst, err = f.newSink()
	}
	return err
}

func (f *flow) near() *End { return &f.j.ends[f.from] }
func (f *flow) far() *End  { return &f.j.ends[f.from.Other()] }

// release gives back what init took.
func (f *flow) release() {
	if f.src != nil {
		f.src.release()
	}
}

// run passes everything on until the source or the join ends.
func (f *flow) run() {
	f.passOn()
	f.filter.end(net.ErrClosed) // unless it was told of another end
}

// maxTurn is how many bytes a flow passes before others have their turn, as on the loops: one that
// never waits would keep its processor for 10 ms. With 1 MiB a turn 8 flows took 1.26 times the
// processor time.
const maxTurn = 4 << 20

// passOn is kept apart from run, and met from it, lest the stack of a waiting goroutine be larger, of
// which every flow has one.
func (f *flow) passOn() {
	defer f.release()
	defer f.closeFiles()
	several := f.several()
	for turn := 0; ; {
		f.closeFiles()
		if turn >= maxTurn {
			runtime.Gosched()
			turn = 0
		}
		if several != nil {
			bytes, goesOn := f.passSeveral(several)
			if !goesOn {
				return
			}
			if bytes > 0 {
				turn += bytes
				continue
			}
		}
		data, what, err := f.src.next()
		turn += len(data)
		if err != nil || f.j.over.Load() {
			goesOn, passes := f.met(err)
			if !goesOn {
				return
			}
			if !passes {
				continue
			}
		}
		switch {
		case f.drops():
			f.j.clock.touch()
		case !f.pass(data, what):
			return
		}
	}
}

// drops reports whether what comes is read and dropped.
func (f *flow) drops() bool { return f.j.dropping[f.from.Other()].Load() }

// met sees to an error of the source, or to the end of the join. It says whether the flow goes
// on, and whether what came with the error passes.
//
//go:noinline
func (f *flow) met(err error) (goesOn, passes bool) {
	switch {
	case f.j.over.Load():
	case errors.Is(err, socket.ErrDescriptorsRefused) && f.j.opts.Files == pass.CloseFiles:
		f.refuseFiles(err)
		return true, true
	case errors.Is(err, socket.ErrDescriptorsRefused):
		f.refuseFiles(err)
		if f.near().bounded() {
			f.count(func(p *outcome.Flow) { p.Refused++ })
			return true, false
		}
		f.failed(err)
	case err == io.EOF:
		f.endOfFile()
	case errors.Is(err, syscall.EBADF) && f.near().Socket.Domain() == socket.Unspecified:
		f.filter.end(nil)
		f.j.flowDone(f.from, false) // a file opened to be written only: no end-of-file to tell
	case f.near().messages() && refusedByReader(err):
		f.refuse(err)
		return true, false
	default:
		f.failed(err)
	}
	return false, false
}

// pass takes one piece to the far end, and reports whether the flow goes on.
func (f *flow) pass(data []byte, what What) bool {
	f.j.clock.touch()
	if f.filter != nil {
		return f.filter.pass(data, what)
	}
	return f.forward(data, what)
}

// failed ends the join for an error of the end that the flow comes from.
func (f *flow) failed(err error) {
	f.filter.end(err)
	f.j.failed(f.from, err)
}

// forward takes a piece to the far end at the pace that there is.
func (f *flow) forward(data []byte, what What) bool {
	if pace := *f.j.pace.Load(); pace != nil {
		return f.paced(pace, data, what)
	}
	return f.put(data, what)
}

// paced passes a piece as fast as Options.Pace lets it: bytes little by
// little, what must stay whole at once.
func (f *flow) paced(pace Pace, data []byte, what What) bool {
	for {
		ready := 0
		for ready < len(data) && (ready == 0 || what != Bytes) {
			f.j.clock.hold()
			ready += pace(f.j.ended, f.from, len(data)-ready)
			f.j.clock.unhold()
			if f.j.over.Load() {
				return false
			}
		}
		if !f.put(data[:ready], what) {
			return false
		}
		if data = data[ready:]; len(data) == 0 {
			return true
		}
	}
}

// put writes a piece to the far end.
func (f *flow) put(data []byte, what What) bool {
	if f.beside != nil {
		f.mu.Lock()
		defer f.mu.Unlock()
	}
	inLine, err := f.write(data, what)
	switch {
	case err != nil:
		return f.notPut(err, len(data))
	case what == Message:
		f.passes(len(data), 1, what, inLine)
	default:
		f.passes(len(data), 0, what, inLine)
	}
	f.j.clock.touch()
	return true
}

// notPut sees to an error of writing a piece of so many bytes, and reports whether the flow goes
// on.
func (f *flow) notPut(err error, size int) bool {
	switch {
	case f.j.over.Load():
	case f.far().messages() && refusedByWriter(err, size):
		f.passed.Refused++
		f.refused(err)
		return true
	case pass.IsReset(err) && f.far().connected():
		return f.j.breaks(f.from.Other(), err)
	default:
		f.j.failed(f.from.Other(), err)
	}
	return false
}

func (f *flow) write(data []byte, what What) (inLine bool, err error) {
	if what != Urgent && !f.filter.withoutFiles() && len(f.files()) > 0 {
		return false, f.putFiles(data)
	}
	return f.dst.put(data, what)
}

// passes counts what was written.
func (f *flow) passes(bytes, messages int, what What, inLine bool) {
	if so := f.j.opts.Progress; so != nil {
		so.Add(f.from, bytes, messages)
	}
	if tell := f.j.opts.OnPassed; tell != nil {
		tell(f.from, bytes, messages)
	}
	p := &f.passed
	p.Bytes += int64(bytes)
	p.Messages += int64(messages)
	switch {
	case what == Urgent && inLine:
		p.UrgentInLine += uint32(bytes)
	case what == Urgent:
		p.Urgent++
	}
}

// refuse counts a message that did not fit.
func (f *flow) refuse(err error) {
	f.j.clock.touch()
	f.count(func(p *outcome.Flow) { p.Refused++ })
	f.refused(err)
}

// refuseFiles counts descriptors that were closed.
func (f *flow) refuseFiles(err error) {
	f.count(func(p *outcome.Flow) { p.FilesRefused++ })
	f.refused(err)
}

func (f *flow) refused(err error) {
	if tell := f.j.opts.OnRefused; tell != nil {
		tell(f.from, err)
	}
}

// count changes what passed.
func (f *flow) count(change func(*outcome.Flow)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(&f.passed)
}

func (f *flow) endOfFile() {
	if f.beside != nil {
		f.beside.wait() // what is urgent goes before the end
	}
	f.filter.end(nil)
	passed, told := f.j.endOfFile(f.from)
	f.count(func(p *outcome.Flow) { p.EndOfFile, p.EndOfFileTold = passed, told })
	if see := f.j.opts.OnEOF; see != nil && passed {
		see(f.from)
	}
	if passed {
		f.j.flowDone(f.from, told)
		if f.near().awaitOver() {
			f.j.gone(f.from)
		}
	}
}
