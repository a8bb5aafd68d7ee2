package xns

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// ethernet is a link on an interface, by AF_PACKET: see packet(7).
type ethernet struct {
	id   HostID
	file *os.File // so that the runtime waits for it
	raw  syscall.RawConn
	in   [1 << 16]byte
}

func openEthernet(_ context.Context, id HostID, name string) (Link, error) {
	ifi, err := net.InterfaceByName(name)
	if err != nil {
		return nil, err
	}
	if len(ifi.HardwareAddr) != 6 {
		return nil, fmt.Errorf("interface %s is no Ethernet: it has no address of 6 octets", name)
	}
	own := HostID(ifi.HardwareAddr)
	if !id.IsZero() && id != own {
		return nil, fmt.Errorf("host %v is not interface %s, whose number is %v: leave the host away: %w", id, name, own, syscall.EADDRNOTAVAIL)
	}
	protocol := binary.NativeEndian.Uint16([]byte{EtherType >> 8, EtherType & 0xff}) // in network order
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, int(protocol))
	if err != nil {
		err = os.NewSyscallError("socket", err)
		if errors.Is(err, unix.EPERM) {
			err = fmt.Errorf("%w: frames of a link need CAP_NET_RAW: run as root, or use setcap cap_net_raw+ep", err)
		}
		return nil, err
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: protocol, Ifindex: ifi.Index}); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("bind", err)
	}
	e := &ethernet{id: own, file: os.NewFile(uintptr(fd), "packet "+name)}
	if e.raw, err = e.file.SyscallConn(); err != nil {
		e.file.Close()
		return nil, err
	}
	return e, nil
}

func (e *ethernet) Host() HostID { return e.id }

func (e *ethernet) ReadFrame(b []byte) (int, error) {
	for {
		n, err := e.file.Read(e.in[:])
		switch {
		case errors.Is(err, os.ErrClosed):
			return 0, net.ErrClosed
		case errors.Is(err, unix.ENETDOWN): // told once; the interface may come back
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

func (e *ethernet) Close() error { return e.file.Close() }
