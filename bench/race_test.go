//go:build race

package bench

// raceEnabled says that the detector allocates as well.
const raceEnabled = true
