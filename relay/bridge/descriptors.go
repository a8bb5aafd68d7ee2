package bridge

import "syscall"

// spareDescriptors are left for what is no connection: listeners, standard
// streams, the pollers, pipes to splice through.
const spareDescriptors = 64

// affordable is how many pairs the limit of descriptors allows, two for each;
// at least 1. Pairs that wait for a second descriptor, while all are held by
// others like them, would wait for nothing.
func affordable() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return DefaultMaxConns
	}
	n := min(int64(limit.Cur), 1<<30)
	return int(max(1, (n-min(spareDescriptors, n/2))/2))
}
