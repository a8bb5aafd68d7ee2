//go:build unix

package xns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"

	"golang.org/x/sys/unix"

	"zocalo/socket"
)

// ethernet is a link on an interface, by AF_PACKET: see packet(7).
type ethernet struct {
	id  HostID
	s   *socket.Socket
	raw syscall.RawConn
	in  [1 << 16]byte
}

func openEthernet(_ context.Context, id HostID, name string) (Link, error) {
	ifi, err := net.InterfaceByName(name)
	if err != nil {
		return nil, err
	}
	if len(ifi.HardwareAddr) != 6 {
		return nil, fmt.Errorf("interface %s is not Ethernet: it has no 6-byte address", name)
	}
	own := HostID(ifi.HardwareAddr)
	if !id.IsZero() && id != own {
		return nil, fmt.Errorf("host %v is not interface %s, whose number is %v: omit the host: %w", id, name, own, syscall.EADDRNOTAVAIL)
	}
	s, err := socket.New(socket.Packet, socket.Raw, 0)
	if errors.Is(err, syscall.EPERM) {
		err = fmt.Errorf("%w: raw Ethernet frames need CAP_NET_RAW: run as root, or use setcap cap_net_raw+ep", err)
	}
	if err != nil {
		return nil, err
	}
	e := &ethernet{id: own, s: s}
	if err = s.Bind(socket.PacketName(ifi.Index, EtherType, nil)); err == nil {
		e.raw, err = s.SyscallConn()
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return e, nil
}

func (e *ethernet) Host() HostID { return e.id }

func (e *ethernet) ReadFrame(b []byte) (int, error) {
	for {
		n, err := e.s.Read(e.in[:])
		switch {
		case errors.Is(err, net.ErrClosed):
			return 0, net.ErrClosed
		case errors.Is(err, syscall.ENETDOWN): // told once; the interface may come back
			continue
		case err != nil:
			return 0, err
		}
		packet, ours := ethernetPayload(e.in[:n], e.id)
		if ours && len(packet) <= MaxPacket && HostID(e.in[6:12]) != e.id {
			return copy(b, packet), nil
		}
	}
}

func (e *ethernet) WriteFrame(to HostID, packet []byte) error {
	f := newBuffer()
	defer f.free()
	f.n = putEthernet(f.data[:], to, e.id, packet)
	if f.n < 60 { // the least of an Ethernet frame
		clear(f.data[f.n:60])
		f.n = 60
	}
	var err error
	if closed := e.raw.Control(func(fd uintptr) { _, err = unix.Write(int(fd), f.bytes()) }); closed != nil {
		return net.ErrClosed
	}
	switch err {
	case nil, unix.EAGAIN, unix.ENOBUFS:
		return nil
	case unix.EMSGSIZE:
		return syscall.EMSGSIZE
	}
	return syscall.ENETUNREACH
}

func (e *ethernet) Close() error { return e.s.Close() }
