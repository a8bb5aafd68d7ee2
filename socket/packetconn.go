package socket

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"syscall"
	"time"

	"zocalo/internal/sys"
)

// PacketConn returns a message socket as a net.PacketConn: what it sends goes
// where WriteTo says, or to the connected peer with Write. For an internet
// datagram socket it has the further methods of a *net.UDPConn that
// quic-go and golang.org/x/net/ipv4 look for, so that these batch and
// segment as over package net. Closing it closes the socket.
//
// ReadFrom returns [ErrTruncated], which is temporary, for a message longer
// than the buffer.
func (s *Socket) PacketConn() net.PacketConn {
	j, _ := As[joiner](s.endpoint)
	if k, ok := As[controlMessenger](s.endpoint); ok && s.kind.Type == Datagram && s.kind.Domain != Unix {
		return &udpConn{packetConn{s, j}, k}
	}
	return &packetConn{s, j}
}

type packetConn struct {
	s *Socket
	j joiner // nil where datagrams are never joined
}

var messages = sync.Pool{New: func() any { return new(Message) }}

func (c *packetConn) ReadFrom(b []byte) (int, net.Addr, error) {
	n, peer, err := c.readFrom(b)
	if peer.IsZero() {
		return n, nil, err
	}
	return n, peer.NetAddr(c.s.kind), err
}

func (c *packetConn) readFrom(b []byte) (int, Name, error) {
	if c.j != nil {
		if err := c.j.refuseJoined(); err != nil {
			return 0, Name{}, c.s.failed("read", err)
		}
	}
	m := messages.Get().(*Message)
	m.SetData(b)
	err := c.s.Receive(m)
	n, peer := m.N, m.Peer
	if err != nil && !errors.Is(err, ErrTruncated) {
		n, peer = 0, Name{}
	}
	putMessage(m)
	return n, peer, err
}

func putMessage(m *Message) {
	m.Ancillary.CloseFiles() // a PIDFD, which nobody asked this method for
	clear(m.Buffers)
	*m = Message{Buffers: m.Buffers[:0], Ancillary: Ancillary{memory: m.Ancillary.memory[:0]}}
	messages.Put(m)
}

func (c *packetConn) WriteTo(b []byte, to net.Addr) (int, error) {
	peer, err := NameOf(to)
	if err != nil {
		return 0, c.s.failed("write", err)
	}
	return c.writeTo(b, peer)
}

func (c *packetConn) writeTo(b []byte, peer Name) (int, error) {
	m := messages.Get().(*Message)
	m.SetData(b)
	m.Peer = peer
	n, err := c.s.Send(m)
	putMessage(m)
	return n, err
}

func (c *packetConn) Read(b []byte) (int, error) { return c.s.Read(b) }

func (c *packetConn) Write(b []byte) (int, error) { return c.s.Write(b) }

func (c *packetConn) Close() error { return c.s.Close() }

func (c *packetConn) LocalAddr() net.Addr { return c.s.LocalAddr() }

func (c *packetConn) RemoteAddr() net.Addr { return c.s.RemoteAddr() }

func (c *packetConn) SetDeadline(t time.Time) error { return c.s.SetDeadline(t) }

func (c *packetConn) SetReadDeadline(t time.Time) error { return c.s.SetReadDeadline(t) }

func (c *packetConn) SetWriteDeadline(t time.Time) error { return c.s.SetWriteDeadline(t) }

func (c *packetConn) SyscallConn() (syscall.RawConn, error) { return c.s.SyscallConn() }

func (c *packetConn) SetReadBuffer(n int) error { return c.setBuffer("SO_RCVBUF", sys.SO_RCVBUF, n) }

func (c *packetConn) SetWriteBuffer(n int) error { return c.setBuffer("SO_SNDBUF", sys.SO_SNDBUF, n) }

func (c *packetConn) setBuffer(constant string, name, n int) error {
	start := c.s.now()
	raw, err := c.s.SyscallConn()
	if err != nil {
		return err
	}
	var errno syscall.Errno
	if err = raw.Control(func(fd uintptr) { errno = sys.SetInt(int(fd), sys.SOL_SOCKET, name, n) }); err == nil {
		err = sys.Error("setsockopt", errno)
	}
	if c.s.trace != nil {
		c.s.tracedFrom(start, "setsockopt", constant+", "+strconv.Itoa(n), 0, "", err)
	}
	return err
}

// A controlMessenger passes ancillary data as the bytes of cmsg(3), as the
// methods of package net do.
type controlMessenger interface {
	receiveControl(b, control []byte) (n, controlled, flags int, peer Name, err error)
	sendControl(b, control []byte, peer Name) (int, error)
}

// udpConn adds the methods that those who want more of a *net.UDPConn look
// for.
type udpConn struct {
	packetConn
	k controlMessenger
}

func (c *udpConn) ReadMsgUDP(b, oob []byte) (n, oobn, flags int, addr *net.UDPAddr, err error) {
	n, oobn, flags, peer, err := c.k.receiveControl(b, oob)
	if err != nil {
		return 0, 0, 0, nil, c.s.failed("read", err)
	}
	return n, oobn, flags, net.UDPAddrFromAddrPort(peer.AddrPort()), nil
}

