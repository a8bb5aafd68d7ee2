package relay

import (
	"fmt"

	"zocalo/socket"
)

// A FilePolicy says what happens to descriptors that come over a unix socket.
type FilePolicy int

// The policies.
const (
	// CloseFiles closes and counts them, and the data that they came with
	// passes.
	CloseFiles FilePolicy = iota

	// PassFiles passes them on with the data that they came with. Both ends
	// must be unix sockets, and neither cut by a format.
	PassFiles

	// RefuseFiles refuses a message with which they come. A stream cannot go
	// on without what its peer was to have, and fails.
	RefuseFiles
)

// maxFiles is the most descriptors that go with a message on Linux.
const maxFiles = 253

// wantFiles is how many descriptors to take in with what is read.
func (f *flow) wantFiles() int {
	if f.j.opts.Files == PassFiles {
		return maxFiles
	}
	return 0
}

// checkFiles refuses PassFiles where there is no way for descriptors.
func checkFiles(ends *[2]End, policy FilePolicy) error {
	if policy != PassFiles {
		return nil
	}
	for side := range ends {
		e := &ends[side]
		_, sends := socket.As[socket.Messenger](e.Socket)
		switch {
		case e.Socket.Domain() != socket.Unix || !sends:
			return fmt.Errorf("relay: end %v (%v) cannot pass descriptors on: that takes two unix sockets", Side(side), kindText(e.Socket.Kind()))
		case e.cut():
			return fmt.Errorf("relay: end %v is cut into messages by a format, where descriptors have no place", Side(side))
		}
	}
	return nil
}

// putFiles writes a piece together with the descriptors that came with it. They
// stay the source's, which closes them.
func (f *flow) putFiles(data []byte) error {
	m := &f.passing
	m.SetData(data)
	m.Ancillary.Present, m.Ancillary.Files = socket.HasFiles, f.files
	_, err := f.far().Socket.Send(m)
	m.Buffers[0], m.Ancillary.Files = nil, nil
	if err == nil {
		f.passed.Files += int64(len(f.files))
		f.files = nil
	}
	return err
}
