package xns

// A seqRing holds what belongs to sequence numbers, in a window of them that
// moves on. It grows to what it has to hold; its user bounds that.
type seqRing[T any] struct{ slots []T }

// at returns the place of a number, which has to be in the window.
func (r *seqRing[T]) at(seq uint16) *T { return &r.slots[int(seq)&(len(r.slots)-1)] }

// reserve makes room for n numbers from first on, and keeps what is there.
func (r *seqRing[T]) reserve(first uint16, n int) {
	if n <= len(r.slots) {
		return
	}
	size := max(16, len(r.slots))
	for size < n {
		size *= 2
	}
	grown := seqRing[T]{make([]T, size)}
	for i := range len(r.slots) {
		seq := first + uint16(i)
		*grown.at(seq) = *r.at(seq)
	}
	*r = grown
}
