package sockstat

import (
	"context"
	"encoding/binary"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// refuseAnswer makes netlink refuse the n-th request, after it has told of as
// many sockets as one read gives where late is set.
func refuseAnswer(t *testing.T, n int, late bool) {
	dial = func(ctx context.Context, ns *os.File) (*diag, error) {
		d, err := dialDiag(ctx, ns)
		if err != nil {
			return nil, err
		}
		read, requests, reads := d.read, 0, 0
		var last uint32
		d.read = func(fd uintptr) bool {
			if !read(fd) {
				return false
			}
			sequence := binary.NativeEndian.Uint32(d.buf[8:])
			if sequence != last {
				last, reads = sequence, 0
				requests++
			}
			if reads++; requests == n && (!late || reads == 2) {
				answer := binary.NativeEndian.AppendUint32(nil, 20)
				answer = binary.NativeEndian.AppendUint16(answer, unix.NLMSG_ERROR)
				answer = binary.NativeEndian.AppendUint16(answer, 0)
				answer = binary.NativeEndian.AppendUint32(answer, sequence)
				answer = binary.NativeEndian.AppendUint32(answer, 0)
				refusal := -int32(unix.EINVAL)
				answer = binary.NativeEndian.AppendUint32(answer, uint32(refusal))
				d.n = copy(d.buf, answer)
			}
			return true
		}
		return d, nil
	}
	t.Cleanup(func() { dial = dialDiag })
}

// Where netlink refuses a part of a kind, or stops in the middle, no socket is
// listed twice.
func TestRefusedInTheMiddle(t *testing.T) {
	for name, c := range map[string]struct {
		kind    Kind
		request int
		late    bool
		reason  Reason
	}{
		"all":             {TCP, 1, false, FromProc},
		"the end":         {TCP, 1, true, Interrupted},
		"all of UDP":      {UDP, 1, false, FromProc},
		"IPv6":            {UDP, 2, false, FromProc},
		"the end of IPv4": {UDP, 1, true, Interrupted},
	} {
		t.Run(name, func(t *testing.T) {
			ns := newNetns(t)
			for range 3 {
				if c.kind == UDP {
					ns.bound(unix.AF_INET, unix.SOCK_DGRAM, loopback4)
					ns.bound(unix.AF_INET6, unix.SOCK_DGRAM, loopback6)
					continue
				}
				ns.listener(unix.AF_INET, loopback4, 1)
				ns.listener(unix.AF_INET6, loopback6, 1)
			}
			refuseAnswer(t, c.request, c.late)
			list, notes := collect(t, Query{Netns: ns.path(), Kinds: []Kind{c.kind}})
			seen := map[uint32]int{}
			for _, s := range list {
				if seen[s.Inode]++; seen[s.Inode] > 1 {
					t.Errorf("%v is listed twice", s.Local)
				}
			}
			if len(list) != 6 {
				t.Errorf("%d sockets, want 6", len(list))
			}
			found := false
			for _, n := range notes {
				found = found || n.Reason == c.reason
			}
			if !found {
				t.Errorf("notes: %+v", notes)
			}
		})
	}
}
