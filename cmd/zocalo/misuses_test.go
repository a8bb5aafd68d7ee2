package main

import (
	"net"
	"os"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// scriptMisuses runs each line of a table that begins with $, and holds what comes on
// standard error against the line below it; the status must be one of failure, and
// nothing may come on standard output. With -update it writes the lines anew: read
// what changed before it is kept.
func scriptMisuses(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: misuses FILE")
	}
	folder, err := os.Getwd()
	ts.Check(err)
	null, err := os.Open(os.DevNull)
	ts.Check(err)
	defer null.Close()
	out, err := os.Create(ts.MkAbs("said"))
	ts.Check(err)
	defer out.Close()
	probe, noIPv6 := net.Listen("tcp6", "[::1]:0")
	if noIPv6 == nil {
		probe.Close()
	}
	table := ts.ReadFile(args[0])
	lines := strings.Split(table, "\n")
	runs, wrong := 0, 0
	for i := 0; i+1 < len(lines); i++ {
		line, typed := strings.CutPrefix(lines[i], "$ ")
		if !typed {
			continue
		}
		runs++
		var errs strings.Builder
		status := run(strings.Fields(line), streams{null, out, &errs})
		got := strings.TrimSuffix(strings.ReplaceAll(errs.String(), folder, "$PWD"), "\n")
		want := lines[i+1]
		if noIPv6 != nil && (strings.Contains(want, "[::1]") || strings.Contains(want, "fe80")) {
			continue
		}
		lines[i+1] = got
		if got != want || status == 0 || len(got) > 260 {
			wrong++
			ts.Logf("$ %s\n%s\n(status %d, %d bytes)", line, got, status, len(got))
		}
	}
	info, err := out.Stat()
	ts.Check(err)
	switch {
	case *update:
		const file = "testdata/script/misuses.txtar"
		script, err := os.ReadFile(file)
		ts.Check(err)
		ts.Check(os.WriteFile(file, []byte(strings.Replace(string(script), table, strings.Join(lines, "\n"), 1)), 0o666))
	case info.Size() > 0:
		ts.Fatalf("standard output holds %d bytes", info.Size())
	case wrong > 0 || runs < 120:
		ts.Fatalf("%d of %d misuses get another line than the table has (above: what they get)", wrong, runs)
	}
}
