package socket_test

import (
	"testing"

	"zocalo/internal/testenv"
)

// TestMain fails when goroutines or descriptors are left.
func TestMain(m *testing.M) {
	testenv.Main(m, func() { closeKept() })
}

// closeKept closes what the package keeps to use again.
var closeKept = func() {}
