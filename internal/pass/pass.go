// Package pass is what the engines of a relay, package relay and package server
// decide alike: how fast what passes may, when to try again, what errors say, what
// becomes of descriptors, and when to speak of trouble. It knows no sockets, and its
// callers say what time it is.
package pass

// A FilePolicy says what happens to descriptors that come over a unix socket.
type FilePolicy uint8

// The policies.
const (
	// CloseFiles closes and counts them, and the data that they came with
	// passes.
	CloseFiles FilePolicy = iota

	// PassFiles passes them on with the data that they came with. Both ends
	// must be unix sockets, and neither cut by a format.
	PassFiles

	// RefuseFiles refuses a message with which they come. A stream cannot go
	// on without what its peer was to have, and fails.
	RefuseFiles
)

// MaxFiles is the most descriptors that go with a message on Linux (SCM_MAX_FD).
const MaxFiles = 253
