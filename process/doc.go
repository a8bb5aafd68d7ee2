// Package process starts programs with chosen descriptors: what puts a
// program's standard input and output on a socket.
//
// A [Command] becomes a [Process], which has a process group of its own, so
// that ending it ends what it started too, and which is always reaped. The
// package registers the schemes exec and shell with package socket: addresses
// whose other end is a program.
//
// It knows no listeners and no connections; serving a program to each of many
// clients is for a package above.
package process
