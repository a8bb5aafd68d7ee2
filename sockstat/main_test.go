package sockstat

import (
	"fmt"
	"os"
	"testing"

	"zocalo/internal/testenv"
)

// childEnv says which job of childJobs the test binary does instead of testing.
const childEnv = "SOCKSTAT_TEST_CHILD"

// childJobs are what the tests start their own binary for.
var childJobs = map[string]func() error{}

func TestMain(m *testing.M) {
	if job, ok := childJobs[os.Getenv(childEnv)]; ok {
		if err := job(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	testenv.Main(m)
}
