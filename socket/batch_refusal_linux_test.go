package socket

import (
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"zocalo/internal/sys"
)

// A system that refuses trains gets single datagrams from then on, and the
// reason is there to read. What left before the refusal is not sent again.
func TestTrainRefused(t *testing.T) {
	real := sendmmsg
	t.Cleanup(func() { sendmmsg = real })
	for _, errno := range []syscall.Errno{syscall.EIO, syscall.EOPNOTSUPP, syscall.EINVAL} {
		t.Run(errno.Error(), func(t *testing.T) {
			a, b := udpPair(t)
			d, _ := As[*datagramKernel](a.endpoint)
			refused := 0
			sendmmsg = func(fd int, batch *sys.Batch, first, end, flags int) (int, syscall.Errno) {
				for i := first; i < end; i++ {
					if len(batch.Msgs[i].Control) > 0 {
						if end = i; i > first {
							break
						}
						refused++
						return 0, errno
					}
				}
				return real(fd, batch, first, end, flags)
			}
			ms := sized(7, 300, 300, 300, 20, 21)
			for i := range ms {
				ms[i].Buffers[0][0] = byte(i)
			}
			if n, err := a.SendBatch(ms); n != len(ms) || err != nil {
				t.Fatalf("%d left, %v", n, err)
			}
			train := sized(1000)[0]
			train.SegmentSize = 300
			if n, err := a.Send(&train); n != 1000 || err != nil {
				t.Fatalf("%d bytes left, %v", n, err)
			}
			for i, want := range []int{7, 300, 300, 300, 20, 21, 300, 300, 300, 100} {
				buf := make([]byte, 2000)
				n, err := b.Read(buf)
				if n != want || err != nil || i < len(ms) && buf[0] != byte(i) {
					t.Errorf("datagram %d: %d bytes, %v, begins with %d; want %d", i, n, err, buf[0], want)
				}
			}
			if refused != 1 {
				t.Errorf("%d trains were refused, want 1", refused)
			}
			o := a.Offloads()
			if errno == syscall.EINVAL {
				// The segments may have been too long: shorter ones still go.
				if !o.Send.On || longest(d) != 299 {
					t.Errorf("%+v, segments up to %d; want on, and 299", o.Send, longest(d))
				}
			} else if o.Send.On || !strings.Contains(o.Send.Reason, errno.Error()) {
				t.Errorf("%+v, want off because of %q", o.Send, errno)
			}
		})
	}
}

// An error that concerns single datagrams as well does not lower what trains
// may have.
func TestTrainRefusedAsSingle(t *testing.T) {
	real := sendmmsg
	t.Cleanup(func() { sendmmsg = real })
	a, _ := udpPair(t)
	d, _ := As[*datagramKernel](a.endpoint)
	sendmmsg = func(int, *sys.Batch, int, int, int) (int, syscall.Errno) { return 0, syscall.EINVAL }
	if n, err := a.SendBatch(sized(10, 10)); n != 0 || err == nil {
		t.Errorf("%d left, %v", n, err)
	}
	if n := longest(d); n != sys.MostTrainBytes {
		t.Errorf("segments up to %d, want %d", n, sys.MostTrainBytes)
	}
}

// longest is the longest segment for the connected peer.
func longest(d *datagramKernel) int { return d.out.paths.longest(&Name{}, time.Now) }

func udpPair(t *testing.T) (a, b *Socket) {
	t.Helper()
	var s [2]*Socket
	for i := range s {
		var err error
		if s[i], err = New(Inet, Datagram, 0); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s[i].Close() })
		if err := s[i].Bind(InetName(netip.MustParseAddrPort("127.0.0.1:0"))); err != nil {
			t.Fatal(err)
		}
	}
	if err := s[0].Connect(t.Context(), s[1].Name()); err != nil {
		t.Fatal(err)
	}
	return s[0], s[1]
}

// The switches are in the environment of a process: here they are read anew.
func TestOffloadSwitches(t *testing.T) {
	t.Setenv("ZOCALO_NO_GSO", "1")
	t.Setenv("ZOCALO_NO_GRO", "1")
	sendOld, receiveOld := sendRefusal, receiveRefusal
	sendRefusal, receiveRefusal = refuseSend, refuseReceive
	t.Cleanup(func() { sendRefusal, receiveRefusal = sendOld, receiveOld })
	a, b := udpPair(t)
	j := b.endpoint.(joiner)
	if err := j.SetGRO(true); err != nil {
		t.Fatal(err)
	}
	if on, err := j.GRO(); on || err != nil {
		t.Errorf("UDP_GRO is %v, %v", on, err)
	}
	if o := a.Offloads(); o.Send.On || o.Send.Reason != "ZOCALO_NO_GSO=1" || o.Receive.On || o.Receive.Reason != "ZOCALO_NO_GRO=1" {
		t.Errorf("%+v", o)
	}
	if n, err := a.SendBatch(sized(10, 10)); n != 2 || err != nil {
		t.Errorf("%d left, %v", n, err)
	}
	for range 2 {
		if n, err := b.Read(make([]byte, 100)); n != 10 || err != nil {
			t.Errorf("%d bytes, %v", n, err)
		}
	}
}
