package address

// maxWord is the longest word, in octets, that is compared with others: no
// known word is nearly as long.
const maxWord = 64

// Nearest returns the word of known that the fewest slips of the keyboard
// make of word, the first if there are several; "" if none comes near, which
// is one slip for each three letters, and at least one. Case counts.
func Nearest(word string, known []string) string {
	if len(word) > maxWord {
		return ""
	}
	best, least := "", max(1, len(word)/3)+1
	for _, k := range known {
		if len(k) > maxWord {
			continue
		}
		if d := slips(word, k); d < least && d < len(word) {
			best, least = k, d
		}
	}
	return best
}

// slips counts the octets to insert, delete, replace or swap with their
// neighbour that make b of a: the restricted distance of Damerau and
// Levenshtein.
func slips(a, b string) int {
	// Rows of the table: the one before the last, the last, and the next.
	var rows [3][maxWord + 1]int
	for j := range len(b) + 1 {
		rows[1][j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, next := &rows[(i+2)%3], &rows[i%3], &rows[(i+1)%3]
		next[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			next[j] = min(last[j]+1, next[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
		}
	}
	return rows[(len(a)+1)%3][len(b)]
}
