//go:build !linux

package sandbox

import (
	"errors"
	"fmt"
)

// Enter is for Linux.
func Enter(Needs) (weaker string, err error) {
	return "", fmt.Errorf("sandbox: it uses Landlock, which only Linux has: %w", errors.ErrUnsupported)
}
