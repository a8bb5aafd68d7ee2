//go:build !linux

package relay

import "zocalo/socket"

// noFast says why this system has no fast path.
const noFast = "needs Linux"

var fastEngines []engineKind

// loops are for Linux.
type loops struct{}

func (*run) newLoops() *loops { return nil }
func (*loops) change()        {}
func (*loops) close()         {}
func (*loops) moves() bool    { return false }

func (*loops) take(*entry, *socket.Socket, *socket.Socket, *target, func()) bool { return false }
