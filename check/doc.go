// Package check tries out what kinds of socket promise: for every property an
// experiment on real sockets, which says what was sent and what was seen.
//
// [Run] takes the kinds of this machine by name and returns a [Report], which
// goes to JSON as it is, or to people by [Report.WriteTable]. [Try] does the
// same for one [Source], so that the author of a new family, or a test, can
// hand in sockets of its own. A source is found for every scheme whose endpoint
// is a host and port, a path or a name, as its Endpoint says (host:port, path,
// name), so a family that the program imports is tried as well.
//
// The experiments, by the properties that they judge:
//
//   - reliable, ordered, unduplicated, intact: numbered messages with checked
//     content, under load
//   - bounded: sends of different sizes that stay apart, or not; largest: the
//     largest message, and one byte more
//   - urgent: an urgent byte that comes ahead of what is unread
//   - connected, nobody: sending without a connection, and with nobody there
//   - slow: a receiver that does not read
//   - queue, waiting: clients that come before accept; calls that wait, and
//     what wakes them
//   - names, ways, reach, descriptors: what a connection is made of, and how
//     far it goes
//   - speed: a throughput and a round trip
//
// A verdict never depends on how fast the machine is: what should come is
// waited for with patience, and only what never came is held against a kind.
// An experiment that could not be made, because a call failed that says
// nothing about the property, is an error and not a broken promise.
//
// The package measures nothing for comparison: the figures of speed are rough,
// and package bench is for the exact ones.
package check
