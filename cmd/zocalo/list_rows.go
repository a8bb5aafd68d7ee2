package main

import (
	"bytes"
	"iter"
	"slices"
)

// heldRows keeps rows that cannot be printed yet, each with a key to order it
// by: as bytes, which take a fraction of what the sockets would.
type heldRows struct {
	rows []heldRow
	made []byte
}

// A heldRow is a key and the cells, each after a byte of zero, which no cell has.
type heldRow struct {
	text []byte
	key  int // bytes of the key
}

// add keeps copies of a key and of cells.
func (h *heldRows) add(key []byte, cells [][]byte) {
	h.made = append(h.made[:0], key...)
	for _, cell := range cells {
		h.made = append(append(h.made, 0), cell...)
	}
	h.rows = append(h.rows, heldRow{slices.Clone(h.made), len(key)})
}

// sort puts the rows in the order of their keys, and leaves those with the same key as they are.
func (h *heldRows) sort() {
	slices.SortStableFunc(h.rows, func(a, b heldRow) int { return bytes.Compare(a.text[:a.key], b.text[:b.key]) })
}

// cells yields the cells of each row, in a slice that the next row uses again.
func (h *heldRows) cells() iter.Seq[[][]byte] {
	return func(yield func([][]byte) bool) {
		var cells [][]byte
		for _, row := range h.rows {
			cells = slices.AppendSeq(cells[:0], bytes.SplitSeq(row.text[row.key+1:], []byte{0}))
			if !yield(cells) {
				return
			}
		}
	}
}
