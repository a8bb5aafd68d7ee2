package record_test

import (
	"testing"

	"zocalo/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }
