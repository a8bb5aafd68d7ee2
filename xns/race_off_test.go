//go:build !race

package xns

const underRace = false
