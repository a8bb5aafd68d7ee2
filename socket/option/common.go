package option

import (
	"errors"
	"math"
	"syscall"
	"time"

	"zocalo/codec"
	"zocalo/internal/sys"
	"zocalo/socket"
)

// Options of every kernel socket, see socket(7). They are set before bind and
// connect; a listener's pass to the connections it accepts, where Linux
// allows it.
var (
	// ReuseAddress lets a name be bound again while old connections of it
	// are in time-wait; on UDP, by several sockets at once.
	ReuseAddress = intOption(Spec{
		Name: "reuseaddr", Aliases: []string{"so-reuseaddr"}, Constant: "SO_REUSEADDR", Phase: Opened, Default: "on for stream listeners, otherwise off",
		Doc:   "bind a name again while its old connections are in TIME_WAIT",
		Since: "Linux 2.0",
	}, codec.Flag, sys.SOL_SOCKET, sys.SO_REUSEADDR, boolToInt, intToBool)

	// ReusePort lets several sockets of one user bind the same name; the system
	// spreads incoming connections and datagrams over them (Linux 3.9).
	ReusePort = intOption(Spec{
		Name: "reuseport", Aliases: []string{"so-reuseport"}, Constant: "SO_REUSEPORT", Phase: Opened, Default: "off",
		Doc:   "share the name with other sockets of the same user; the system spreads the load over them",
		Since: "Linux 3.9",
	}, codec.Flag, sys.SOL_SOCKET, sys.SO_REUSEPORT, boolToInt, intToBool)

	// KeepAlive probes an idle connection, to notice a peer that is gone. It is on for TCP connections made by address, and off for
	// those of New.
	KeepAlive = intOption(Spec{
		Name: "keepalive", Aliases: []string{"so-keepalive"}, Constant: "SO_KEEPALIVE", Phase: Opened, Default: "on",
		Doc:   "probe an idle connection, to notice a peer that is gone",
		Since: "Linux 2.0",
	}, codec.Flag, sys.SOL_SOCKET, sys.SO_KEEPALIVE, boolToInt, intToBool)

	// Broadcast allows sending to broadcast addresses.
	Broadcast = intOption(Spec{
		Name: "broadcast", Aliases: []string{"so-broadcast"}, Constant: "SO_BROADCAST", Phase: Opened, Default: "off",
		Doc:   "allow sending to a broadcast address",
		Since: "Linux 2.0",
	}, codec.Flag, sys.SOL_SOCKET, sys.SO_BROADCAST, boolToInt, intToBool)

	// ReceiveBuffer is the size of the receive buffer. Linux doubles what is
	// set, for its own book-keeping, returns the doubled value, and
	// silently lowers what exceeds net.core.rmem_max.
	ReceiveBuffer = intOption(Spec{
		Name: "rcvbuf", Aliases: []string{"so-rcvbuf"}, Constant: "SO_RCVBUF", Phase: Opened, Default: "the system's, growing for TCP",
		Doc:      "size of the receive buffer",
		Since:    "Linux 2.0",
		Silently: "is doubled, is limited to net.core.rmem_max, and stops TCP from growing the buffer",
	}, codec.AtLeast(codec.Size, 1), sys.SOL_SOCKET, sys.SO_RCVBUF, same, same)

	// SendBuffer is the size of the send buffer, see ReceiveBuffer.
	SendBuffer = intOption(Spec{
		Name: "sndbuf", Aliases: []string{"so-sndbuf"}, Constant: "SO_SNDBUF", Phase: Opened, Default: "the system's, growing for TCP",
		Doc:      "size of the send buffer",
		Since:    "Linux 2.0",
		Silently: "is doubled, is limited to net.core.wmem_max, and stops TCP from growing the buffer",
	}, codec.AtLeast(codec.Size, 1), sys.SOL_SOCKET, sys.SO_SNDBUF, same, same)

	// OOBInline leaves urgent data in the stream, where [socket.Socket.AtMark] tells
	// its place.
	OOBInline = intOption(Spec{
		Name: "oobinline", Aliases: []string{"so-oobinline"}, Constant: "SO_OOBINLINE", Phase: Opened, Default: "off",
		Doc:   "leave urgent data in the stream",
		Since: "Linux 2.0",
	}, codec.Flag, sys.SOL_SOCKET, sys.SO_OOBINLINE, boolToInt, intToBool)

	// Linger makes Close wait until what was written is sent and
	// acknowledged, at most this long; zero makes Close reset the connection;
	// negative, the default, makes Close return at once and send in the
	// background. The kernel counts in whole seconds, and a fraction
	// is rounded up.
	Linger = New(Spec{
		Name: "linger", Aliases: []string{"so-linger"}, Constant: "SO_LINGER", Phase: Opened, Default: "off: close returns at once, and the system sends the rest",
		Doc:      "let close wait until everything is sent; 0 resets the connection instead",
		Since:    "Linux 2.0",
		Silently: "is ignored by unix sockets",
	}, codec.Duration, func(e socket.Endpoint, d time.Duration) error {
		seconds := toSeconds(d)
		if d < 0 {
			seconds = -1
		}
		return onFD(e, "SO_LINGER", func(fd int) syscall.Errno { return sys.SetLinger(fd, seconds) })
	}, func(e socket.Endpoint) (d time.Duration, err error) {
		err = onFD(e, "SO_LINGER", func(fd int) (errno syscall.Errno) {
			var seconds int
			seconds, errno = sys.GetLinger(fd)
			d = time.Duration(seconds) * time.Second
			return errno
		})
		return d, err
	})

	// V6Only keeps IPv4 peers from an Inet6 socket on "::", see ipv6(7).
	V6Only = intOption(Spec{
		Name: "v6only", Aliases: []string{"ipv6only", "ipv6-v6only"}, Constant: "IPV6_V6ONLY", Phase: Opened,
		Default: "on for listeners on every interface, which have another socket for IPv4; otherwise the system's",
		Doc:     "an IPv6 socket accepts no IPv4 peers",
		Since:   "Linux 2.4.21",
	}, codec.Flag, sys.IPPROTO_IPV6, sys.IPV6_V6ONLY, boolToInt, intToBool)
)

