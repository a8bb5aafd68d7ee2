package datagrams_test

import (
	"encoding/binary"
	"net/netip"
	"runtime"
	"syscall"
	"testing"

	"zocalo/relay/datagrams"
	"zocalo/relay/outcome"
	"zocalo/socket"
	"zocalo/socket/option"
)

// Ten thousand peers at once, each with a socket of its own on the far side
// and its own answers. They are as many addresses of the loopback network at
// one socket, so that the test needs no descriptor for each.
func TestTenThousandPeers(t *testing.T) {
	const peers, atOnce = 10_000, 50
	var limit syscall.Rlimit
	try(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	if limit.Cur = limit.Max; limit.Max < peers+200 {
		t.Skipf("needs %d descriptors, and the system allows %d", peers+200, limit.Max)
	}
	try(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit))

	target, front := bound(t, "127.0.0.1:0"), bound(t, "127.0.0.1:0")
	echo(t, target)
	all := bound(t, "0.0.0.0:0", func(s *socket.Socket) error { return option.ReceivePacketInfo.Set(s, true) })
	name := front.Name()
	r := &datagrams.Relay{Dial: to(target.Name())}

	var in, out socket.Message
	in.SetData(make([]byte, 100))
	ask := func(i int) {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], uint32(i))
		out.SetData(b[:])
		out.Peer = name
		out.Ancillary.Present = socket.HasPacketInfo
		out.Ancillary.PacketInfo = socket.PacketInfo{Local: netip.AddrFrom4([4]byte{127, 1, byte(i >> 8), byte(i)})}
		_, err := all.Send(&out)
		try(t, err)
	}
	seen := make([]int, peers)
	answered := func() {
		try(t, all.Receive(&in))
		i := int(binary.BigEndian.Uint32(in.Buffers[0]))
		to := in.Ancillary.PacketInfo.Destination.As4()
		if in.N != 4 || i >= peers || int(to[2])<<8+int(to[3]) != i || in.Peer != name {
			t.Fatalf("%d bytes for peer %d from %v came to %v", in.N, i, in.Peer, to)
		}
		seen[i]++
	}
	round := func() {
		for i := 0; i < peers; i += atOnce {
			for j := range atOnce {
				ask(i + j)
			}
			for range atOnce {
				answered()
			}
		}
	}
	start(t, r, front)
	ask(0)
	answered()
	seen[0]--
	before := heap() // with what is held once
	round()
	round()
	for i, n := range seen {
		if n != 2 {
			t.Fatalf("peer %d was answered %d times", i, n)
		}
	}
	each := (heap() - before) / peers
	t.Logf("%d bytes of memory a session", each)
	if each > 400 {
		t.Errorf("a session takes %d bytes", each)
	}
	until(t, "all is counted", func() bool { return r.Totals().From[outcome.B].Messages == 2*peers+1 })
	if n := r.Totals(); n.Open != peers || n.Sessions != peers || lost(n) != 0 || n.MadeRoom != 0 || n.Overflowed != 0 {
		t.Errorf("totals: %+v", n)
	}
	if n := len(r.Sessions()); n != peers {
		t.Errorf("%d sessions are open", n)
	}
}

// heap is what is in use after collection.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Nothing is allocated for a datagram, there or back.
func TestAllocatesNothing(t *testing.T) {
	target, front := bound(t, "127.0.0.1:0"), bound(t, "127.0.0.1:0")
	r := &datagrams.Relay{Dial: to(target.Name())}
	name := front.Name()
	start(t, r, front)
	p := connected(t, name)
	says(t, p, "hola")
	hears(t, target, "hola")
	try(t, target.Connect(t.Context(), r.Sessions()[0].Local))
	b := make([]byte, 1200)
	turn := func() {
		for _, way := range [][2]*socket.Socket{{p, target}, {target, p}} {
			for range 8 {
				way[0].Write(b)
			}
			for range 8 {
				if n, err := way[1].Read(b); n != len(b) || err != nil {
					t.Fatal(n, err)
				}
			}
		}
	}
	if raceEnabled {
		turn()
		t.Skip("the race detector allocates")
	}
	if n := testing.AllocsPerRun(500, turn); n != 0 {
		t.Errorf("%v allocations for 16 datagrams", n)
	}
}
