// Package proxyproto is the layer pp of the address language: the PROXY protocol, a header
// at the beginning of a connection by which a proxy tells a server who has connected to
// it. After the header the connection is the one beneath, with other names.
//
// HAProxy defines the protocol in doc/proxy-protocol.txt of its source.
package proxyproto
