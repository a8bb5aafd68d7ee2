package xns

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"zocalo/socket"
)

// The bounds of a host.
const (
	maxSockets = 16384 // sockets in use at once
	loopFrames = 512   // packets to itself that wait; more are lost
	errorRate  = 100   // Errors sent in a second, and at once
)

// A Host is a station of the network: the sockets on one link.
type Host struct {
	link    Link
	id      HostID
	network atomic.Uint32 // 0 while it is not known

	mu      sync.RWMutex
	ports   map[uint16]port
	passive map[connectKey]*conn // connections that were made to this host
	closed  bool
	fault   error     // why the link ended, if it did
	loop    *selfLoop // packets to itself; nil until there is one

	owing []*conn // acknowledgements for a train; only the reader's

	done chan struct{} // closed with the host
	all  sync.WaitGroup

	errors struct {
		sync.Mutex
		left int
		last time.Time
	}
}

// A port is what is behind the number of a socket.
type port interface {
	// input takes a packet that is for the socket, and reports whether it
	// keeps the buffer. The data is a part of it.
	input(h *Header, data []byte, b *buffer) (kept bool)
	// failed tells of an Error about a packet that the socket sent.
	failed(e *fault)
	// hostClosed ends the socket: its host is gone.
	hostClosed()
}

// NewHost makes a host of a link, which it then owns.
func NewHost(l Link) *Host {
	h := &Host{link: l, id: l.Host(), ports: map[uint16]port{}, passive: map[connectKey]*conn{}, done: make(chan struct{})}
	h.errors.left = errorRate
	h.all.Go(h.read)
	return h
}

// ID returns the number of the host.
func (h *Host) ID() HostID { return h.id }

// Network returns the number of the network that the host is on, 0 while it is
// not known. It is known from the name of a socket that was bound.
func (h *Host) Network() uint32 { return h.network.Load() }

// Socket makes a socket of the host, of type Stream, SeqPacket or Datagram.
// The option link does not apply to it.
func (h *Host) Socket(t socket.Type) (*socket.Socket, error) {
	k := socket.Kind{Domain: Domain, Type: t}
	e, err := newEndpoint(k)
	if err != nil {
		return nil, err
	}
	e.(configurable).settings().host = h
	return socket.Wrap(e, k), nil
}

// Close ends the host at once, its sockets with it, and closes the link.
// Connections are not closed as their peers would like it: for that close
// their sockets first.
func (h *Host) Close() error {
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return net.ErrClosed
	}
	h.closed = true
	close(h.done)
	ports := h.takePorts()
	h.mu.Unlock()
	for _, p := range ports {
		p.hostClosed()
	}
	err := h.link.Close()
	h.all.Wait()
	return err
}

// takePorts empties the table. The caller holds mu.
func (h *Host) takePorts() (list []port) {
	for _, p := range h.ports {
		list = append(list, p)
	}
	clear(h.ports)
	clear(h.passive)
	return list
}

// read takes in packets until the link ends. If that is not the host's doing,
// its sockets end too.
func (h *Host) read() {
	read := func(bs []*buffer) (n int, err error) {
		bs[0].n, err = h.link.ReadFrame(bs[0].data[:])
		return 1, err
	}
	bs := make([]*buffer, 1, mostTrain)
	if l, ok := h.link.(trainLink); ok {
		read, bs = l.readTrain, bs[:mostTrain]
	}
	for i := range bs {
		bs[i] = newBuffer()
	}
	hdr := new(Header)
	for {
		n, err := read(bs)
		if err != nil {
			for _, b := range bs {
				b.free()
			}
			h.ended(err)
			return
		}
		for i, b := range bs[:n] {
			b.more = i < n-1
			if h.receive(hdr, b) {
				bs[i] = newBuffer()
			}
		}
		for i, c := range h.owing {
			c.acknowledge()
			h.owing[i] = nil
		}
		h.owing = h.owing[:0]
	}
}

// ended ends the sockets of a host whose link did.
func (h *Host) ended(err error) {
	h.mu.Lock()
	h.fault = err
	var ports []port
	if !h.closed {
		ports = h.takePorts()
	}
	h.mu.Unlock()
	for _, p := range ports {
		p.hostClosed()
	}
}

// receive handles one packet, and reports whether it keeps the buffer. The
// header is room for the packet's own.
func (h *Host) receive(hdr *Header, b *buffer) (kept bool) {
	err := hdr.parse(b.bytes())
	if err != nil && err != ErrChecksum {
		return false
	}
	if to := hdr.To.Host; to != h.id && !to.isGroup() {
		return false
	}
	if err == ErrChecksum {
		h.sendError(hdr, b, errBadChecksum, 0)
		return false
	}
	if own := h.network.Load(); own != 0 {
		if hdr.To.Net == 0 {
			hdr.To.Net = own
		}
		if hdr.From.Net == 0 {
			hdr.From.Net = own
		}
	}
	data := b.data[HeaderSize:hdr.Length]
	if hdr.Type == TypeError {
		h.errorInput(data)
		return false
	}
	h.mu.RLock()
	p := h.ports[hdr.To.Socket]
	h.mu.RUnlock()
	switch {
	case p != nil:
		return p.input(hdr, data, b)
	case hdr.To.Socket == SocketEcho && hdr.Type == TypeEcho:
		h.echo(hdr, data)
	default:
		h.sendError(hdr, b, errNoSocket, 0)
	}
	return false
}

