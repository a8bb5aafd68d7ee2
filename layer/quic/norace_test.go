//go:build !race

package quic_test

const raceEnabled = false
