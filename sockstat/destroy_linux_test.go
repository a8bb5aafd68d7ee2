package sockstat

import (
	"errors"
	"slices"
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
	// Of several with one name, the one that is meant, wherever the kernel looks first.
	var shared []int
	for range 4 {
		fd := ns.socket(unix.AF_INET, unix.SOCK_STREAM, 0)
		must(t, unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1))
		must(t, unix.Bind(fd, &unix.SockaddrInet4{Port: 7001, Addr: [4]byte{127, 0, 0, 1}}))
		must(t, unix.Listen(fd, 1))
		shared = append(shared, fd)
	}
	for i, fd := range shared {
		for _, err := range Destroy(t.Context(), []*Socket{find(TCP, fd)}) {
			must(t, err)
		}
		for j, fd := range shared {
			list, _ := collect(t, Query{Netns: ns.path(), Kinds: []Kind{TCP}})
			listens := slices.ContainsFunc(list, func(s *Socket) bool { return s.Inode == inodeOf(t, fd) && s.State == Listen })
			if listens != (j > i) {
				t.Errorf("after %d were closed, %d listens: %v", i+1, j, listens)
			}
		}
	}

	// It is gone, and another that has its name by now is not meant.
	again := find(TCP, kept).Clone()
	again.Cookie ^= 1 << 40 // of nobody
	for _, err := range Destroy(t.Context(), []*Socket{victims[0], again}) {
		if err != nil {
			t.Errorf("again: %v", err)
		}
	}
	if s := find(TCP, kept); s.State != Established {
		t.Errorf("another was closed: it is %v", s.State)
	}
}
