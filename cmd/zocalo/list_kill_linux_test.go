package main

import (
	"os/exec"
	"strings"
	"testing"
)

// --kill closes what the filter matches, asks before, and says what it could not do.
func TestListKill(t *testing.T) {
	isolate(t)
	startEcho(t, "unix:"+t.TempDir()+"/kept.sock")
	talk := exec.Command("zocalo", "listen", "--json", "--keep", "tcp:127.0.0.1:5347")
	in, err := talk.StdinPipe()
	must(t, err)
	defer in.Close()
	var said strings.Builder
	talk.Stderr = &said
	must(t, talk.Start())
	ended := false
	defer func() {
		if !ended {
			talk.Process.Kill()
			talk.Wait()
		}
	}()
	eventually(t, "the listener", func() bool {
		return strings.Contains(output(t, "zocalo", "list", "tcp", "port=5347"), "5347")
	})
	d := sitsAt(t, "zocalo", "list", "--kill", "port=5347")
	eventually(t, "the question", func() bool { return strings.Contains(d.String(), "close this socket? y or n") })
	if !strings.Contains(d.String(), "127.0.0.1:5347") {
		t.Errorf("what is to be closed is not shown: %q", d)
	}
	d.types(t, "n\n")
	eventually(t, "the answer", func() bool { return strings.Contains(d.String(), "nothing was closed") })
	if out := output(t, "zocalo", "list", "tcp", "port=5347"); !strings.Contains(out, "5347") {
		t.Errorf("it was closed after a no: %s", out)
	}
	d = sitsAt(t, "zocalo", "list", "--kill", "port=5347")
	eventually(t, "the question", func() bool { return strings.Contains(d.String(), "y or n") })
	d.types(t, "y\n")
	eventually(t, "the answer", func() bool { return strings.Contains(d.String(), "1 socket closed") })
	talk.Wait() // it lost its listener
	ended = true

	for _, json := range []string{"", "--json"} {
		cmd := exec.Command("zocalo", "list", "--kill", "--yes", "unix", "process=zocalo", "local=%kept.sock")
		if json != "" {
			cmd.Args = append(cmd.Args, json)
		}
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), "the kernel closes no unix socket from outside; the process that holds it can be stopped: zocalo (kill ") {
			t.Errorf("a unix socket: %v %s", err, out)
		}
		if json != "" && !strings.Contains(string(out), `"killed":false,"error":`) {
			t.Errorf("as JSON: %s", out)
		}
	}
}
