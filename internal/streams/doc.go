// Package streams says what package socket knows in the words of package loop,
// for those who serve streams of the kernel by loops: listeners, kinds, names.
package streams
