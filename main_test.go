package zocalo_test

import (
	"testing"

	"go.uber.org/goleak"

	"zocalo/socket/sockettest"
)

func TestMain(m *testing.M) {
	sockettest.RegisterMemory()
	registerScripted()
	registerListed()
	goleak.VerifyTestMain(m)
}
