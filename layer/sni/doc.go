// Package sni is the layer sni of the address language: a listener that learns which name
// a TLS client asks for and leaves TLS itself to whoever the connection is passed to. It
// peeks at the ClientHello and consumes nothing.
package sni
