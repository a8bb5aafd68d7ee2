// Package socks is the layers of SOCKS in the address language. They connect through a
// proxy, as in socks5+tcp:jump:1080,to=db:5432 (socks5: for short), and are a proxy
// themselves, as in socks-listen:1080. Importing the package adds them to a program:
//
//	import _ "zocalo/layer/socks"
//
// docs/layers.md lists their options. They step aside once the proxy has answered. Only
// over datagrams does socks5 stay, since each datagram has a header.
package socks
