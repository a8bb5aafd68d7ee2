// Package accept is what loops that accept connections, or receive datagrams, share,
// whatever they do with them: bounds for each peer, refusals, pauses, how peers are told
// of.
package accept
