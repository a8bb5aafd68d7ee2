package pass

import (
	"errors"
	"slices"
	"syscall"
)

// Is reports whether err is one of a list of errnos.
func Is(err error, list ...syscall.Errno) bool {
	return slices.ContainsFunc(list, func(e syscall.Errno) bool { return errors.Is(err, e) })
}

// IsShortage reports whether err says that descriptors or memory are out, which
// lasts until somebody gives some back.
func IsShortage(err error) bool { return Is(err, shortages...) }

// IsPassing reports whether err concerns one connection or one peer, and not the
// socket that reports it, as accept(2) has it ("Error handling").
func IsPassing(err error) bool { return Is(err, passing...) }

// IsReset reports whether err says that a connection was cut short: by its peer,
// or since the machine there, or the way to it, is no more.
func IsReset(err error) bool { return Is(err, resets...) }

// IsGone reports whether err says that a connected socket of messages has lost its
// peer, which will not come back to it.
func IsGone(err error) bool {
	return Is(err, syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.ENOTCONN, syscall.EPIPE)
}

var (
	shortages = []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM}

	// EPERM is a firewall's. EOPNOTSUPP, which accept(2) lists with these, also
	// says that the socket cannot accept at all, and is none.
	passing = slices.Concat(systemPassing, []syscall.Errno{
		syscall.EAGAIN, syscall.EINTR, syscall.ECONNABORTED, syscall.EPROTO, syscall.EPERM,
		syscall.ENETDOWN, syscall.ENOPROTOOPT, syscall.EHOSTDOWN, syscall.EHOSTUNREACH, syscall.ENETUNREACH,
		syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.ETIMEDOUT,
	})

	resets = []syscall.Errno{
		syscall.ECONNRESET, syscall.EPIPE, syscall.ECONNABORTED, syscall.ETIMEDOUT, syscall.ENETRESET,
		syscall.EHOSTUNREACH, syscall.EHOSTDOWN, syscall.ENETUNREACH, syscall.ENETDOWN,
	}
)

// IsUnreachable reports whether err is what the network says of a message that
// found nobody: that a port, a host or a network cannot be reached. A connected
// datagram socket is told so by ICMP, at a later call.
func IsUnreachable(err error) bool { return Is(err, unreachable...) }

var unreachable = []syscall.Errno{syscall.ECONNREFUSED, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EHOSTDOWN, syscall.ENOPROTOOPT}
