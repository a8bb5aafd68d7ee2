package proxyproto

import (
	"bytes"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"zocalo/socket"
)

// parse1 reads a header of version 1, a line of text.
func parse1(data []byte) (h header, n int, err error) {
	end := bytes.IndexByte(data[:min(len(data), longest1)], '\n')
	switch {
	case end < 0 && len(data) >= longest1:
		return h, 0, malformed("its line has more than %d bytes", longest1)
	case end < 0:
		return h, 0, nil
	case end < len(signature1) || data[end-1] != '\r':
		return h, 0, malformed("its line does not end with CR and LF")
	}
	words := strings.Split(string(data[:end-1]), " ")
	n = end + 1
	if words[1] == "UNKNOWN" { // the rest has no meaning
		return h, n, nil
	}
	if len(words) != 6 || words[1] != "TCP4" && words[1] != "TCP6" {
		return h, 0, malformed("%q is not PROXY, TCP4 or TCP6, two addresses and two ports", data[:end-1])
	}
	var names [2]socket.Name
	for i := range names {
		a, err := netip.ParseAddr(words[2+i])
		if err != nil || a.Zone() != "" || a.Is4() != (words[1] == "TCP4") {
			return h, 0, malformed("%q is not an address of %s", words[2+i], words[1])
		}
		port, err := parsePort(words[4+i])
		if err != nil {
			return h, 0, err
		}
		names[i] = socket.InetName(netip.AddrPortFrom(a.Unmap(), port))
	}
	return header{told: true, peer: names[0], local: names[1]}, n, nil
}

func parsePort(word string) (uint16, error) {
	p, err := strconv.ParseUint(word, 10, 16)
	if err != nil || strconv.FormatUint(p, 10) != word {
		return 0, malformed("%q is not a port", word)
	}
	return uint16(p), nil
}

// append1 appends a header of version 1, which knows only IP addresses.
func (h header) append1(b []byte) []byte {
	peer, local := h.peer.AddrPort(), h.local.AddrPort()
	if !h.told || !peer.IsValid() || !local.IsValid() {
		return append(b, "PROXY UNKNOWN\r\n"...)
	}
	from, to, word := peer.Addr().Unmap().WithZone(""), local.Addr().Unmap().WithZone(""), "TCP4"
	if !from.Is4() || !to.Is4() {
		word = "TCP6"
	}
	return fmt.Appendf(b, "PROXY %s %s %s %d %d\r\n", word, text1(from, word), text1(to, word), peer.Port(), local.Port())
}

// text1 returns an address in the form of the word.
func text1(a netip.Addr, word string) string {
	if a.Is4() && word == "TCP6" {
		return "::ffff:" + a.String()
	}
	return a.String()
}
