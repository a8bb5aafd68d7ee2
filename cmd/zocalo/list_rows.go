package main

import (
	"bytes"
	"encoding/binary"
	"iter"
	"slices"
)

// heldRows keeps rows that cannot be printed yet, each with a key to order
// it by. They are octets in few large pieces of memory, a fraction of what the
// sockets would take.
//
// A row is its key after the key's length, and its cells; empty ones at the
// end are left out. A cell is one octet, the number of a value that its column had before, where
// that is among the first of the column, else its length and its octets.
type heldRows struct {
	count  int
	common []commonValues // of each column
	pieces [][]byte
	row    []byte
}

// commonValues are the first values of a column, of which most rows have one where
// there are few.
type commonValues struct {
	values  [][]byte
	numbers map[string]byte
}

const (
	rowPiece = 256 << 10 // how large a piece is, unless a row is larger

	// The first octet of a cell is its length up to longCell, which says that the length follows as an unsigned varint,
	// or from firstCommon on the number of a common value.
	longCell    = 127
	firstCommon = 128
	maxCommon   = 256 - firstCommon
)

// add keeps copies of a key and of cells, of which every row has as many.
func (h *heldRows) add(key []byte, cells [][]byte) {
	if h.common == nil {
		h.common = make([]commonValues, len(cells))
	}
	for len(cells) > 0 && len(cells[len(cells)-1]) == 0 {
		cells = cells[:len(cells)-1]
	}
	b := appendField(h.row[:0], key)
	for i, cell := range cells {
		b = h.common[i].appendCell(b, cell)
	}
	h.row = b
	last := len(h.pieces) - 1
	if last < 0 || len(h.pieces[last])+binary.MaxVarintLen32+len(b) > cap(h.pieces[last]) {
		h.pieces = append(h.pieces, make([]byte, 0, max(rowPiece, binary.MaxVarintLen32+len(b))))
		last++
	}
	h.pieces[last] = appendField(h.pieces[last], b)
	h.count++
}

// appendCell appends a cell as a row keeps it.
func (c *commonValues) appendCell(dst, cell []byte) []byte {
	switch number, common := c.numbers[string(cell)]; {
	case len(cell) == 0:
		return append(dst, 0)
	case common:
		return append(dst, number)
	case len(cell) >= longCell:
		return appendField(append(dst, longCell), cell)
	}
	if n := len(c.values); n < maxCommon {
		if c.numbers == nil {
			c.numbers = make(map[string]byte)
		}
		c.numbers[string(cell)] = byte(firstCommon + n)
		c.values = append(c.values, slices.Clone(cell))
	}
	return append(append(dst, byte(len(cell))), cell...)
}

// nextCell takes a cell off a row.
func (c *commonValues) nextCell(row []byte) (cell, rest []byte) {
	switch first := int(row[0]); {
	case first >= firstCommon:
		return c.values[first-firstCommon], row[1:]
	case first == longCell:
		return nextField(row[1:])
	default:
		return row[1 : 1+first], row[1+first:]
	}
}

// rows returns the rows as they came, each as [heldRows.add] put it together.
func (h *heldRows) rows() [][]byte {
	rows := make([][]byte, 0, h.count)
	for _, piece := range h.pieces {
		for len(piece) > 0 {
			var row []byte
			row, piece = nextField(piece)
			rows = append(rows, row)
		}
	}
	return rows
}

// sortRows puts rows in the order of their keys, and leaves those with the same key as they are.
func sortRows(rows [][]byte) {
	slices.SortStableFunc(rows, func(a, b []byte) int {
		ka, _ := nextField(a)
		kb, _ := nextField(b)
		return bytes.Compare(ka, kb)
	})
}

// cells yields the cells of each row, in a slice that the next row uses again.
func (h *heldRows) cells(rows [][]byte) iter.Seq[[][]byte] {
	return func(yield func([][]byte) bool) {
		cells := make([][]byte, len(h.common))
		for _, row := range rows {
			_, rest := nextField(row) // the key
			for i := range cells {
				if cells[i] = nil; len(rest) > 0 {
					cells[i], rest = h.common[i].nextCell(rest)
				}
			}
			if !yield(cells) {
				return
			}
		}
	}
}

// appendField appends octets after their length, an unsigned varint of encoding/binary.
func appendField(dst, field []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(field))), field...)
}

func nextField(b []byte) (field, rest []byte) {
	size, n := binary.Uvarint(b)
	return b[n : n+int(size)], b[n+int(size):]
}
