package sys

import "syscall"

// A train is a run of datagrams of one size to one peer that pass through the
// system as one: cut on the way out (GSO), joined on the way in (GRO). What is
// here only counts and judges; it calls no system.

// The bounds of a train: UDP_MAX_SEGMENTS of Linux before 6.10, and what fits
// an IPv6 packet with its own and UDP's header.
const (
	mostSegments   = 64
	MostTrainBytes = 65535 - 40 - 8
)

// Segments returns how many segments of that size one train may have, where
// none may be longer than longest bytes; 1 where there is no train.
func Segments(segment, longest int) int {
	if segment <= 0 || segment > longest {
		return 1
	}
	return max(1, min(mostSegments, MostTrainBytes/segment))
}

// RefusesTrains reports whether the errno of a train says that none will ever
// leave: EIO where the device cannot compute checksums, the others where
// something on the way knows no trains.
func RefusesTrains(errno syscall.Errno) bool {
	return errno == syscall.EIO || errno == syscall.EOPNOTSUPP || errno == syscall.ENOPROTOOPT
}

// RefusesSegment reports whether the errno of a train may say that its segments
// are longer than a packet of the path, as it does where datagrams sent one by
// one would leave in fragments.
func RefusesSegment(errno syscall.Errno) bool {
	return errno == syscall.EINVAL || errno == syscall.EMSGSIZE
}