func (c *udpConn) ReadMsgUDPAddrPort(b, oob []byte) (n, oobn, flags int, addr netip.AddrPort, err error) {
	n, oobn, flags, peer, err := c.k.receiveControl(b, oob)
	if err != nil {
		return 0, 0, 0, netip.AddrPort{}, c.s.failed("read", err)
	}
	return n, oobn, flags, peer.AddrPort(), nil
}

func (c *udpConn) WriteMsgUDP(b, oob []byte, addr *net.UDPAddr) (n, oobn int, err error) {
	var peer netip.AddrPort
	if addr != nil {
		peer = addr.AddrPort()
	}
	return c.WriteMsgUDPAddrPort(b, oob, peer)
}

func (c *udpConn) WriteMsgUDPAddrPort(b, oob []byte, addr netip.AddrPort) (n, oobn int, err error) {
	peer := inetPeer(addr)
	if n, err = c.k.sendControl(b, oob, peer); err != nil {
		return 0, 0, c.s.failedTo("write", peer, err)
	}
	return n, len(oob), nil
}

func (c *udpConn) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	n, peer, err := c.readFrom(b)
	return n, peer.AddrPort(), err
}

func (c *udpConn) WriteToUDPAddrPort(b []byte, addr netip.AddrPort) (int, error) {
	return c.writeTo(b, inetPeer(addr))
}

// inetPeer is InetName for whom an IPv4 address that is mapped into IPv6, as
// net.ParseIP gives them, is an IPv4 address.
func inetPeer(ap netip.AddrPort) Name {
	return InetName(netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()))
}

func (k *kernel) receiveControl(b, control []byte) (n, controlled, flags int, peer Name, err error) {
	if err := k.begin(context.Background(), &k.read); err != nil {
		return 0, 0, 0, Name{}, err
	}
	defer k.end(&k.read)
	r := k.receiving.messages()
	kept := r.control
	r.control = control
	r.msg.SetBuffer(b)
	r.flags = k.receiveFlags()
	errno, err := k.do(&k.read, r)
	r.control = kept
	if err == nil && errno == 0 {
		n, controlled, flags = r.n, len(r.msg.Control), r.msg.Flags
		peer.setSockaddr(&r.msg.Name)
	}
	r.msg.Control = nil
	r.msg.ClearBuffers()
	return n, controlled, flags, peer, firstError(err, "recvmsg", errno)
}

func (k *kernel) sendControl(b, control []byte, peer Name) (int, error) {
	if err := k.begin(context.Background(), &k.write); err != nil {
		return 0, err
	}
	defer k.end(&k.write)
	s := k.sending.messages()
	s.msg.Name.Len = 0
	if !peer.IsZero() {
		if err := k.sockaddr(&peer, &s.msg.Name); err != nil {
			return 0, err
		}
	}
	s.msg.Control, s.flags = control, 0
	s.msg.SetBuffer(b)
	n, err := k.sendmsg("sendmsg", nil)
	s.msg.Control = nil // the caller's memory
	s.msg.ClearBuffers()
	return n, err
}

// NameOf returns the name that package net writes as a: of a *net.TCPAddr,
// *net.UDPAddr, *net.IPAddr, *net.UnixAddr or [NameAddr]. An IPv4 address
// mapped into IPv6 becomes one in [Inet]. A nil pointer, and an internet address
// without its IP, are errors.
func NameOf(a net.Addr) (Name, error) {
	var ap netip.AddrPort
	switch a := a.(type) {
	case NameAddr:
		return a.Name, nil
	case *net.TCPAddr:
		ap = a.AddrPort()
	case *net.UDPAddr:
		ap = a.AddrPort()
	case *net.IPAddr:
		if a != nil {
			ip, _ := netip.AddrFromSlice(a.IP)
			ap = netip.AddrPortFrom(ip.WithZone(a.Zone), 0)
		}
	case *net.UnixAddr:
		if a == nil {
			return Name{}, errors.New("a unix address that is nil names no socket")
		}
		if a.Name == "@" { // which UnixAddr says of the unnamed
			return UnixName("")
		}
		return UnixName(a.Name)
	default:
		return Name{}, fmt.Errorf("an address of type %T has no name here", a)
	}
	if !ap.IsValid() {
		return Name{}, fmt.Errorf("the %T %v has no IP address", a, a)
	}
	return inetPeer(ap), nil
}

// in returns an IPv4 name as a socket of domain d must have it: mapped into
// IPv6 (RFC 4291 section 2.5.5.2) for Inet6.
func (n Name) in(d Domain) Name {
	if d != Inet6 || n.domain != Inet {
		return n
	}
	v6 := netip.AddrFrom16(netip.AddrFrom4([4]byte(n.data[inetAddr:])).As16())
	return InetName(netip.AddrPortFrom(v6, n.port()))
}
