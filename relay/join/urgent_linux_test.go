package join_test

import (
	"testing"

	"zocalo/internal/testenv"
)

// Before an urgent mark Linux ends recv(2) with EAGAIN when a signal is pending,
// and what was there already is not told again.
func TestUrgentAmongSignals(t *testing.T) {
	testenv.Signals(t)
	TestUrgentFirst(t)
}
