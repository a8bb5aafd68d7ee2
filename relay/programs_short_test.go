package relay_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"zocalo/socket"
)

// Where no program can be started, for want of descriptors, one client waits for
// its own and the others in the queue, for as long as it takes; the log says so
// once.
func TestNoDescriptorsForPrograms(t *testing.T) {
	for _, to := range []string{"exec:cat", "shell:exec cat", "exec:cat,pty"} {
		t.Run(to, func(t *testing.T) {
			r := relays(t, nil, tcpListen, to)
			at := r.address()
			first := dial(t, at) // so that what serving itself needs is there
			writes(t, first, "hola\n")
			wants(t, first, "hola")
			try(t, first.Close())
			r.ended()
			e := exhaust(t)
			defer e.end()
			e.giveBack(3) // two clients, and one end of a pair
			var clients [2]*socket.Socket
			for i := range clients {
				clients[i] = dial(t, at)
				writes(t, clients[i], "hola\n")
			}
			said := func() int { return strings.Count(r.journal.String(), "no program can be started") }
			await(t, "the log says that no program can be started", func() bool { return said() > 0 })
			e.giveBack(1) // with which another could be accepted
			await(t, "it is tried again", func() bool { return strings.Count(r.journal.String(), "trying again") > 2 })
			if n := len(r.Open()); n != 1 {
				t.Errorf("%d clients were accepted, while there is no program for the first", n)
			}
			e.end()
			for _, c := range clients {
				wants(t, c, "hola")
			}
			if said() != 1 {
				t.Errorf("it is said %d times", said())
			}
		})
	}
}

// There are no more pairs at once than the limit of descriptors allows together
// with their programs, so that none lacks any.
func TestProgramsAreBoundedByDescriptors(t *testing.T) {
	fewOpen(t)
	var old syscall.Rlimit
	try(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old))
	few := old
	few.Cur = 160
	try(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &few))
	defer syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old)
	for _, to := range []string{"exec:cat", "shell:exec cat", "exec:cat,pty"} {
		r := relays(t, nil, tcpListen, to)
		at := r.address()
		const most = (160 - 64) / 4
		await(t, "the bound is said", func() bool {
			return strings.Contains(r.journal.String(), fmt.Sprintf("connections=%d", most))
		})
		var clients []*socket.Socket
		for range most + 6 {
			c := dial(t, at)
			writes(t, c, "hola\n")
			clients = append(clients, c)
		}
		for _, c := range clients {
			wants(t, c, "hola")
			try(t, c.Close()) // and the next has its place
		}
		if log := r.journal.String(); strings.Contains(log, "no program can be started") || strings.Contains(log, "pauses") {
			t.Errorf("%s: descriptors were out:\n%s", to, log)
		}
		r.stop()
		<-r.done
	}
}
