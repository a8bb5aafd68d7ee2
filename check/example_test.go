package check_test

import (
	"context"
	"fmt"
	"os"

	"zocalo/check"
)

func ExampleRun() {
	report, err := check.Run(context.Background(), []string{"socketpair", "pipe"}, check.Options{
		Properties: []string{"ordered", "bounded", "ways", "descriptors"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	report.WriteTable(os.Stdout, check.TableOptions{})
	// Output:
	// KIND        ordered  bounded
	// socketpair  yes      (joined)
	// pipe        yes      (joined)
	//
	// KIND        ways   fds
	// socketpair  two    1
	// pipe        (one)  (2)
	//
	// yes, or a word: promised and kept    BROKEN: promised and broken
	// (a word): not promised, what was seen    -: not tried
	// slow: a receiver that does not read    nobody: sending where nobody listens
	//
	// 2 kinds tried: 4 promises kept, 0 broken
}
