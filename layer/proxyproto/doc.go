// Package proxyproto is the layer pp of addresses: the PROXY protocol, by which a
// proxy tells a server who has connected to it, in a header before all else. Once it
// has passed the connection is the one beneath, with other names.
//
// The protocol is HAProxy's: doc/proxy-protocol.txt in its source.
package proxyproto
