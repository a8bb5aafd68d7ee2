//go:build !linux

package sys

import "syscall"

// What Linux alone has, or what this package knows on Linux alone.

// Release returns "": the release matters on Linux alone.
func Release() string { return "" }

// ReadNow is preadv2(2) with RWF_NOWAIT on Linux.
func ReadNow(int, []byte) (int, syscall.Errno) { return 0, syscall.ENOSYS }

// WriteNow is pwritev2(2) with RWF_NOWAIT on Linux.
func WriteNow(int, []byte) (int, syscall.Errno) { return 0, syscall.ENOSYS }

// WasReset reports whether a TCP connection that reads as ended was reset, of
// which another call was told. Nothing tells of it here.
func WasReset(int) bool { return false }

// Hangup is not told here: POLLHUP may mean one direction or both.
func Hangup(fd int) (over, ended bool, unread int) { return false, false, 0 }

// PeerCredentials is SO_PEERCRED of Linux.
func PeerCredentials(int) (pid, uid, gid int, errno syscall.Errno) {
	return 0, 0, 0, syscall.EOPNOTSUPP
}

// ReopenTerminal is Linux's: elsewhere a descriptor that is opened again
// shares its flags.
func ReopenTerminal(int) (int, syscall.Errno) { return -1, syscall.ENOSYS }
