package service_test

import (
	"testing"

	"zocalo/internal/poll"
	"zocalo/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m, poll.ClosePipes) }
