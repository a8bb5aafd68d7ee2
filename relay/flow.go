package relay

import (
	"errors"
	"io"
	"sync"
	"syscall"

	"zocalo/socket"
)

// A flow is one direction of a join.
type flow struct {
	j      *join
	from   Side
	src    source
	dst    sink
	beside *beside // where urgent data comes beside the stream

	files   []int          // descriptors that came with the piece of the source, with PassFiles
	passing socket.Message // of what they go on with

	mu     sync.Mutex // guards dst and passed, where there is a beside
	passed Flow
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
	// ordinary octets.
	put(data []byte, what What) (inLine bool, err error)
}

func (f *flow) init(j *join, from Side) (err error) {
	f.j, f.from = j, from
	if f.src, err = f.newSource(); err == nil {
		f.dst, err = f.newSink()
	}
	return err
}

func (f *flow) near() *End { return &f.j.ends[f.from] }
func (f *flow) far() *End  { return &f.j.ends[f.from.other()] }

// release gives back what init took.
func (f *flow) release() {
	if f.src != nil {
		f.src.release()
	}
}

// run passes everything on until the source or the join ends.
func (f *flow) run() {
	defer f.release()
	for {
		data, what, err := f.src.next()
		switch {
		case f.j.over.Load():
			return
		case err == nil:
		case errors.Is(err, socket.ErrDescriptorsRefused) && f.j.opts.Files == CloseFiles:
			f.refuseFiles(err)
		case errors.Is(err, socket.ErrDescriptorsRefused):
			f.refuseFiles(err)
			if f.near().bounded() {
				f.count(func(p *Flow) { p.Refused++ })
				continue
			}
			f.j.failed(f.from, err)
			return
		case err == io.EOF:
			f.endOfFile()
			return
		case errors.Is(err, syscall.EBADF) && f.near().Socket.Domain() == socket.Unspecified:
			f.j.flowDone(f.from) // a file opened to be written only: no end-of-file to tell
			return
		case f.near().messages() && refusedByReader(err):
			f.refuse(err)
			continue
		default:
			f.j.failed(f.from, err)
			return
		}
		if !f.pass(data, what) {
			return
		}
	}
}

// pass takes one piece to the far end, and reports whether the flow goes on.
func (f *flow) pass(data []byte, what What) bool {
	f.j.clock.touch()
	if see := f.j.opts.OnData; see != nil {
		see(f.from, what, data)
	}
	if f.j.opts.Pace == nil {
		return f.put(data, what)
	}
	return f.paced(data, what)
}

// paced passes a piece as fast as Options.Pace lets it: octets little by
// little, what must stay whole at once.
func (f *flow) paced(data []byte, what What) bool {
	for {
		ready := 0
		for ready < len(data) && (ready == 0 || what != Octets) {
			f.j.clock.hold()
			ready += f.j.opts.Pace(f.j.ended, f.from, len(data)-ready)
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
	case err == nil:
		f.j.clock.touch()
		f.passes(len(data), what, inLine)
		return true
	case f.j.over.Load():
	case f.far().messages() && refusedByWriter(err, len(data)):
		f.passed.Refused++
		f.refused(err)
		return true
	case isReset(err) && f.far().Socket.Properties().Connected:
		f.j.breaks(f.from.other(), err)
	default:
		f.j.failed(f.from.other(), err)
	}
	return false
}

func (f *flow) write(data []byte, what What) (inLine bool, err error) {
	if what != Urgent && len(f.files) > 0 {
		return false, f.putFiles(data)
	}
	return f.dst.put(data, what)
}

// passes counts what was written.
func (f *flow) passes(octets int, what What, inLine bool) {
	if so := f.j.opts.Progress; so != nil {
		so.add(f.from, octets, what)
	}
	p := &f.passed
	p.Octets += int64(octets)
	switch {
	case what == Message:
		p.Messages++
	case what == Urgent && inLine:
		p.UrgentInLine += int64(octets)
	case what == Urgent:
		p.Urgent++
	}
}

// refuse counts a message that did not fit.
func (f *flow) refuse(err error) {
	f.j.clock.touch()
	f.count(func(p *Flow) { p.Refused++ })
	f.refused(err)
}

// refuseFiles counts descriptors that were closed.
func (f *flow) refuseFiles(err error) {
	f.count(func(p *Flow) { p.FilesRefused++ })
	f.refused(err)
}

func (f *flow) refused(err error) {
	if tell := f.j.opts.OnRefused; tell != nil {
		tell(f.from, err)
	}
}

// count changes what passed.
func (f *flow) count(change func(*Flow)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(&f.passed)
}

func (f *flow) endOfFile() {
	if f.beside != nil {
		f.beside.wait() // what is urgent goes before the end
	}
	passed, told := f.j.endOfFile(f.from)
	f.count(func(p *Flow) { p.EndOfFile, p.EndOfFileTold = passed, told })
	if see := f.j.opts.OnEOF; see != nil && passed {
		see(f.from)
	}
	if passed {
		f.j.flowDone(f.from)
	}
}
