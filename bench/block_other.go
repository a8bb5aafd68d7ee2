//go:build !linux

package bench

// block reports that descriptors are left to the runtime on this system.
func (x *requester) block() (give func() error, ok bool) { return nil, false }
