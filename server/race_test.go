//go:build race

package server_test

// raceEnabled says that the detector allocates as well.
const raceEnabled = true
