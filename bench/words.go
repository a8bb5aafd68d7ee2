package bench

import (
	"maps"
	"slices"

	"zocalo/internal/units"
)

// amount is a figure with its unit: a rate in bits, or so many of something per second.
func amount(v float64, unit string) string {
	if unit == "bit/s" {
		return units.Rate(v)
	}
	return units.Number(v) + " " + unit
}

// sortedKeys are the keys of a map, in order.
func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
