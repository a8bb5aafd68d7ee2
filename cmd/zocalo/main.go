// Command zocalo does with sockets of every kind, by one grammar of
// addresses, what people do with them: talk, serve, bridge, measure, list.
//
// Each verb is a file of this package, with its flags and what it prints; all
// else is in the packages beneath.
package main

import (
	"fmt"
	"os"
	"syscall"
	"time"

	_ "zocalo/iso"
	_ "zocalo/layer/proxy"
	_ "zocalo/layer/proxyproto"
	_ "zocalo/layer/sni"
	_ "zocalo/layer/tls"
	"zocalo/process"
	_ "zocalo/xns"
)

// The person who types an address may run programs, and says so with exec: or shell:.
func init() { process.Register() }

func main() {
	process.Shim()
	if err := startPoller(); err != nil {
		fmt.Fprintf(os.Stderr, "zocalo: %v\n", err)
		os.Exit(statusFailed)
	}
	os.Exit(run(os.Args[1:], standardStreams()))
}

// startPoller makes Go's runtime start its poller while there are descriptors
// for it. Later, for want of them, it would end the program with a dump of all
// goroutines.
func startPoller() error {
	var pair [2]int // as many as the poller takes; os.Pipe would start it
	if err := syscall.Pipe(pair[:]); err != nil {
		return fmt.Errorf("out of file descriptors: %w: raise the limit (ulimit -n)", os.NewSyscallError("pipe", err))
	}
	syscall.Close(pair[0])
	syscall.Close(pair[1])
	time.AfterFunc(time.Hour, func() {}).Stop()
	return nil
}
