package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
)

// The works of proxies: clients that ask to be taken to the sink, by SOCKS 5 and by HTTP
// CONNECT. They need dante, microsocks, squid and tinyproxy too.
var proxyWorks = []work{
	{"socks 5, bulk, 1 flow", "socks5", &socksProxies, []string{"Gbit/s", "processor ms a GB"}, 1, bulkOf(1)},
	{"http connect, bulk, 1 flow", "connect", &connectProxies, []string{"Gbit/s", "processor ms a GB"}, 1, bulkOf(1)},
}

func zocaloProxy(p *place) []string {
	return []string{filepath.Join(p.dir, "zocalo"), "relay", "-q", "proxy-listen:" + endpoint(p.from), "requested:"}
}

var socksProxies = []program{
	{"zocalo", zocaloProxy},
	{"dante", func(p *place) []string {
		return []string{"danted", "-f", p.config("danted.conf", `logoutput: stderr
errorlog: stderr
internal: 127.0.0.1 port = `+p.port()+`
external: lo
socksmethod: none
clientmethod: none
user.privileged: root
user.unprivileged: nobody
client pass { from: 0/0 to: 0/0 }
socks pass { from: 0/0 to: 0/0 }
`)}
	}},
	{"microsocks", func(p *place) []string { return []string{"microsocks", "-i", "127.0.0.1", "-p", p.port()} }},
}

var connectProxies = []program{
	{"zocalo", zocaloProxy},
	{"squid", func(p *place) []string {
		return []string{"squid", "-N", "-f", p.config("squid.conf", `http_port 127.0.0.1:`+p.port()+`
http_access allow all
cache deny all
access_log none
cache_log /dev/null
pid_filename none
coredump_dir /tmp
`)}
	}},
	{"tinyproxy", func(p *place) []string {
		return []string{"tinyproxy", "-d", "-c", p.config("tinyproxy.conf", "Port "+p.port()+"\nListen 127.0.0.1\nTimeout 60\nMaxClients 50\nLogLevel Error\n")}
	}},
}

// isProxied reports whether an address is "socks5:PROXY/TO" or "connect:PROXY/TO".
func isProxied(address string) bool {
	network, _ := cut(address)
	return network == "socks5" || network == "connect"
}

// dialProxied connects to such an address.
func dialProxied(address string) (net.Conn, error) {
	network, rest := cut(address)
	proxy, to, _ := strings.Cut(rest, "/")
	c, err := net.Dial("tcp", proxy)
	if err != nil {
		return nil, err
	}
	ask := askSOCKS
	if network == "connect" {
		ask = askCONNECT
	}
	if err := ask(c, to); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func askSOCKS(c net.Conn, to string) error {
	at, err := netip.ParseAddrPort(to)
	if err != nil {
		return err
	}
	if _, err := c.Write([]byte{5, 1, 0}); err != nil {
		return err
	}
	var b [10]byte
	if _, err := io.ReadFull(c, b[:2]); err != nil {
		return err
	}
	request := append([]byte{5, 1, 0, 1}, at.Addr().AsSlice()...)
	if _, err := c.Write(append(request, byte(at.Port()>>8), byte(at.Port()))); err != nil {
		return err
	}
	if _, err := io.ReadFull(c, b[:]); err != nil {
		return err
	}
	if b[1] != 0 {
		return fmt.Errorf("the SOCKS proxy answered %d", b[1])
	}
	return nil
}

func askCONNECT(c net.Conn, to string) error {
	if _, err := fmt.Fprintf(c, "CONNECT %s HTTP/1.1\r\nHost: %[1]s\r\n\r\n", to); err != nil {
		return err
	}
	answer := bufio.NewReader(c) // the sink says nothing that it could take
	for first := true; ; first = false {
		line, err := answer.ReadString('\n')
		switch {
		case err != nil:
			return err
		case first && !strings.Contains(line, " 200 "):
			return fmt.Errorf("the HTTP proxy answered %q", line)
		case strings.TrimSpace(line) == "":
			return nil
		}
	}
}
