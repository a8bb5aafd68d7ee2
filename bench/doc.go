// Package bench measures sockets of every kind: throughput, round trips,
// connections, and what an unreliable kind loses, with the distribution of
// each and the conditions that they hang on.
package bench
