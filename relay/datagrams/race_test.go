//go:build race

package datagrams_test

const raceEnabled = true
