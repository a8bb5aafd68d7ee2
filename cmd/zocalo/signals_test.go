package main

import (
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"zocalo"
)

// A server with open connections says what it waits for when it is to end, and a
// second signal ends it at once.
func TestSaysWhatItWaitsFor(t *testing.T) {
	target, err := zocalo.Listen(t.Context(), "tcp:127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	to := "tcp:" + target.Name().String()
	for _, args := range []string{
		"echo tcp:127.0.0.1:0 --path fast", "echo tcp:127.0.0.1:0 --path general", "serve tcp:127.0.0.1:0 --drain 1m -- sleep 1000",
		"relay tcp-listen:127.0.0.1:0 " + to, "relay --path general tcp-listen:127.0.0.1:0 " + to,
		"bench --serve tcp:127.0.0.1:0",
	} {
		t.Run(args, func(t *testing.T) {
			verb := strings.Fields(args)
			if !strings.Contains(args, "--drain") {
				verb = append([]string{verb[0], "--drain", "1m"}, verb[1:]...)
			}
			c := exec.Command("zocalo", verb...)
			said := &shared{}
			c.Stdout, c.Stderr = said, said
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			defer c.Process.Kill()
			listening := regexp.MustCompile(`listening on (\S+)`)
			eventually(t, "it listens", func() bool { return listening.MatchString(said.String()) })
			s, err := zocalo.Dial(t.Context(), listening.FindStringSubmatch(said.String())[1])
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			// Only what was accepted is waited for, and not every server says that it has.
			time.Sleep(500 * time.Millisecond)
			ended := make(chan error, 1)
			go func() { ended <- c.Wait() }()
			c.Process.Signal(syscall.SIGINT)
			eventually(t, "it says so: "+said.String(), func() bool {
				return strings.Contains(said.String(), "waiting for open connections") || len(ended) > 0
			})
			c.Process.Signal(syscall.SIGINT)
			<-ended
			if !strings.Contains(said.String(), "waiting for open connections") {
				t.Errorf("it said %q", said)
			}
		})
	}
}
