package option

import (
	"errors"
	"syscall"

	"zocalo/codec"
	"zocalo/internal/sys"
	"zocalo/socket"
)

// Further options of TCP, see tcp(7).
var (
	// FastOpen lets clients of a listener send data along with their first
	// packet (RFC 7413): at most this many that have not finished the
	// handshake (TCP_FASTOPEN, Linux 3.7). net.ipv4.tcp_fastopen must have
	// bit 2, otherwise it silently has no effect.
	FastOpen = intOption(Spec{
		Name: "fastopen", Aliases: []string{"tcp-fastopen"}, Constant: "TCP_FASTOPEN", Phase: Opened, Default: "0: none", Only: PassiveOnly,
		Doc:      "how many clients at once may send data before the handshake is done",
		Since:    "Linux 3.7",
		Silently: "has no effect unless net.ipv4.tcp_fastopen has bit 2",
	}, codec.AtLeast(codec.Integer, 0), sys.IPPROTO_TCP, sys.TCP_FASTOPEN, same, same)

	// FastOpenConnect makes Connect return at once, and the first Write
	// connect and send in one (RFC 7413; TCP_FASTOPEN_CONNECT, Linux 4.11). If
	// the client has no cookie from the server yet, or net.ipv4.tcp_fastopen
	// lacks bit 1, Connect silently waits for the handshake. With it, a
	// refusal may come from Write, and data may arrive twice.
	FastOpenConnect = intOption(Spec{
		Name: "fastopen-connect", Aliases: []string{"tcp-fastopen-connect"}, Constant: "TCP_FASTOPEN_CONNECT", Phase: Opened, Default: "off", Only: ActiveOnly,
		Doc:      "connect with the first write, and send its data along",
		Since:    "Linux 4.11",
		Silently: "waits for the handshake as usual if there is no cookie from the server, or unless net.ipv4.tcp_fastopen has bit 1",
	}, codec.Flag, sys.IPPROTO_TCP, sys.TCP_FASTOPEN_CONNECT, boolToInt, intToBool)

	// DeferAccept makes a listener's Accept return a connection only once
	// data has arrived, or this much time has passed (TCP_DEFER_ACCEPT, Linux
	// 2.4). The kernel counts retransmissions, so that what is read may be
	// longer than what was set: 1, 3, 7, 15 ... seconds.
	DeferAccept = intOption(Spec{
		Name: "defer-accept", Aliases: []string{"tcp-defer-accept"}, Constant: "TCP_DEFER_ACCEPT", Phase: Opened, Default: "off", Only: PassiveOnly,
		Doc:      "accept a connection once its first data has arrived, or after this long",
		Since:    "Linux 2.4",
		Silently: "is rounded up to 1, 3, 7, 15 ... seconds",
	}, codec.Duration, sys.IPPROTO_TCP, sys.TCP_DEFER_ACCEPT, toSeconds, fromSeconds)

	// Congestion is the algorithm of congestion control, such as "cubic"
	// (TCP_CONGESTION, Linux 2.6.13). One that
	// net.ipv4.tcp_allowed_congestion_control does not list needs
	// CAP_NET_ADMIN; one that is not there is ENOENT.
	Congestion = New(Spec{
		Name: "congestion", Aliases: []string{"tcp-congestion"}, Constant: "TCP_CONGESTION", Phase: Opened, Default: "net.ipv4.tcp_congestion_control",
		Doc:   "congestion control algorithm, such as cubic, reno or bbr",
		Since: "Linux 2.6.13", Privilege: "CAP_NET_ADMIN for what net.ipv4.tcp_allowed_congestion_control does not list",
	}, codec.Text.Or("NAME"), func(e socket.Endpoint, name string) error {
		err := setText(e, "TCP_CONGESTION", sys.IPPROTO_TCP, sys.TCP_CONGESTION, name)
		if errors.Is(err, syscall.ENOENT) {
			return &socket.HintError{Err: err, Hint: "the kernel has no such algorithm: net.ipv4.tcp_available_congestion_control lists what it has"}
		}
		return err
	}, func(e socket.Endpoint) (string, error) {
		return getText(e, "TCP_CONGESTION", sys.IPPROTO_TCP, sys.TCP_CONGESTION)
	})

	// MaxSegment is the most bytes of data in a segment, 88 to 32767
	// (TCP_MAXSEG). The path or the peer may silently allow less; on a connection,
	// Get returns what they allow.
	MaxSegment = intOption(Spec{
		Name: "mss", Aliases: []string{"tcp-maxseg", "maxseg"}, Constant: "TCP_MAXSEG", Phase: Opened, Default: "by the path",
		Doc:      "maximum bytes of data in a TCP segment",
		Since:    "Linux 2.0",
		Silently: "is lowered to what the path or the peer allows",
	}, codec.Between(codec.Size, 88, 32767), sys.IPPROTO_TCP, sys.TCP_MAXSEG, same, same)

	// Cork holds back segments that are not full, until it is unset or
	// 200 ms have passed (TCP_CORK, Linux 2.2).
	Cork = intOption(Spec{
		Name: "cork", Aliases: []string{"tcp-cork"}, Constant: "TCP_CORK", Phase: Opened, Default: "off",
		Doc:      "hold back segments that are not full, for at most 200 ms",
		Since:    "Linux 2.2",
		Silently: "sends what waits after 200 ms anyway",
	}, codec.Flag, sys.IPPROTO_TCP, sys.TCP_CORK, boolToInt, intToBool)

	// NotSentLowWater makes a socket writable only while fewer than this many
	// bytes wait to be sent for the first time (TCP_NOTSENT_LOWAT, Linux
	// 3.12), so that what is written last is not stale.
	NotSentLowWater = intOption(Spec{
		Name: "notsent-lowat", Aliases: []string{"tcp-notsent-lowat"}, Constant: "TCP_NOTSENT_LOWAT", Phase: Opened, Default: "net.ipv4.tcp_notsent_lowat: no bound",
		Doc:   "bytes not yet sent above which a write waits",
		Since: "Linux 3.12",
	}, codec.AtLeast(codec.Size, 1), sys.IPPROTO_TCP, sys.TCP_NOTSENT_LOWAT, same, same)

	// QuickAck acknowledges what arrives at once, rather than waiting for
	// data to go along (TCP_QUICKACK, Linux 2.4.4). The system may silently
	// return to its own choice at any time.
	QuickAck = intOption(Spec{
		Name: "quickack", Aliases: []string{"tcp-quickack"}, Constant: "TCP_QUICKACK", Phase: Opened, Default: "by the system",
		Doc:      "acknowledge at once what arrives, for now",
		Since:    "Linux 2.4.4",
		Silently: "reverts to the system's own choice at any time",
	}, codec.Flag, sys.IPPROTO_TCP, sys.TCP_QUICKACK, boolToInt, intToBool)

	// MultipathInfo is what the kernel knows of an MPTCP connection
	// (MPTCP_INFO, Linux 5.16). It can only be read. On a connection that fell back
	// to TCP it is EOPNOTSUPP.
	MultipathInfo = New(Spec{
		Name: "mptcpinfo", Constant: "MPTCP_INFO", Phase: Connected,
		Doc:   "what the kernel knows of an MPTCP connection",
		Since: "Linux 5.16",
	}, codec.Codec[MPTCPInfo]{Format: MPTCPInfo.String}, nil, mptcpInfo)
)

func mptcpInfo(e socket.Endpoint) (info MPTCPInfo, err error) {
	var b [mptcpInfoSize]byte
	err = onFD(e, "MPTCP_INFO", func(fd int) syscall.Errno {
		_, errno := sys.GetMPTCPInfo(fd, b[:])
		return errno
	})
	if err == nil {
		info = ParseMPTCPInfo(b[:])
	}
	return info, err
}
