package serve

import (
	"os"
	"slices"
	"strconv"
	"strings"

	"zocalo/socket"
	"zocalo/socket/option"
)

// Environment returns what a program is told of its connection, as
// "NAME=value": ZOCALO_PEER, the peer's name, empty where it has none; PROTO
// and what goes with it in UCSPI, the UNIX Client-Server Program Interface
// (https://cr.yp.to/proto/ucspi.txt):
//
//   - PROTO=TCP, TCPREMOTEIP, TCPREMOTEPORT, TCPLOCALIP and TCPLOCALPORT; the
//     same with UDP. An address may be of IPv6; an IPv4 one is always written
//     as such.
//   - PROTO=UNIX, UNIXLOCALPATH, UNIXREMOTEPATH (empty where the peer has no
//     name), UNIXLOCALUID and UNIXLOCALGID, which are the server's, and
//     UNIXREMOTEEUID, UNIXREMOTEEGID and UNIXREMOTEPID, where the system
//     vouches for them.
//   - for other kinds only PROTO, the kind in upper case.
//
// What layers know of the connection goes with it, as SSL_PROTOCOL, SSL_CIPHER and
// SSL_CLIENT_S_DN of TLS, by the names that Apache's mod_ssl gives to them.
//
// A zero byte in an abstract name is written as "@".
func Environment(c *socket.Socket) []string {
	name, peer := c.Name(), c.Peer()
	env := make([]string, 0, 10)
	add := func(name, value string) { env = append(env, name+"="+strings.ReplaceAll(value, "\x00", "@")) }
	add("ZOCALO_PEER", peer.String())
	domain := peer.Domain() // a proxy may have told of one from elsewhere
	if peer.IsZero() {
		domain = c.Domain()
	}
	switch domain {
	case socket.Inet, socket.Inet6:
		proto := "TCP"
		if c.Type() == socket.Datagram {
			proto = "UDP"
		}
		add("PROTO", proto)
		for _, end := range []struct {
			side string
			name socket.Name
		}{{"LOCAL", name}, {"REMOTE", peer}} {
			if ap := end.name.AddrPort(); ap.IsValid() {
				add(proto+end.side+"IP", ap.Addr().Unmap().String())
				add(proto+end.side+"PORT", strconv.Itoa(int(ap.Port())))
			}
		}
	case socket.Unix:
		add("PROTO", "UNIX")
		add("UNIXLOCALPATH", name.Path())
		add("UNIXREMOTEPATH", peer.Path())
		add("UNIXLOCALUID", strconv.Itoa(os.Geteuid()))
		add("UNIXLOCALGID", strconv.Itoa(os.Getegid()))
		if who, err := option.PeerCredentials.Get(c.Unwrap()); err == nil {
			add("UNIXREMOTEEUID", strconv.Itoa(who.UID))
			add("UNIXREMOTEEGID", strconv.Itoa(who.GID))
			add("UNIXREMOTEPID", strconv.Itoa(who.PID))
		}
	default:
		add("PROTO", strings.ToUpper(c.Kind().String()))
	}
	told := map[string]bool{} // what the outermost layer says goes before what one beneath was told
	for _, f := range c.Facts() {
		if f.Variable != "" && !told[f.Variable] {
			told[f.Variable] = true
			add(f.Variable, f.Value)
		}
	}
	return env
}

// withoutPeer returns env without what it says of a connection of the server's
// own, as when that was itself started by such a program.
func withoutPeer(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return TellsPeer(name)
	})
}

// TellsPeer reports whether a variable of that name tells a program of its
// connection, or of the sockets that it is given. What Command.Env has of those
// never reaches a program.
func TellsPeer(name string) bool {
	switch name {
	case "PROTO", "ZOCALO_PEER", "PROXY_PEER", "UNIQUE_ID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES":
		return true
	}
	for _, proto := range []string{"TCP", "UDP", "UNIX"} {
		if strings.HasPrefix(name, proto+"LOCAL") || strings.HasPrefix(name, proto+"REMOTE") {
			return true
		}
	}
	return strings.HasPrefix(name, "SSL_") && !strings.HasPrefix(name, "SSL_CERT_") // where a program itself finds authorities
}
