// Package process starts programs with chosen descriptors: what puts a
// program's standard input and output on a socket.
//
// A [Command] becomes a [Process]: a program with a process group of its own,
// so that ending it ends what it started too, always reaped, and killed by
// Linux should this process die first. What must be set between fork and exec
// (umask, limits, LISTEN_PID) is set by this same executable, started once more
// in between: a program that wants those calls [Shim] first in main.
//
// [Register] makes the schemes exec, shell and pty known to the address language:
// addresses whose other end is a program, or a terminal ([Terminal]).
//
// It knows no listeners and no connections; serving a program to each of many
// clients is for a package above.
package process
