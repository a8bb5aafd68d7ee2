// Package record writes what passes through a relay into files that Wireshark, tshark
// and tcpdump read (pcapng), for every kind of socket.
//
//	rec, err := record.Create("talk.pcapng", record.Options{})
//	...
//	defer rec.Close()
//	r := &relay.Relay{Config: config}
//	rec.Hook(&r.Hooks)
//	err = r.Run(ctx)
//
// [Recorder.Hook] is for relays; [Recorder.Begin] and [Pair.Filter] for whoever joins two
// ends by package join. It is no capture of an interface: what it sees are
// the bytes and messages that programs sent, above TLS and whatever other layer; those beneath the
// layers of an address are [Recorder.Wire]'s. Reading recordings is for record/capture, and
// sending them again for record/replay.
//
// # What is in a file
//
// A pair is one conversation, between whoever came and what was reached, as if nothing stood
// between them; the place is that of a capture beside the end that came, whose address is the
// name of the interface. A piece is there as its sender sent it, ahead of what filters of the
// relay do to it.
//
//   - The packets begin with IP (LINKTYPE_RAW), whose addresses are those of the sockets. Where no
//     end of the pair is on the Internet they are made up: 240.0.0.1 and so on for what was reached, one
//     for each name, and 241.0.0.1 and so on for who came, one for each pair, with names in the file that
//     say who it is. The port of such an end is that of the service where its name tells it, as 5432 for
//     .s.PGSQL.5432.
//   - Streams, and messages of connected kinds, are TCP: the handshake as the pair begins, FIN and
//     RST as its ends did. PSH marks the end of a read or of a message. Datagrams are UDP; of those
//     that are longer than UDP knows, the first 65507 bytes are kept.
//   - Connections of ISO transport have its headers anew (RFC 1006), so that what is above them is
//     dissected.
//   - The first packet of a pair has a comment that tells what it is: pair, kind, client, server, and as far
//     as known at, reached, from, process; messages=yes where a stream is one of messages. A
//     pair that did not end in order has one on its last packet, which says how it ended.
//   - Statistics at the end of the file tell how many packets passed at each interface, and how many of
//     them are lacking.
//
// # Bounds
//
// What passes waits in a queue of bounded size for the file. [Options] say what happens where it
// is full. An error of the file, as that of a full disk, ends the recording with one line in the log, and nothing else.
//
// How the parts fit: a [Recorder] has a sink, which has the queue, and an output, which has the
// files (sink.go, output.go); a [Pair] makes packets (pair.go, packet.go, tpkt.go) in the memory of the sink.
package record
