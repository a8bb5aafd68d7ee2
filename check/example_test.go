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
	report.WriteTable(os.Stdout, check.TableOptions{Further: true})
	// Output:
	// KIND        ordered  boundaries
	// socketpair  yes      no
	// pipe        yes      no
	//
	// yes: promised, and kept. no: not promised. BROKEN: promised, and not kept.
	//
	// ordered     what arrives comes in the order in which it was sent
	// boundaries  what was sent as one message arrives as one
	//
	// KIND        ways   fds
	// socketpair  two    1
	// pipe        (one)  (2)
	//
	// A word: promised, and kept. (In brackets): seen, but not promised.
	//
	// ways  in how many directions data flows
	// fds   how many descriptors a program needs for both directions
	//
	// 2 kinds tried: 4 promises kept, 0 broken
}
