package bench

import (
	"testing"

	"zocalo/internal/testenv"
	"zocalo/socket/sockettest"
)

func TestMain(m *testing.M) {
	sockettest.RegisterMemory()
	testenv.Main(m)
}
