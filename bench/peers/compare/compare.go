// Package compare is what the comparisons of this module share: the command
// zocalo, built anew, and how figures of several rounds are written.
package compare

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// WithZocalo builds zocalo into a folder of its own, which is gone when f
// returns. It is called from the folder of this module.
func WithZocalo(f func(dir, zocalo string) error) error {
	dir, err := os.MkdirTemp("", "peers")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	zocalo := filepath.Join(dir, "zocalo")
	if err := Build("go", "build", "-C", "../..", "-o", zocalo, "./cmd/zocalo"); err != nil {
		return err
	}
	return f(dir, zocalo)
}

// Build runs a compiler, and returns what it says if it fails.
func Build(command ...string) error {
	if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w\n%s", command, err, out)
	}
	return nil
}

// Spread is the median of values, with the least and the greatest, each by the
// format.
func Spread(values []float64, format string) string {
	v := slices.Sorted(slices.Values(values))
	return fmt.Sprintf(format+" ("+format+" to "+format+")", v[len(v)/2], v[0], v[len(v)-1])
}
