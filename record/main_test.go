package record_test

import (
	"testing"

	"zocalo/internal/testenv"
	"zocalo/process"
)

func TestMain(m *testing.M) {
	process.Register()
	testenv.Main(m)
}
