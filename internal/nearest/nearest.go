// Package nearest finds what a mistyped word may have been meant for.
package nearest

import (
	"fmt"
	"slices"
	"strings"
)

// maxWord is the longest word, in bytes, that is compared with others: no
// known word is nearly as long.
const maxWord = 64

// Word returns the word of known that the fewest slips of the keyboard
// make of word, the first if there are several; "" if none comes near, which
// is one slip for each three letters, and at least one. Case counts.
func Word(word string, known []string) string {
	if near := Words(word, known, 1); len(near) > 0 {
		return near[0]
	}
	return ""
}

// Words returns the nearest of known, at most so many, the nearest first.
func Words(word string, known []string, most int) (near []string) {
	if len(word) > maxWord {
		return nil
	}
	distance := map[string]int{}
	for _, k := range known {
		if len(k) > maxWord {
			continue
		}
		if d := slips(word, k); d <= max(1, len(word)/3) && d < len(word) {
			near, distance[k] = append(near, k), d
		}
	}
	slices.SortStableFunc(near, func(a, b string) int { return distance[a] - distance[b] })
	return near[:min(most, len(near))]
}

// mostListed is how many words are listed where none comes near.
const mostListed = 12

// Unknown is the error of an unknown word: it names the
// nearest, or all where none comes near, or the first of many. What says what they are:
// "verb".
func Unknown(what, word string, known []string) error {
	if near := Word(word, known); near != "" {
		return fmt.Errorf("unknown %s %.80q: did you mean %s?", what, word, near)
	}
	switch {
	case len(known) == 0:
		return fmt.Errorf("unknown %s %.80q: there are none", what, word)
	case len(known) == 1:
		return fmt.Errorf("unknown %s %.80q: the only one is %s", what, word, known[0])
	case len(known) > mostListed:
		return fmt.Errorf("unknown %s %.80q: there are %s and %d more (see --help)", what, word, strings.Join(known[:mostListed], ", "), len(known)-mostListed)
	}
	return fmt.Errorf("unknown %s %.80q: there are %s", what, word, strings.Join(known, ", "))
}

// slips counts the bytes to insert, delete, replace or swap with their
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
