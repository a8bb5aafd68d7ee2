// Package impair draws what impairments do: which message is lost, how long one is
// delayed, which bit flips, when a byte may leave at a rate. It is pure: it waits for nothing and holds no data,
// and the same generator gives the same draws. Package fault, the impaired links of xns and sockettest's
// faulty sockets stand on it, each with its own way of holding what is late.
//
// [New] makes one generator for each fault of each direction of each pair, so that what one fault
// draws does not depend on which others there are. [Loss] and [Delay] are the distributions, [Shaper] a rate.
package impair

import "math/rand/v2"

// New returns the generator of a fault, by its name, in a direction of a pair.
func New(seed uint64, pair int64, direction int, fault string) *rand.Rand {
	h := mix(seed ^ 0x7a6f63616c6f) // the same numbers in other places are other generators
	h = mix(h + uint64(pair))
	h = mix(h + uint64(direction))
	for _, b := range []byte(fault) {
		h = mix(h ^ uint64(b))
	}
	return rand.New(rand.NewPCG(h, mix(h)))
}

// mix is the finalizer of SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number
// Generators, 2014): near numbers come out far apart.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Chance reports true in a share of calls: 0.2 is one in five. It draws whatever the share, so that
// another share does not shift the draws after it.
func Chance(r *rand.Rand, share float64) bool { return r.Float64() < share }

// Flip changes a bit of data, counted from the lowest of the first byte, and again from there beyond the last.
// Data that is empty stays so.
func Flip(data []byte, bit int) {
	if len(data) > 0 {
		data[bit/8%len(data)] ^= 1 << (bit % 8)
	}
}
