package iperf3

import (
	"testing"

	"zocalo/internal/testenv"
)

func TestMain(m *testing.M) {
	testenv.Main(m)
}
