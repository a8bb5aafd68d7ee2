package record

import (
	"path"
	"strconv"
	"strings"
)

// wellKnown are the ports of services that have sockets of that name, or of which the
// name begins so.
var wellKnown = []struct {
	begins, ends string
	port         uint16
}{
	{"log", "", 514}, {"syslog", "", 514}, // syslog
	{"docker", ".sock", 80}, {"podman", ".sock", 80}, {"containerd", ".sock", 80}, {"http", "", 80}, {"snapd", "", 80},
	{"mysql", "", 3306}, {"mariadb", "", 3306}, {"redis", "", 6379}, {"valkey", "", 6379}, {"memcached", "", 11211}, {"mongodb-", "", 27017},
	{"php", ".sock", 9000}, {"fcgi", "", 9000}, {"X", "", 6000},
}

// portOf is the port for an end of that name: that by which Wireshark finds the dissector of
// what such a socket mostly carries, and otherwise one that means nothing.
func portOf(name string) uint16 {
	const none = 49_152 // the first of those that nobody is assigned
	base := path.Base(name)
	if number, is := strings.CutPrefix(base, ".s.PGSQL."); is {
		if n, err := strconv.ParseUint(number, 10, 16); err == nil && n > 0 {
			return uint16(n)
		}
	}
	for _, k := range wellKnown {
		if strings.HasPrefix(base, k.begins) && strings.HasSuffix(base, k.ends) && (k.begins != "X" || path.Base(path.Dir(name)) == ".X11-unix") {
			return k.port
		}
	}
	return none
}
