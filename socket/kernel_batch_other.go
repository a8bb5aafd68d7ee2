//go:build !linux

package socket

// newDatagramKernel makes the endpoint of a datagram socket, whose messages go
// and come one by one: these systems have no batches.
func newDatagramKernel(Kind) (Endpoint, *kernel) {
	k := &kernel{}
	return k, k
}
