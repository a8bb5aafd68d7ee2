package socket

import (
	"net"
	"runtime"
	"strings"
)

func init() { Register(unixFamily()) }

func (k *kernel) KeepFile(kept bool) { k.keepsFile.Store(kept) }

func (k *kernel) KeepsFile() bool { return k.keepsFile.Load() }

func unixFamily() *Family {
	return &Family{
		Name:       "unix",
		Domains:    map[Domain]string{Unix: "AF_UNIX"},
		New:        openKernel,
		Pair:       pairKernel,
		FormatName: func(n Name) string { return strings.ReplaceAll(n.Path(), ",", ",,") },
		NetAddr:    unixNetAddr,
		KindName: func(k Kind) string {
			return map[Type]string{Stream: "unix", Datagram: "unix-dgram", SeqPacket: "unix-seqpacket"}[k.Type]
		},
		Properties: unixProperties,
		Kinds: map[string]Kind{
			"unix": {Domain: Unix, Type: Stream}, "unix-dgram": {Domain: Unix, Type: Datagram}, "unix-seqpacket": {Domain: Unix, Type: SeqPacket},
		},
	}
}

func unixProperties(k Kind) Properties {
	p := Properties{Reliable: true, Ordered: true, Unduplicated: true, Connected: k.Type != Datagram, Bounded: k.Type.Bounded()}
	if k.Type == Stream && unixUrgent() {
		p.Urgent = 1
	}
	return p
}

func unixNetAddr(n Name, k Kind) net.Addr {
	network := map[Type]string{Stream: "unix", Datagram: "unixgram", SeqPacket: "unixpacket"}[k.Type]
	if network == "" {
		return nil
	}
	path := n.Path()
	if path == "" && runtime.GOOS == "linux" {
		path = "@" // as package net has it
	}
	return &net.UnixAddr{Name: path, Net: network}
}
