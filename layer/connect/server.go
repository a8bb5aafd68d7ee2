package connect

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"zocalo/layer/internal/proxy"
	"zocalo/socket"
)

// Protocol is CONNECT on the side of the proxy.
var Protocol = proxy.Protocol{
	Name: "HTTP", Begins: func(b byte) bool { return b >= 'A' && b <= 'Z' }, Serve: serve,
}

func serve(c *proxy.Conn) (*socket.Socket, error) {
	head, err := c.Until(longestHead, "\n\r\n", "\n\n")
	if err != nil && len(head) >= longestHead {
		return nil, refuse(c, "431 Request Header Fields Too Large", "", err)
	}
	if err != nil {
		return nil, err
	}
	line, headers, _ := strings.Cut(string(head), "\n")
	words := strings.Fields(line)
	if len(words) != 3 || !strings.HasPrefix(words[2], "HTTP/1.") {
		return nil, refuse(c, "400 Bad Request", "", fmt.Errorf("the peer does not speak HTTP/1.1: its request begins with %.40q", line))
	}
	if words[0] != "CONNECT" {
		return nil, refuse(c, "405 Method Not Allowed", "Allow: CONNECT\r\n",
			fmt.Errorf("the peer's method is %.20q, and only CONNECT is supported: with curl, give --proxytunnel", words[0]))
	}
	user, err := authenticate(c, headers)
	if err != nil {
		return nil, err
	}
	to, err := proxy.ParseDestination(words[1])
	if err != nil {
		return nil, refuse(c, "400 Bad Request", "", err)
	}
	return c.Ask(to, user, func(_ netip.AddrPort, why error) error {
		if why != nil {
			return write(c, statuses[proxy.FailureOf(why)], "", "the proxy did not connect to "+to.String())
		}
		_, err := io.WriteString(c, "HTTP/1.1 200 Connection established\r\n\r\n")
		return err
	}), nil
}

var statuses = map[proxy.Failure]string{
	proxy.NotPermitted:       "403 Forbidden",
	proxy.TimedOut:           "504 Gateway Timeout",
	proxy.Refused:            "502 Bad Gateway",
	proxy.HostUnreachable:    "502 Bad Gateway",
	proxy.NetworkUnreachable: "502 Bad Gateway",
	proxy.NotSupported:       "502 Bad Gateway",
	proxy.Other:              "502 Bad Gateway",
}

// authenticate checks who asks, if that matters.
func authenticate(c *proxy.Conn, headers string) (user string, err error) {
	if !c.Users.Needed() {
		return "", nil
	}
	value, given := find(headers, "Proxy-Authorization")
	scheme, encoded, _ := strings.Cut(value, " ")
	text, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	user, password, ok := strings.Cut(string(text), ":")
	known := false
	if err == nil && ok && strings.EqualFold(scheme, "Basic") {
		if known, err = c.Users.Know(user, password); err != nil {
			return "", refuse(c, "500 Internal Server Error", "", err)
		}
	}
	if known {
		return user, nil
	}
	why := errors.New("the peer sent no user and password, and users= requires them")
	if given {
		why = fmt.Errorf("user %q gave a wrong password, or is not in users=", user)
	}
	return "", refuse(c, "407 Proxy Authentication Required", "Proxy-Authenticate: Basic realm=\"proxy\"\r\n", why)
}

// refuse answers with a status.
func refuse(c *proxy.Conn, status, headers string, why error) error {
	write(c, status, headers, status[len("400 "):])
	return proxy.Told{Err: why}
}

func write(c *proxy.Conn, status, headers, text string) error {
	_, err := fmt.Fprintf(c, "HTTP/1.1 %s\r\n%sConnection: close\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s\n",
		status, headers, len(text)+1, text)
	return err
}
