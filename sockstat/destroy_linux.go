package sockstat

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// sockDestroy is SOCK_DESTROY (include/uapi/linux/sock_diag.h).
const sockDestroy = 21

// destroy closes sockets, see [Destroy].
func destroy(ctx context.Context, list []*Socket, each func(*Socket, error) bool) {
	diags := make(map[string]*diag)
	defer func() {
		for _, d := range diags {
			d.close()
		}
	}()
	for _, s := range list {
		err := ctx.Err()
		d := diags[s.Netns]
		if err == nil && d == nil && s.Kind.destroyable() {
			if d, err = diagIn(ctx, s.Netns); err == nil {
				diags[s.Netns] = d
			}
		}
		if err == nil {
			err = d.destroy(s)
		}
		if errors.Is(err, unix.ENOENT) {
			err = nil // it has gone by itself
			if s.State == Listen || s.Kind == UDP {
				err = d.destroyShared(ctx, s)
			}
		}
		if !each(s, err) {
			return
		}
	}
}

// destroyable reports whether the kernel can close a socket of the kind from outside. It
// closes raw ones too, but takes the first of those alike, whatever the cookie says.
func (k Kind) destroyable() bool { return k == TCP || k == UDP }

// diagIn opens netlink in a namespace by name.
func diagIn(ctx context.Context, name string) (*diag, error) {
	ns, err := openNetns(name)
	if err != nil {
		return nil, err
	}
	if ns != nil {
		defer ns.Close()
	}
	d, err := dial(ctx, ns)
	var call *os.SyscallError
	switch {
	case err == nil:
		return d, nil
	case errors.As(err, &call) && call.Syscall == "setns":
		return nil, enterError(err)
	}
	return nil, fmt.Errorf("open netlink: %w", err)
}

// destroy closes one socket.
func (d *diag) destroy(s *Socket) error {
	if !s.Kind.destroyable() {
		return fmt.Errorf("%w: the kernel closes no %s socket from outside", ErrNotDestroyable, s.Kind)
	}
	_, err := d.conn.Execute(netlink.Message{
		Header: netlink.Header{Type: sockDestroy, Flags: netlink.Request | netlink.Acknowledge},
		Data:   destroyRequest(s),
	})
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("%w: it needs CAP_NET_ADMIN: run it as root", unix.EPERM)
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EINVAL):
		return fmt.Errorf("%w: this kernel was built without CONFIG_INET_DIAG_DESTROY, or has it for no %s socket", ErrNotDestroyable, s.Kind)
	}
	return err
}

// mostPeers is how many peers are tried to find one of the sockets that share a name.
const mostPeers = 4096

// destroyShared closes a socket that the kernel did not find. It has gone by itself, or
// shares its name with others (SO_REUSEPORT): of these the kernel finds the one that
// would be given a peer's connection, so that made-up peers find them all in turn.
func (d *diag) destroyShared(ctx context.Context, s *Socket) error {
	there := false
	same := func(x *Socket) bool { return x.Cookie == s.Cookie }
	for _, err := range Sockets(ctx, Query{Kinds: []Kind{s.Kind}, Netns: s.Netns, Want: same}) {
		if err != nil {
			return err
		}
		there = true
	}
	if !there {
		return nil
	}
	asked := *s
	for port := range uint16(mostPeers) {
		asked.Peer.Addr = netip.AddrPortFrom(s.Peer.Addr.Addr(), port+1)
		if err := d.destroy(&asked); !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
	return fmt.Errorf("%w: it shares its name with others (SO_REUSEPORT), and the kernel found only these", ErrNotDestroyable)
}

// destroyRequest is a struct inet_diag_req_v2 that names one socket, by its cookie too, so that no
// other is meant that has its names by now.
func destroyRequest(s *Socket) []byte {
	b := make([]byte, 56)
	b[0], b[1] = unix.AF_INET, [...]byte{TCP: unix.IPPROTO_TCP, UDP: unix.IPPROTO_UDP}[s.Kind]
	if s.Local.Addr.Addr().Is6() {
		b[0] = unix.AF_INET6
	}
	binary.NativeEndian.PutUint32(b[4:], ^uint32(0))
	putAddress := func(port, address []byte, a netip.AddrPort) {
		binary.BigEndian.PutUint16(port, a.Port())
		copy(address, a.Addr().AsSlice())
	}
	putAddress(b[8:], b[12:28], s.Local.Addr)
	putAddress(b[10:], b[28:44], s.Peer.Addr)
	binary.NativeEndian.PutUint32(b[44:], s.ifindex)
	binary.NativeEndian.PutUint32(b[48:], uint32(s.Cookie))
	binary.NativeEndian.PutUint32(b[52:], uint32(s.Cookie>>32))
	return b
}