// add puts a socket into the table, under that number or, if it is 0, one that
// is free.
func (h *Host) add(number uint16, p port) (uint16, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.closed:
		return 0, net.ErrClosed
	case h.fault != nil:
		return 0, os.NewSyscallError("bind", syscall.ENETDOWN)
	case len(h.ports) >= maxSockets:
		return 0, os.NewSyscallError("bind", syscall.ENOBUFS)
	}
	if number == 0 {
		const first, count = reservedSockets + 1, 65535 - reservedSockets
		start := rand.IntN(count)
		for i := range count {
			if n := uint16(first + (start+i)%count); h.ports[n] == nil {
				number = n
				break
			}
		}
	}
	if h.ports[number] != nil {
		return 0, os.NewSyscallError("bind", syscall.EADDRINUSE)
	}
	h.ports[number] = p
	return number, nil
}

// replace puts p where old is, if it is there.
func (h *Host) replace(number uint16, old, p port) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ports[number] != old {
		return false
	}
	h.ports[number] = p
	return true
}

func (h *Host) remove(number uint16, p port) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ports[number] == p {
		delete(h.ports, number)
	}
}

// local completes the name of a socket of this host.
func (h *Host) local(number uint16) Addr { return Addr{h.network.Load(), h.id, number} }

// setNetwork learns the network's number, if it is not known yet.
func (h *Host) setNetwork(n uint32) {
	if n != 0 {
		h.network.CompareAndSwap(0, n)
	}
}

// send sends a packet, complete with its checksum, to a host on the link.
func (h *Host) send(to HostID, packet []byte) error {
	if to == h.id {
		return h.sendToSelf(packet)
	}
	if to.isGroup() {
		if err := h.sendToSelf(packet); err != nil {
			return err
		}
	}
	err := h.link.WriteFrame(to, packet)
	if errno, ok := err.(syscall.Errno); ok {
		return os.NewSyscallError("sendto", errno)
	}
	return err
}

// sendTrain sends packets as send does, in one call where the link can.
func (h *Host) sendTrain(to HostID, packets [][]byte) error {
	l, ok := h.link.(trainLink)
	if ok && to != h.id && !to.isGroup() {
		err := l.writeTrain(to, packets)
		if errno, ok := err.(syscall.Errno); ok {
			return os.NewSyscallError("sendto", errno)
		}
		return err
	}
	for _, p := range packets {
		if err := h.send(to, p); err != nil {
			return err
		}
	}
	return nil
}

func (h *Host) sendToSelf(packet []byte) error {
	h.mu.RLock()
	loop, closed := h.loop, h.closed
	h.mu.RUnlock()
	if loop == nil && !closed {
		loop = h.startLoop()
	}
	if loop == nil {
		return net.ErrClosed
	}
	queue := loop.others
	if ofConnection(packet) {
		queue = loop.spp
	}
	b := newBuffer()
	b.set(packet)
	select {
	case queue <- b:
	default:
		b.free()
	}
	return nil
}

// ofConnection reports whether a packet is one of SPP, or an Error about such.
func ofConnection(packet []byte) bool {
	const quoted = HeaderSize + errPacketHeader
	if len(packet) >= quoted+HeaderSize && packet[5] == TypeError {
		packet = packet[quoted:]
	}
	return len(packet) >= HeaderSize && packet[5] == TypeSPP
}

// A selfLoop has what a host sends to itself. Connections have a queue of
// their own, so that a flood of datagrams does not lose their packets.
type selfLoop struct{ spp, others chan *buffer }

// startLoop starts what delivers packets of the host to itself.
func (h *Host) startLoop() *selfLoop {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.loop != nil || h.closed {
		return h.loop
	}
	loop := &selfLoop{make(chan *buffer, loopFrames), make(chan *buffer, loopFrames)}
	h.loop = loop
	h.all.Go(func() {
		hdr := new(Header)
		for {
			var b *buffer
			select {
			case b = <-loop.spp:
			case b = <-loop.others:
			case <-h.done:
				return
			}
			if !h.receive(hdr, b) {
				b.free()
			}
		}
	})
	return loop
}

// sendData makes a packet of a header and data, and sends it. A zero gateway
// means that the host is on this network.
func (h *Host) sendData(hdr Header, data [][]byte, gateway HostID) error {
	size := total(data)
	b := newBuffer()
	defer b.free()
	hdr.Length = HeaderSize + size
	hdr.put(b.data[:])
	gather(b.data[HeaderSize:hdr.Length], data, 0)
	h.finish(b, hdr.Length, !hdr.Unchecked)
	return h.send(h.nextHop(hdr.To, gateway), b.bytes())
}

// finish pads a packet and gives it its checksum.
func (h *Host) finish(b *buffer, length int, checked bool) {
	b.n = padded(length)
	if b.n > length {
		b.data[length] = 0
	}
	if checked {
		seal(b.bytes())
	}
}

// nextHop returns which host on the link takes a packet on its way: the
// gateway, if there is one and the packet is for another network.
func (h *Host) nextHop(to Addr, gateway HostID) HostID {
	if own := h.network.Load(); gateway.IsZero() || to.Net == 0 || to.Net == own {
		return to.Host
	}
	return gateway
}

// String returns what the host is, for messages.
func (h *Host) String() string {
	return fmt.Sprintf("host %v on network %s", h.id, formatHex(uint64(h.Network())))
}
