package join

import (
	"fmt"

	"zocalo/internal/pass"
	"zocalo/relay/outcome"
	"zocalo/socket"
)

// wantFiles is how many descriptors to take in with what is read.
func (f *flow) wantFiles() int {
	if f.j.opts.Files == pass.PassFiles {
		return pass.MaxFiles
	}
	return 0
}

// checkFiles refuses PassFiles where there is no way for descriptors.
func checkFiles(ends *[2]End, policy pass.FilePolicy) error {
	if policy != pass.PassFiles {
		return nil
	}
	for side := range ends {
		e := &ends[side]
		_, sends := socket.As[socket.Messenger](e.Socket)
		switch {
		case e.Socket.Domain() != socket.Unix || !sends:
			return fmt.Errorf("relay: end %v (%v) cannot pass descriptors on: that takes two unix sockets", outcome.Side(side), kindText(e.Socket.Kind()))
		case e.cut():
			return fmt.Errorf("relay: end %v is cut into messages by a format, and these cannot carry descriptors", outcome.Side(side))
		}
	}
	return nil
}

// files are the descriptors that came with the piece in hand.
func (f *flow) files() []int {
	if f.came == nil {
		return nil
	}
	return f.came.Files
}

// closeFiles closes what is left of them: passed on, they are the receiver's, and
// kept here they would hide from it that others have closed theirs.
func (f *flow) closeFiles() {
	if f.came != nil {
		f.came.CloseFiles()
		f.came = nil
	}
}

// putFiles writes a piece together with the descriptors that came with it.
func (f *flow) putFiles(data []byte) error {
	m, files := &f.passing, f.files()
	m.SetData(data)
	m.Ancillary.Present, m.Ancillary.Files = socket.HasFiles, files
	_, err := f.far().Socket.Send(m)
	m.Buffers[0], m.Ancillary.Files = nil, nil
	if err == nil {
		f.passed.Files += uint32(len(files))
		f.closeFiles()
	}
	return err
}
