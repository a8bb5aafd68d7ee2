//go:build !linux

package sockstat

import (
	"errors"
	"testing"
)

func TestUnsupported(t *testing.T) {
	for _, err := range Sockets(t.Context(), Query{}) {
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("error %v", err)
		}
	}
}
