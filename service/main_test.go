package service_test

import (
	"os"
	"testing"

	"zocalo/internal/poll"
	"zocalo/internal/testenv"
)

func TestMain(m *testing.M) {
	if os.Getenv("STORM") != "" {
		stormChild()
	}
	testenv.Main(m, poll.ClosePipes)
}
