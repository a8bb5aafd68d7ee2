// Package sni is the layer sni of addresses: a listener that hears which name a TLS
// client asks for, and leaves the TLS to whom the connection is passed on to. The
// client's first message is looked at, and not taken.
package sni
