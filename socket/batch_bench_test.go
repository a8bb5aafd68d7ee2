package socket_test

import (
	"net"
	"net/netip"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"zocalo/socket"
	"zocalo/socket/option"
)

// BenchmarkDatagrams moves datagrams of 1200 bytes from one socket to
// another, which receives in a goroutine of its own: one system call per
// datagram over package net, batches of 64 over this package, and the same as
// trains. Sender and receiver take turns of 64 datagrams, so that none is lost
// and both are measured; ns/op and cpu-ns/op are of one datagram.
func BenchmarkDatagrams(b *testing.B) {
	const size, turn = 1200, 64
	for _, c := range []struct {
		name string
		ends func(testing.TB) (send, receive func() error)
	}{
		{"net", func(t testing.TB) (send, receive func() error) {
			in, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
			check(t, err)
			out, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
			check(t, err)
			t.Cleanup(func() { in.Close(); out.Close() })
			check(t, in.SetReadBuffer(1<<20))
			to := in.LocalAddr().(*net.UDPAddr).AddrPort()
			data, buf := make([]byte, size), make([]byte, size)
			return func() error {
					for range turn {
						if _, err := out.WriteToUDPAddrPort(data, to); err != nil {
							return err
						}
					}
					return nil
				}, func() error {
					for range turn {
						if _, _, err := in.ReadFromUDPAddrPort(buf); err != nil {
							return err
						}
					}
					return nil
				}
		}},
		{"batch", func(t testing.TB) (send, receive func() error) { return batchEnds(t, size, turn, false) }},
		{"train", func(t testing.TB) (send, receive func() error) { return batchEnds(t, size, turn, true) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			send, receive := c.ends(b)
			b.ReportAllocs()
			b.SetBytes(size)
			turns, done := make(chan bool), make(chan error)
			var once sync.Once
			stop := func() { once.Do(func() { close(turns) }) }
			defer stop()
			go func() {
				for range turns {
					done <- receive()
				}
			}()
			check(b, send())
			turns <- true
			check(b, <-done)
			start := cpu(b)
			n := 0
			for b.Loop() {
				if n++; n%turn != 0 {
					continue
				}
				check(b, send())
				turns <- true
				check(b, <-done)
			}
			b.ReportMetric(float64(cpu(b)-start)/float64(b.N), "cpu-ns/op")
		})
	}
}

// batchEnds sends and receives turn datagrams a call.
func batchEnds(t testing.TB, size, turn int, trains bool) (send, receive func() error) {
	in, out := udp.bound(t), udp.bound(t)
	check(t, option.ReceiveBuffer.Set(in, 1<<20))
	check(t, option.UDPGRO.Set(in, trains))
	ms, got := make([]socket.Message, turn), make([]socket.Message, turn)
	for i := range ms {
		ms[i].SetData(make([]byte, size))
		ms[i].Peer = in.Name()
		if !trains {
			ms[i].Flags = socket.EndOfRecord // no train has flags
		}
		got[i].SetData(make([]byte, 1<<16))
	}
	return func() error {
			_, err := out.SendBatch(ms)
			return err
		}, func() error {
			for have := 0; have < turn; {
				n, err := in.ReceiveBatch(got)
				if err != nil {
					return err
				}
				for i := range got[:n] {
					if have++; got[i].SegmentSize > 0 {
						have += (got[i].N+got[i].SegmentSize-1)/got[i].SegmentSize - 1
					}
				}
			}
			return nil
		}
}

// cpu is the processor time that the process has used.
func cpu(t testing.TB) time.Duration {
	var u syscall.Rusage
	check(t, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// Nothing is allocated for a batch, in trains or not, nor to split one.
func TestBatchAllocations(t *testing.T) {
	if raceEnabled || runtime.GOOS != "linux" {
		t.Skip("the race detector allocates, and other systems have no batches")
	}
	for name, trains := range map[string]bool{"batch": false, "train": true} {
		send, receive := batchEnds(t, 1200, 64, trains)
		if n := testing.AllocsPerRun(100, func() { check(t, send()); check(t, receive()) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	m := socket.Message{Buffers: [][]byte{make([]byte, 6000)}, N: 6000, SegmentSize: 1200, Peer: socket.InetName(netip.MustParseAddrPort("127.0.0.1:9"))}
	total := 0
	if n := testing.AllocsPerRun(100, func() {
		for d := range m.Segments() {
			total += len(d)
		}
	}); n != 0 {
		t.Errorf("splitting: %v allocations", n)
	}
	s := udp.bound(t)
	in := udp.bound(t)
	m.Peer = in.Name()
	check(t, option.ReceiveBuffer.Set(in, 4096))
	if n := testing.AllocsPerRun(100, func() { _, err := s.Send(&m); check(t, err) }); n != 0 {
		t.Errorf("Send of a train: %v allocations", n)
	}
}
