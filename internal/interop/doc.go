// Package interop holds tests against programs that come as Go modules. It is a module
// of its own, so that what they need is not what the library needs.
package interop
