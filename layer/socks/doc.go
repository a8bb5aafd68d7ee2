// Package socks is the layers of SOCKS in the address language: on, through a proxy, to
// somewhere else, as in socks5+tcp:jump:1080,to=db:5432 (for which socks5: is short),
// and a proxy itself, as in socks-listen:1080. A program has them by importing
// the package:
//
//	import _ "zocalo/layer/socks"
//
// docs/layers.md lists their options. They step aside once the proxy has answered, and
// leave the socket beneath as it was; over datagrams, which all have a header in
// SOCKS 5, socks5 stays.
package socks
