// Package interop holds tests against programs that come as Go modules: net/http, gRPC's
// cases, x/crypto/ssh and NATS over every kind of carrier, HTTP/3 over a PacketConn, and an
// ACME authority. It is a module of its own, so that what they need is not what the
// library needs.
package interop
