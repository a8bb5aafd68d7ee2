//go:build race

package echo_test

// raceEnabled says that the detector allocates as well.
const raceEnabled = true
