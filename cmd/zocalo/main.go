// Command zocalo does with sockets of every kind, by one grammar of
// addresses, what people do with them: talk, serve, bridge, measure, list.
//
// Each verb is a file of this package, with its flags and what it prints; all
// else is in the packages beneath.
package main

import (
	"os"

	_ "zocalo/iso"
	"zocalo/process"
	_ "zocalo/xns"
)

func main() {
	process.Shim()
	os.Exit(run(os.Args[1:], standardStreams()))
}