// Options of TCP, see tcp(7).
var (
	// NoDelay sends small segments at once, rather than waiting to fill them
	// while earlier ones are not acknowledged (RFC 896). It is on for TCP connections made by
	// address, and off for those of New.
	NoDelay = intOption(Spec{
		Name: "nodelay", Aliases: []string{"tcp-nodelay"}, Constant: "TCP_NODELAY", Phase: Opened, Default: "on",
		Doc:   "send small segments at once, without Nagle's wait",
		Since: "Linux 2.0",
	}, codec.Flag, sys.IPPROTO_TCP, sys.TCP_NODELAY, boolToInt, intToBool)

	// KeepAliveIdle is how long a connection is idle before the first probe: 1 s to
	// 32767 s. A part of a second is rounded up. A value that the system does not accept
	// is EINVAL; keepalive is switched off by [KeepAlive].
	KeepAliveIdle = intOption(Spec{
		Name: "keepidle", Aliases: []string{"tcp-keepidle"}, Constant: "TCP_KEEPIDLE", Phase: Opened, Default: "15s",
		Doc:   "idle time before the first keepalive probe",
		Since: "Linux 2.4",
	}, codec.AtLeast(codec.Duration, time.Second), sys.IPPROTO_TCP, sys.TCP_KEEPIDLE, toSeconds, fromSeconds)

	// KeepAliveInterval is the time between probes, with the limits of KeepAliveIdle.
	KeepAliveInterval = intOption(Spec{
		Name: "keepintvl", Aliases: []string{"tcp-keepintvl"}, Constant: "TCP_KEEPINTVL", Phase: Opened, Default: "15s",
		Doc:   "time between keepalive probes",
		Since: "Linux 2.4",
	}, codec.AtLeast(codec.Duration, time.Second), sys.IPPROTO_TCP, sys.TCP_KEEPINTVL, toSeconds, fromSeconds)

	// KeepAliveCount is how many probes go without an answer before the
	// connection ends.
	KeepAliveCount = intOption(Spec{
		Name: "keepcnt", Aliases: []string{"tcp-keepcnt"}, Constant: "TCP_KEEPCNT", Phase: Opened, Default: "the system's, 9 on Linux",
		Doc:   "keepalive probes without an answer before the connection ends",
		Since: "Linux 2.4",
	}, codec.AtLeast(codec.Integer, 1), sys.IPPROTO_TCP, sys.TCP_KEEPCNT, same, same)

	// UserTimeout is how long data may stay without acknowledgement before
	// the connection ends with ETIMEDOUT (RFC 5482; Linux 2.6.37).
	// The kernel counts in milliseconds, and a fraction is rounded up; zero
	// means the system's default.
	UserTimeout = intOption(Spec{
		Name: "user-timeout", Aliases: []string{"tcp-user-timeout"}, Constant: "TCP_USER_TIMEOUT", Phase: Opened, Default: "the system's",
		Doc:      "how long sent data may stay unacknowledged before the connection ends",
		Since:    "Linux 2.6.37",
		Silently: "takes the place of keepcnt when keepalive probes fail",
	}, codec.Duration, sys.IPPROTO_TCP, sys.TCP_USER_TIMEOUT,
		toMillis,
		func(n int) time.Duration { return time.Duration(n) * time.Millisecond })
)

