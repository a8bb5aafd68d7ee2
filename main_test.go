package zocalo_test

import (
	"testing"

	"zocalo/internal/loop"
	"zocalo/internal/testenv"
	"zocalo/socket/sockettest"
)

func TestMain(m *testing.M) {
	sockettest.RegisterMemory()
	registerScripted()
	registerListed()
	testenv.Main(m, loop.ClosePipes)
}
