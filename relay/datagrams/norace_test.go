//go:build !race

package datagrams_test

const raceEnabled = false
