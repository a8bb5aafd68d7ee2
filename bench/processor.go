package bench

import (
	"crypto/rand"
	"encoding/binary"
	"sync"

	"zocalo/internal/sys"
)

// ProcessorNow is the CPU time that this process has used.
func ProcessorNow() Processor {
	user, system, _ := sys.ProcessTime() // fails for bad arguments only
	return Processor{User: user, System: system}
}

// Since returns what was used since p was.
func (p Processor) Since(before Processor) Processor {
	return Processor{User: p.User - before.User, System: p.System - before.System}
}

// thisProcess tells this process from all others, so that two ends know when
// they are one.
var thisProcess = sync.OnceValue(randomNumber)

// randomNumber is a number that nobody guesses, never 0.
func randomNumber() uint64 {
	var b [8]byte
	rand.Read(b[:]) // never fails
	return max(binary.BigEndian.Uint64(b[:]), 1)
}
