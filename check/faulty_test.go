package check_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"zocalo/check"
	"zocalo/socket"
	"zocalo/socket/sockettest"
)

// faulty returns a source of sockets that have a fault in what they send.
func faulty(src *check.Source, fault sockettest.Fault, every int) *check.Source {
	return bend(src, func(s *socket.Socket) socket.Endpoint { return sockettest.Faulty(s, fault, every).Unwrap() })
}

// What each fault breaks, on a kind that promises everything.
var (
	onMessages = map[sockettest.Fault][]string{
		sockettest.Lose:    {"reliable"},
		sockettest.Repeat:  {"unduplicated"},
		sockettest.Reorder: {"ordered"},
		sockettest.Merge:   {"bounded"},
		sockettest.Split:   {"bounded"},
		sockettest.Cut:     {"intact", "bounded"},
		sockettest.Corrupt: {"intact"},
	}
	onStreams = map[sockettest.Fault][]string{
		sockettest.Lose:    {"reliable"},
		sockettest.Repeat:  {"unduplicated"},
		sockettest.Reorder: {"ordered"},
		sockettest.Merge:   nil,
		sockettest.Split:   nil,
		sockettest.Cut:     {"intact"},
		sockettest.Corrupt: {"intact"},
	}
	onUnreliable = map[sockettest.Fault][]string{
		sockettest.Lose:    nil,
		sockettest.Repeat:  nil,
		sockettest.Reorder: nil,
		sockettest.Merge:   {"bounded"},
		sockettest.Split:   {"bounded"},
		sockettest.Cut:     {"intact", "bounded"},
		sockettest.Corrupt: {"intact"},
	}
)

func TestFaultsAreNamed(t *testing.T) {
	for _, test := range []struct {
		kind string
		want map[sockettest.Fault][]string
	}{
		{"memory", onStreams}, {"memory-dgram", onMessages}, {"memory-seqpacket", onMessages},
		{"tcp", onStreams}, {"unix", onStreams}, {"socketpair", onStreams}, {"pipe", onStreams},
		{"unix-dgram", onMessages}, {"unix-seqpacket", onMessages}, {"vsock", onStreams},
		{"udp", onUnreliable},
	} {
		t.Run(test.kind, func(t *testing.T) {
			src := open(t, test.kind)
			wantBroken(t, try(t, src, "reliable", "ordered", "unduplicated", "intact", "bounded"))
			for fault, want := range test.want {
				t.Run(fault.String(), func(t *testing.T) {
					wantBroken(t, try(t, faulty(src, fault, 7), "reliable", "ordered", "unduplicated", "intact", "bounded"), want...)
				})
			}
		})
	}
}

// The end marks of a transfer suffer too, so that it has to end by itself.
func TestEverythingIsLost(t *testing.T) {
	for _, kind := range []string{"memory", "memory-dgram", "memory-seqpacket"} {
		t.Run(kind, func(t *testing.T) {
			src := open(t, kind)
			synctest.Test(t, func(t *testing.T) {
				report := try(t, faulty(src, sockettest.Lose, 1), "reliable", "slow")
				wantBroken(t, report, "reliable", "slow")
			})
		})
	}
}

func TestLateUrgentData(t *testing.T) {
	for _, kind := range []string{"memory", "tcp", "unix"} {
		t.Run(kind, func(t *testing.T) {
			src := open(t, kind)
			bubble := synctest.Test // where waiting costs no time
			if kind != "memory" {
				t.Parallel()
				bubble = func(t *testing.T, f func(*testing.T)) { f(t) }
			}
			bubble(t, func(t *testing.T) {
				late := faulty(src, sockettest.Late, 1)
				if late.Promised.Urgent == 0 {
					t.Skip("no urgent data on this system")
				}
				wantBroken(t, tryWithin(t, 2*time.Second, late, "urgent"), "urgent")
			})
		})
	}
}

// What a stranger has sent to a socket before it had a peer is no fault of its kind.
func TestStrangersAreLeftOut(t *testing.T) {
	src := *open(t, "udp")
	bind := src.Bind
	src.Bind = func(ctx context.Context, s *socket.Socket) error {
		if err := bind(ctx, s); err != nil {
			return err
		}
		stranger, err := src.New()
		if err != nil {
			return err
		}
		defer stranger.Close()
		if err := stranger.Connect(ctx, s.Name()); err != nil {
			return err
		}
		_, err = stranger.Write([]byte("anyone there?"))
		return err
	}
	wantBroken(t, try(t, &src, "reliable", "ordered", "unduplicated", "intact", "connected", "bounded", "largest", "slow", "names", "ways"))
}
