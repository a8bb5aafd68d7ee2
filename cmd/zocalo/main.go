// Command zocalo does with sockets of every kind, by one grammar of
// addresses, what people do with them: talk, serve, bridge, measure, list.
//
// Each verb is a file of this package, with its flags and what it prints; all
// else is in the packages beneath.
package main

import (
	"fmt"
	"os"

	_ "zocalo/iso"
	_ "zocalo/layer/proxy"
	_ "zocalo/layer/proxyproto"
	_ "zocalo/layer/quic"
	_ "zocalo/layer/sni"
	_ "zocalo/layer/tls"
	_ "zocalo/layer/websocket"
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
