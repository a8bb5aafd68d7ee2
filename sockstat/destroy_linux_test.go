package sockstat

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

// Sockets of every kind that the kernel can close are closed, and no other.
func TestDestroy(t *testing.T) {
	ns := newNetns(t)
	l4, l6 := ns.listener(unix.AF_INET, loopback4, 5), ns.listener(unix.AF_INET6, loopback6, 5)
	client, server := ns.pair(unix.AF_INET, l4)
	kept, _ := ns.pair(unix.AF_INET, l4)
	udp, raw := ns.bound(unix.AF_INET, unix.SOCK_DGRAM, loopback4), ns.socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP)
	unixListener := ns.listener(unix.AF_UNIX, &unix.SockaddrUnix{Name: "@sockstat-destroy"}, 1)
	find := func(k Kind, fd int) *Socket {
		list, _ := collect(t, Query{Netns: ns.path()})
		return one(t, list, k, inodeOf(t, fd))
	}
	victims := []*Socket{find(TCP, client), find(TCP, l6), find(UDP, udp), find(Raw, raw), find(Unix, unixListener)}
	n := 0
	for s, err := range Destroy(t.Context(), victims) {
		n++
		if s.Kind == Unix || s.Kind == Raw {
			if !errors.Is(err, ErrNotDestroyable) {
				t.Errorf("a %v socket: %v", s.Kind, err)
			}
			continue
		}
		if errors.Is(err, ErrNotDestroyable) {
			t.Skip(err)
		}
		if err != nil {
			t.Errorf("%v: %v", s.Kind, err)
		}
	}
	if n != len(victims) {
		t.Errorf("%d of %d were told", n, len(victims))
	}
	if _, err := unix.Read(client, make([]byte, 1)); err != unix.ECONNABORTED {
		t.Errorf("the program hears %v", err)
	}
	if _, err := unix.Read(server, make([]byte, 1)); err != unix.ECONNRESET {
		t.Errorf("the peer hears %v", err)
	}
	if _, _, err := unix.Accept(l6); err == nil {
		t.Error("the listener listens")
	}
	if s := find(TCP, kept); s.State != Established {
		t.Errorf("one that was not meant is %v", s.State)
	}
	// It is gone, and another that has its name by now is not meant.
	again := find(TCP, kept).Clone()
	again.Cookie++
	for _, err := range Destroy(t.Context(), []*Socket{victims[0], again}) {
		if err != nil {
			t.Errorf("again: %v", err)
		}
	}
	if s := find(TCP, kept); s.State != Established {
		t.Errorf("another was closed: it is %v", s.State)
	}
}
