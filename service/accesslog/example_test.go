package accesslog_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"zocalo/relay"
	"zocalo/service/accesslog"
)

// A line for each pair of a relay, in a file that can be rotated.
func ExampleLog() {
	path := filepath.Join(os.TempDir(), fmt.Sprint("access.jsonl.", os.Getpid()))
	defer os.Remove(path)
	log, err := accesslog.Open(path, accesslog.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	// As a relay's hook: r.Ended = func(p relay.Pair) { log.Ended("db", p) }
	log.Ended("db", relay.Pair{Number: 1, Peer: "10.0.0.9:40112", Target: "tcp:10.0.0.1:5432", Result: relay.Result{Duration: time.Second}})
	log.Close()

	text, _ := os.ReadFile(path)
	fmt.Print(regexp.MustCompile(`"(time|began)":"[^"]*",`).ReplaceAllString(string(text), ""))
	// Output:
	// {"service":"db","pair":1,"peer":"10.0.0.9:40112","target":"tcp:10.0.0.1:5432","seconds":1,"how":"finished","sent":{"bytes":0,"end_of_file":false},"received":{"bytes":0,"end_of_file":false}}
}
