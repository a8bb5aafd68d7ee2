//go:build !linux

package loop_test

import (
	"errors"
	"testing"

	"zocalo/internal/loop"
)

func TestUnsupported(t *testing.T) {
	if _, err := loop.New(); !errors.Is(err, errors.ErrUnsupported) {
		t.Fatalf("error %v, want one that says it is not supported", err)
	}
}
