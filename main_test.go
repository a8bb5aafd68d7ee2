package zocalo_test

import (
	"testing"

	"zocalo/internal/poll"
	"zocalo/internal/testenv"
	"zocalo/socket/sockettest"
)

func TestMain(m *testing.M) {
	sockettest.RegisterMemory()
	registerScripted()
	registerListed()
	testenv.Main(m, poll.ClosePipes)
}
