package socket

import (
	"testing"
)

func TestZeroCopiesComplete(t *testing.T) {
	type completion struct{ first, last uint32 }
	for _, c := range []struct {
		name         string
		first, count uint32
		come         []completion
		done         []bool
	}{
		{"none", 7, 0, nil, nil},
		{"its own", 7, 1, []completion{{7, 7}}, []bool{true}},
		{"those of others", 7, 1, []completion{{6, 6}, {8, 9}, {0, 5}}, []bool{false, false, false}},
		{"parts in any order", 7, 3, []completion{{9, 9}, {7, 7}, {8, 8}}, []bool{false, false, true}},
		{"joined with others", 7, 3, []completion{{2, 7}, {8, 20}}, []bool{false, true}},
		{"all in one", 7, 3, []completion{{0, 100}}, []bool{true}},
		{"the numbers start again", 1<<32 - 2, 4, []completion{{1<<32 - 3, 1<<32 - 1}, {2, 3}, {0, 1}}, []bool{false, false, true}},
		{"others start again", 5, 1, []completion{{1<<32 - 3, 2}, {3, 5}}, []bool{false, true}},
		{"far away", 5, 1, []completion{{1 << 31, 1<<31 + 1}, {5, 5}}, []bool{false, true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			z := ZeroCopies{First: c.first, Count: c.count}
			if got := z.Done(); got != (c.count == 0) {
				t.Errorf("done is %v before anything came", got)
			}
			for i, come := range c.come {
				if got := z.Complete(come.first, come.last); got != c.done[i] {
					t.Errorf("after %d to %d: %v, want %v", come.first, come.last, got, c.done[i])
				}
			}
		})
	}
}
