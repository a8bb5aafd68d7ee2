//go:build race

package xns

// underRace says that the race detector makes sync.Pool forget at random.
const underRace = true
