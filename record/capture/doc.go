// Package capture reads the recordings of others and of ours back into what the
// programs said: conversations, each with what its two sides sent, in order and with
// the times at which it passed.
//
// [Read] goes once through a file of pcapng or classic pcap (zocalo/record, tcpdump,
// Wireshark, any system's), with Ethernet, VLANs, Linux's cooked captures, loopback or
// bare IP, or Wireshark's exported PDUs as zocalo/record writes them. It puts together
// fragments of IPv4 and IPv6, and the streams of TCP, whatever was sent again, came
// late or overlapped; what the file lacks is a [Gap] and never silently absent.
// Datagrams keep their boundaries.
//
// What is held is bounded, for each conversation and in all. Bad files cost an error.
//
// It is not for live capture, and knows no protocol above TCP and UDP. Playing
// conversations is package zocalo/record/replay.
package capture
