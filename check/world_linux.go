package check

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"zocalo/internal/units"
)

// A world is two network namespaces with a wire between them, made when first
// asked for. Each lives on a thread of its own, as a namespace belongs to a
// thread; a socket stays in the one where it was made. With the thread and the
// sockets the namespace goes, and with it its end of the wire.
type world struct {
	once sync.Once
	err  error
	ends [2]*namespace
}

func newWorld() *world { return &world{} }

// ready makes the world if need be. A *worldError says that it cannot be.
func (w *world) ready() error {
	w.once.Do(func() {
		if err := w.make(); err != nil {
			w.err = &worldError{err}
		}
	})
	return w.err
}

// in runs f on the thread of a namespace, and returns when it is done.
func (w *world) in(i int, f func()) { w.ends[i].do(f) }

func (w *world) close() {
	for _, n := range w.ends {
		if n != nil {
			close(n.work)
			<-n.gone
		}
	}
}

func (w *world) make() (err error) {
	for i := range w.ends {
		if w.ends[i], err = newNamespace(); err != nil {
			return err
		}
	}
	far := w.ends[1].handle
	w.in(0, func() { err = layWire(far) })
	for i := range w.ends {
		if err == nil {
			w.in(i, func() { err = raiseWire(i) })
		}
	}
	for i := range w.ends {
		if err == nil {
			w.in(i, func() { err = awaitWire() })
		}
	}
	return err
}

// A namespace is a thread in a network namespace of its own.
type namespace struct {
	work   chan func()
	gone   chan struct{}
	handle *os.File // names the namespace to others
}

func newNamespace() (*namespace, error) {
	n := &namespace{work: make(chan func()), gone: make(chan struct{})}
	made := make(chan error)
	go func() {
		defer close(n.gone)
		// Never unlocked, so that the thread ends with the goroutine: no other
		// may run where this one is.
		runtime.LockOSThread()
		err := os.NewSyscallError("unshare", unix.Unshare(unix.CLONE_NEWNET))
		if err == nil {
			n.handle, err = os.Open("/proc/thread-self/ns/net")
		}
		made <- err
		if err != nil {
			return
		}
		defer n.handle.Close()
		for f := range n.work {
			f()
		}
	}()
	if err := <-made; err != nil {
		<-n.gone
		return nil, err
	}
	return n, nil
}

func (n *namespace) do(f func()) {
	done := make(chan struct{})
	n.work <- func() { defer close(done); f() }
	<-done
}

// wire is the name of the interface at either end of the wire.
const wire = "wire"

// vethPeer is VETH_INFO_PEER of linux/veth.h.
const vethPeer = 1

// layWire makes a pair of virtual Ethernet devices, one end here, the other in
// the namespace of that handle: rtnetlink(7).
func layWire(far *os.File) error {
	peer := netlink.NewAttributeEncoder()
	peer.String(unix.IFLA_IFNAME, wire)
	peer.Uint32(unix.IFLA_NET_NS_FD, uint32(far.Fd()))
	attributes, err := peer.Encode()
	if err != nil {
		return err
	}
	near := netlink.NewAttributeEncoder()
	near.String(unix.IFLA_IFNAME, wire)
	near.Nested(unix.IFLA_LINKINFO, func(info *netlink.AttributeEncoder) error {
		info.String(unix.IFLA_INFO_KIND, "veth")
		info.Nested(unix.IFLA_INFO_DATA, func(data *netlink.AttributeEncoder) error {
			data.Bytes(vethPeer, append(make([]byte, unix.SizeofIfInfomsg), attributes...))
			return nil
		})
		return nil
	})
	return route(unix.RTM_NEWLINK, netlink.Create|netlink.Excl, make([]byte, unix.SizeofIfInfomsg), near)
}

// raiseWire gives this end of the wire its addresses, and turns it on.
func raiseWire(i int) error {
	// The wire is the second interface of a new namespace, after lo; ask
	// rather than guess, since a kernel may make others.
	ifi, err := net.InterfaceByName(wire)
	if err != nil {
		return err
	}
	index := uint32(ifi.Index)
	header := make([]byte, unix.SizeofIfInfomsg)
	putNative(header[4:], index)        // ifi_index
	putNative(header[8:], unix.IFF_UP)  // ifi_flags
	putNative(header[12:], unix.IFF_UP) // ifi_change
	if err := route(unix.RTM_NEWLINK, 0, header, netlink.NewAttributeEncoder()); err != nil {
		return err
	}
	for _, v6 := range []bool{false, true} {
		address := worldAddress(i, v6).AsSlice()
		header := []byte{unix.AF_INET, 24, 0, 0, 0, 0, 0, 0} // family, prefix length, flags, scope, index
		if v6 {
			// Ready at once: nobody else can have it.
			header[0], header[1], header[2] = unix.AF_INET6, 64, unix.IFA_F_NODAD
		}
		putNative(header[4:], index)
		e := netlink.NewAttributeEncoder()
		e.Bytes(unix.IFA_LOCAL, address)
		e.Bytes(unix.IFA_ADDRESS, address)
		err := route(unix.RTM_NEWADDR, netlink.Create|netlink.Excl, header, e)
		if err != nil && !v6 { // a kernel without IPv6 can still do the other
			return err
		}
	}
	return nil
}

// route makes one rtnetlink request, and waits for its acknowledgement.
func route(kind netlink.HeaderType, flags netlink.HeaderFlags, header []byte, e *netlink.AttributeEncoder) error {
	attributes, err := e.Encode()
	if err != nil {
		return err
	}
	c, err := netlink.Dial(unix.NETLINK_ROUTE, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Execute(netlink.Message{
		Header: netlink.Header{Type: kind, Flags: netlink.Request | netlink.Acknowledge | flags},
		Data:   append(header, attributes...),
	})
	if err != nil {
		return fmt.Errorf("rtnetlink: %w", err)
	}
	return nil
}

// awaitWire waits until this end carries frames: the kernel turns an interface
// on a while after it has found the other end.
func awaitWire() error {
	const limit = 5 * time.Second
	for give := time.Now().Add(limit); ; time.Sleep(time.Millisecond) {
		ifi, err := net.InterfaceByName(wire)
		switch {
		case err != nil:
			return err
		case ifi.Flags&net.FlagRunning != 0:
			return nil
		case time.Now().After(give):
			return fmt.Errorf("the wire between them does not carry within %s", units.Set(limit))
		}
	}
}

func putNative(b []byte, v uint32) { binary.NativeEndian.PutUint32(b, v) }
