package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"zocalo/process"
)

func TestMain(m *testing.M) {
	process.Shim()
	testscript.Main(m, map[string]func(){"zocalo": bounded})
}

// longestRun bounds every run of the command in a test.
const longestRun = 3 * time.Minute

// bounded is main. A script waits for the output of all that it began, so a
// run that does not end would hold the tests until their own time is over.
func bounded() {
	if startPoller() == nil { // for the timer; main says why it cannot be
		time.AfterFunc(longestRun, func() {
			debug.SetTraceback("all")
			panic(fmt.Sprintf("zocalo %q runs for %v", os.Args[1:], longestRun))
		})
	}
	main()
}

// TestScripts runs the files in testdata/script: what a user types, and what
// comes back. A server in the background prints where it listens with --json
// into a file; `address FILE VARIABLE` waits for that, `await FILE REGEXP` for
// a line, and `listens PATH` for somebody else's unix listener. A script that needs a program which is not everywhere begins
// with [!exec:NAME] skip 'the program NAME is not installed'.
// $DOCS is the folder of the pages. The condition [namespaces] holds where network namespaces can be made with
// unshare(1) and ip(8).
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			docs, err := filepath.Abs("../../docs")
			if err != nil {
				return err
			}
			e.Setenv("DOCS", docs)
			e.Setenv("NO_COLOR", "1")
			e.Setenv("GORACE", "atexit_sleep_ms=0") // else each command ends a second late under -race
			return nil
		},
		Condition: func(name string) (bool, error) {
			if name != "namespaces" {
				return false, fmt.Errorf("there is no condition %q", name)
			}
			return exec.Command("unshare", "-n", "ip", "link", "set", "lo", "up").Run() == nil, nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"address": scriptAddress,
			"await":   scriptAwait,
			"listens": scriptListens,
			"misuses": scriptMisuses,
		},
	})
}

// scriptPatience is how long a background program may take to say something.
const scriptPatience = 20 * time.Second

// awaitMatch waits until a file matches, and returns the match.
func awaitMatch(ts *testscript.TestScript, file, pattern string) []string {
	re, err := regexp.Compile("(?m)" + pattern)
	ts.Check(err)
	var text []byte
	for end := time.Now().Add(scriptPatience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		text, _ = os.ReadFile(ts.MkAbs(file))
		if m := re.FindStringSubmatch(string(text)); m != nil {
			return m
		}
	}
	ts.Fatalf("%s did not match %q within %v; it holds:\n%s", file, pattern, scriptPatience, text)
	return nil
}

// scriptAddress sets a variable to the address that a server printed.
func scriptAddress(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: address FILE VARIABLE")
	}
	ts.Setenv(args[1], awaitMatch(ts, args[0], `"address":"([^"]+)"`)[1])
}

// scriptAwait waits for a line of a file.
func scriptAwait(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await FILE REGEXP")
	}
	awaitMatch(ts, args[0], args[1])
}

// scriptListens waits until a unix socket listens on a path, without connecting
// to it.
func scriptListens(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: listens PATH")
	}
	path := ts.MkAbs(args[0])
	for end := time.Now().Add(scriptPatience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		out, err := exec.Command("zocalo", "list", "-q", "unix", "--columns", "local", "--no-header", "local="+path).Output()
		ts.Check(err)
		if len(out) > 0 {
			return
		}
	}
	ts.Fatalf("nobody listened on %s within %v", path, scriptPatience)
}
