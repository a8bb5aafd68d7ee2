package check

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"

	"zocalo/socket"
)

// A worldError is why another machine cannot be had on this system.
type worldError struct{ err error }

func (e *worldError) Error() string {
	text := "two network namespaces cannot be made here: " + e.err.Error()
	if errors.Is(e.err, syscall.EPERM) {
		text += ": it needs the capability CAP_SYS_ADMIN"
	}
	return text
}
func (e *worldError) Unwrap() error { return e.err }

// reach is the experiment on how far a kind goes: from one network namespace
// to another, which to the Internet's protocols are two machines with a wire
// between them. Kinds of other domains are stated, not tried.
func reach(t *trial) ([]Finding, error) {
	f := Finding{Property: "reach", Verdict: NotPromised, Word: "local"}
	switch {
	case t.New == nil:
		f.Seen = "between a process and those that it makes, or that get a descriptor from it (stated, not tried)"
	case t.Kind.Domain == socket.Unix:
		f.Seen = "between processes of one machine (stated, not tried)"
	case t.Kind.Domain == socket.VSock:
		f.Word, f.Seen = "guests", "between a machine and the virtual machines on it (stated, not tried)"
	case t.Kind.Domain == socket.Inet, t.Kind.Domain == socket.Inet6:
		return t.reachAcross()
	default:
		f.Word, f.Seen = "its own", "as far as what the domain is built on (stated, not tried)"
	}
	return []Finding{f}, nil
}

// reachAcross makes a connection between two namespaces, and has a message go
// there and back.
func (t *trial) reachAcross() ([]Finding, error) {
	const size = 512
	f := Finding{Property: "reach", Sent: fmt.Sprintf("%d bytes to another network namespace, and back", size)}
	err := t.world.ready()
	var no *worldError
	if errors.As(err, &no) {
		f.Verdict, f.Reason = Skipped, no.Error()
		return []Finding{f}, nil
	}
	if err != nil {
		return nil, err
	}
	a, b, err := t.pairAcross()
	if err == nil {
		err = errors.Join(t.cross(a, b, size), t.cross(b, a, size))
	}
	if err != nil && !t.missing(err) {
		return nil, err
	}
	f.Verdict = judge("reach", true, err == nil).Verdict
	if err != nil {
		f.Word, f.Seen = "not across", "it did not come back"
		return []Finding{f}, nil
	}
	f.Word, f.Seen = "machines", fmt.Sprintf("it came back, between %v and %v", a.Name(), b.Name())
	return []Finding{f}, nil
}

// pairAcross makes two connected sockets, each in a namespace of its own.
func (t *trial) pairAcross() (a, b *socket.Socket, err error) {
	ctx, cancel := t.patient()
	defer cancel()
	if a, err = t.inWorld(0); err != nil {
		return nil, nil, err
	}
	if b, err = t.inWorld(1); err != nil {
		return nil, nil, err
	}
	if !t.Promised.Connected {
		return a, b, errors.Join(a.Connect(ctx, b.Name()), b.Connect(ctx, a.Name()))
	}
	if err = b.Listen(1); err != nil {
		return nil, nil, err
	}
	if err = a.Connect(ctx, b.Name()); err != nil {
		return nil, nil, err
	}
	b, err = t.keep(b.Accept(ctx))
	return a, b, err
}

// inWorld makes a socket in a namespace, and gives it the address there.
func (t *trial) inWorld(i int) (s *socket.Socket, err error) {
	t.world.in(i, func() { s, err = t.fresh() })
	if err != nil {
		return nil, err
	}
	return s, s.Bind(socket.InetName(netip.AddrPortFrom(worldAddress(i, t.Kind.Domain == socket.Inet6), 0)))
}

// worldAddress is the address of one end of the wire: of those for
// documentation (RFC 5737), or unique local ones (RFC 4193).
func worldAddress(i int, v6 bool) netip.Addr {
	if v6 {
		return netip.AddrFrom16([16]byte{0: 0xfd, 1: 0x5a, 15: byte(1 + i)})
	}
	return netip.AddrFrom4([4]byte{192, 0, 2, byte(1 + i)})
}
