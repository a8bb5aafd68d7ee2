package pass

// Train returns how many of n messages, from the first on, can leave as one train:
// those of the size of the first, the last perhaps shorter, and no empty one. size
// returns that of a message, 0 where it cannot leave with the first.
func Train(n int, size func(i int) int) int {
	first := size(0)
	for i := 1; i < n; i++ {
		switch s := size(i); {
		case s == 0 || s > first:
			return i
		case s < first:
			return i + 1
		}
	}
	return n
}