// PeerCredentials is the process at the other end of a connected unix stream
// or seqpacket socket, as it was when it connected, listened or made the pair
// (SO_PEERCRED). It can only be read, and is a [socket.UnsupportedError] on any other socket.
var PeerCredentials = New(Spec{
	Name: "peercred", Constant: "SO_PEERCRED", Phase: Connected,
	Doc:      "who the process at the other end is",
	Since:    "Linux 2.2",
	Silently: "stays what it was when the connection was made",
}, codec.Codec[socket.Credentials]{}, nil, func(e socket.Endpoint) (c socket.Credentials, err error) {
	err = onFD(e, "SO_PEERCRED", func(fd int) (errno syscall.Errno) {
		// Of a listener the system tells the listener's own.
		if listens, _ := sys.GetInt(fd, sys.SOL_SOCKET, sys.SO_ACCEPTCONN); listens != 0 {
			c.UID = -1
			return 0
		}
		c.PID, c.UID, c.GID, errno = sys.PeerCredentials(fd)
		return errno
	})
	if err == nil && uint32(c.UID) == math.MaxUint32 { // what the system says of nobody
		return socket.Credentials{}, &socket.UnsupportedError{Feature: "SO_PEERCRED", Needs: "a connected unix stream or seqpacket socket"}
	}
	return c, err
})

// onFD makes a call on the descriptor beneath e.
func onFD(e socket.Endpoint, constant string, call func(fd int) syscall.Errno) error {
	d, ok := socket.Beneath[socket.Descriptor](e)
	if !ok {
		return &socket.UnsupportedError{Feature: constant, Needs: "a kernel socket"}
	}
	raw, err := d.SyscallConn()
	if err != nil {
		return err
	}
	var errno syscall.Errno
	if err := raw.Control(func(fd uintptr) { errno = call(int(fd)) }); err != nil {
		return err
	}
	return explained(constant, sys.Error("sockopt "+constant, errno))
}

// explained adds what the errors of getsockopt and setsockopt leave out.
func explained(constant string, err error) error {
	switch {
	case lacksOption(err):
		return &socket.HintError{Err: err, Hint: "this kind of socket, or this system, does not have the option"}
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EACCES):
		if needs := privilegeOf(constant); needs != "" {
			return &socket.HintError{Err: err, Hint: "it needs " + needs}
		}
	}
	return err
}

// lacksOption reports whether err says that there is no such option here.
func lacksOption(err error) bool {
	return errors.Is(err, syscall.ENOPROTOOPT) || errors.Is(err, syscall.EOPNOTSUPP) || errors.Is(err, syscall.ENOSYS)
}

// intOption defines an option whose value is an int for the system.
func intOption[T any](s Spec, c codec.Codec[T], level, name int, to func(T) int, from func(int) T) *Option[T] {
	constant := s.Constant
	s.Int = func(v any) (int, int, int) { return level, name, to(v.(T)) }
	return New(s, c, func(e socket.Endpoint, v T) error {
		return setInt(e, constant, level, name, to(v))
	}, func(e socket.Endpoint) (v T, err error) {
		n, err := getInt(e, constant, level, name)
		if err != nil {
			return v, err
		}
		return from(n), nil
	})
}

// roundUp counts d in units, the last of which may be a part.
func roundUp(d, unit time.Duration) int {
	n := int(d / unit)
	if d%unit > 0 {
		n++
	}
	return n
}

func same(n int) int { return n }

func boolToInt(v bool) int {
	if v {
		return 1
	}
	return 0
}

func intToBool(n int) bool { return n != 0 }

func toSeconds(d time.Duration) int { return roundUp(d, time.Second) }

func toMillis(d time.Duration) int { return roundUp(d, time.Millisecond) }

func fromSeconds(n int) time.Duration { return time.Duration(n) * time.Second }
