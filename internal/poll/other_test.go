//go:build !linux

package poll_test

import (
	"errors"
	"testing"

	"zocalo/internal/poll"
)

func TestUnsupported(t *testing.T) {
	if _, err := poll.New(); !errors.Is(err, errors.ErrUnsupported) {
		t.Fatalf("error %v, want one that says it is not supported", err)
	}
}
