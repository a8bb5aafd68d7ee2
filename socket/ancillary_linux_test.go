package socket_test

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"zocalo/internal/testenv"
	"zocalo/socket"
	"zocalo/socket/option"
)

// Everything that can come with a datagram comes, when its option is set.
func TestAncillaryReceived(t *testing.T) {
	each(t, []testKind{udp, udp6}, func(t *testing.T, k testKind) {
		a, b := k.bound(t), k.bound(t)
		for _, o := range []*option.Option[bool]{option.ReceivePacketInfo, option.ReceiveHopLimit, option.ReceiveTrafficClass,
			option.Timestamps, option.ReceiveDropped, option.ReceiveOriginalDestination} {
			check(t, o.Set(b, true))
			if on, err := o.Get(b); !on || err != nil {
				t.Errorf("%s is %v, %v", o.Name, on, err)
			}
		}
		check(t, option.TTL.Set(a, 33))
		check(t, option.TypeOfService.Set(a, 0x2b))
		before := time.Now().Add(-time.Second)
		m := message(5)
		m.Peer = b.Name()
		_, err := a.Send(m)
		check(t, err)
		got := message(10)
		check(t, b.Receive(got))
		x := &got.Ancillary
		want := socket.HasPacketInfo | socket.HasHopLimit | socket.HasTrafficClass | socket.HasTime | socket.HasOriginalDestination
		if x.Present != want {
			t.Fatalf("present %b, want %b; others %v", x.Present, want, x.Control)
		}
		local := b.Name().AddrPort().Addr()
		if x.PacketInfo != (socket.PacketInfo{Interface: 1, Local: local, Destination: local}) {
			t.Errorf("packet info %+v", x.PacketInfo)
		}
		if x.HopLimit != 33 || x.TrafficClass != 0x2b || x.ECN() != 3 || x.OriginalDestination != b.Name() {
			t.Errorf("hop limit %d, traffic class %#x, ECN %d, destination %v", x.HopLimit, x.TrafficClass, x.ECN(), x.OriginalDestination)
		}
		if x.Time.Before(before) || x.Time.After(time.Now().Add(time.Second)) {
			t.Errorf("time %v", x.Time)
		}
		// The same fields choose how one message leaves.
		m.Ancillary.Present = socket.HasHopLimit | socket.HasTrafficClass | socket.HasPacketInfo
		m.Ancillary.HopLimit, m.Ancillary.TrafficClass = 44, 0x02
		m.Ancillary.PacketInfo = socket.PacketInfo{Interface: 1, Local: local}
		_, err = a.Send(m)
		check(t, err)
		n, err := a.SendBatch([]socket.Message{*m, *m})
		if n != 2 || err != nil {
			t.Fatal(n, err)
		}
		for range 3 {
			check(t, b.Receive(got))
			if x.HopLimit != 44 || x.TrafficClass != 2 || x.ECN() != 2 {
				t.Errorf("hop limit %d, traffic class %#x", x.HopLimit, x.TrafficClass)
			}
		}
		if raceEnabled {
			return
		}
		if n := testing.AllocsPerRun(100, func() {
			_, err := a.Send(m)
			check(t, err)
			check(t, b.Receive(got))
		}); n != 0 {
			t.Errorf("%v allocations", n)
		}
	})
}

// A source address is chosen by packet info, out of those of the machine.
func TestAncillarySource(t *testing.T) {
	a, err := socket.New(socket.Inet, socket.Datagram, 0)
	check(t, err)
	defer a.Close()
	b := udp.bound(t)
	m := message(1)
	m.Peer = b.Name()
	m.Ancillary.Present = socket.HasPacketInfo
	m.Ancillary.PacketInfo.Local = netip.MustParseAddr("127.0.0.9")
	_, err = a.Send(m)
	check(t, err)
	check(t, b.Receive(m))
	if from := m.Peer.AddrPort().Addr().String(); from != "127.0.0.9" {
		t.Errorf("from %s", from)
	}
	m.Ancillary.Present = socket.HasPacketInfo
	m.Ancillary.PacketInfo.Local = netip.IPv6Loopback()
	_, err = a.Send(m)
	wantError(t, "an IPv6 source", err, syscall.EAFNOSUPPORT)
	m.Ancillary.Present = socket.HasDropped
	_, err = a.Send(m)
	wantError(t, "sending a count", err, errors.ErrUnsupported)
}

// What a full queue drops is counted.
func TestDropped(t *testing.T) {
	a, b := udp.pair(t)
	check(t, option.ReceiveBuffer.Set(b, 4096))
	check(t, option.ReceiveDropped.Set(b, true))
	for range 50 {
		_, err := a.Write(make([]byte, 1000))
		check(t, err)
	}
	m := message(1000)
	got := 0
	for m.Ancillary.Present&socket.HasDropped == 0 {
		check(t, b.Receive(m))
		got++
		if _, err := a.Write([]byte("x")); err != nil { // room again: this one comes, with the count
			t.Fatal(err)
		}
	}
	if n := int(m.Ancillary.Dropped); n == 0 || n >= 50+got {
		t.Errorf("%d were dropped, of %d", n, 50+got)
	}
}

func TestCredentialsReceived(t *testing.T) {
	each(t, []testKind{unixStream, unixSeqPacket, unixDatagram}, func(t *testing.T, k testKind) {
		a, b := k.pair(t)
		check(t, option.PassCredentials.Set(b, true))
		check(t, option.PassPIDFD.Set(b, true))
		before := len(testenv.Descriptors())
		send := func(with socket.AncillarySet) {
			m := message(1)
			m.Ancillary.Present = with
			m.Ancillary.Credentials = socket.Credentials{PID: os.Getpid(), UID: os.Getuid(), GID: os.Getgid()}
			_, err := a.Send(m)
			check(t, err)
		}
		m := message(1)
		for _, with := range []socket.AncillarySet{0, socket.HasCredentials} {
			send(with)
			check(t, b.Receive(m))
			if m.Ancillary.Present&(socket.HasCredentials|socket.HasPIDFD) != socket.HasCredentials|socket.HasPIDFD || m.Ancillary.Credentials.PID != os.Getpid() {
				t.Errorf("present %b, %v", m.Ancillary.Present, m.Ancillary.Credentials)
			}
		}
		if after := len(testenv.Descriptors()); after != before+1 {
			t.Errorf("%d descriptors, want the last message's alone beside %d", after, before)
		}
		fd := m.Ancillary.TakePIDFD()
		flags, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFD, 0)
		if errno != 0 || flags&syscall.FD_CLOEXEC == 0 {
			t.Errorf("flags %#x, %v", flags, errno)
		}
		check(t, syscall.Close(fd))
		send(0)
		_, err := b.Read(make([]byte, 1))
		check(t, err)
		send(0)
		_, _, err = b.PacketConn().ReadFrom(make([]byte, 1))
		check(t, err)
		m.Ancillary.CloseFiles()
		if after := len(testenv.Descriptors()); after != before {
			t.Errorf("%d descriptors, were %d", after, before)
		}
	})
}

// Descriptors that nobody took are closed by the next Receive; those that
// were taken stay.
func TestUntakenFiles(t *testing.T) {
	a, b := unixDatagram.pair(t)
	r, w, err := os.Pipe()
	check(t, err)
	defer r.Close()
	defer w.Close()
	before := len(testenv.Descriptors())
	out := message(1)
	out.Ancillary.Present = socket.HasFiles
	out.Ancillary.Files = []int{int(w.Fd()), int(r.Fd())}
	in := message(1)
	in.Ancillary.WantFiles = 2
	for range 3 {
		_, err = a.Send(out)
		check(t, err)
		check(t, b.Receive(in))
	}
	if n := len(testenv.Descriptors()); n != before+2 {
		t.Errorf("%d descriptors, want %d", n, before+2)
	}
	taken := append([]int(nil), in.Ancillary.TakeFiles()...)
	_, err = a.Write([]byte("x"))
	check(t, err)
	check(t, b.Receive(in))
	if n := len(testenv.Descriptors()); n != before+2 || len(in.Ancillary.Files) != 0 {
		t.Errorf("%d descriptors, want %d", n, before+2)
	}
	for _, fd := range taken {
		check(t, syscall.Close(fd))
	}
}

// A child process gets a descriptor from this one, and writes through it.
func TestFilesBetweenProcesses(t *testing.T) {
	if os.Getenv("ZOCALO_TEST_FILES") != "" {
		s, err := socket.FromFD(3)
		check(t, err)
		m := message(10)
		m.Ancillary.WantFiles = 1
		check(t, s.Receive(m))
		f := os.NewFile(uintptr(m.Ancillary.TakeFiles()[0]), "passed")
		_, err = f.WriteString("from the child")
		check(t, err)
		check(t, f.Close())
		check(t, s.Close())
		return
	}
	a, b, err := socket.Pair(socket.Unix, socket.SeqPacket, 0)
	check(t, err)
	defer a.Close()
	inherited, err := b.File()
	check(t, err)
	check(t, b.Close())
	r, w, err := os.Pipe()
	check(t, err)
	defer r.Close()
	cmd := exec.Command(os.Args[0], "-test.run=^TestFilesBetweenProcesses$")
	cmd.Env = append(os.Environ(), "ZOCALO_TEST_FILES=1")
	cmd.ExtraFiles = []*os.File{inherited}
	m := message(1)
	m.Ancillary.Present, m.Ancillary.Files = socket.HasFiles, []int{int(w.Fd())}
	_, err = a.Send(m)
	check(t, err)
	check(t, w.Close())
	out, err := cmd.CombinedOutput()
	check(t, inherited.Close())
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	buf := make([]byte, 100)
	n, err := r.Read(buf)
	if string(buf[:n]) != "from the child" || err != nil {
		t.Errorf("%q, %v", buf[:n], err)
	}
}

// A closed port's ICMP error says which error, from whom, for which
// destination and datagram.
func TestErrorQueueICMP(t *testing.T) {
	each(t, []testKind{udp, udp6}, func(t *testing.T, k testKind) {
		s, closed := k.bound(t), k.bound(t)
		gone := closed.Name()
		check(t, closed.Close())
		check(t, option.ReceiveErrors.Set(s, true))
		m := message(1000)
		c := start(t, "ReceiveError", func() error { return s.ReceiveError(m) })
		out := &socket.Message{Buffers: [][]byte{[]byte("to nobody")}, Peer: gone}
		_, err := s.Send(out)
		check(t, err)
		c.end(nil)
		e := &m.Ancillary.Error
		origin, typ, code := socket.FromICMP, uint8(3), uint8(3) // RFC 792: destination unreachable, port unreachable
		if k.Domain == socket.Inet6 {
			origin, typ, code = socket.FromICMPv6, 1, 4 // RFC 4443
		}
		if m.Ancillary.Present&socket.HasError == 0 || e.Errno != syscall.ECONNREFUSED || e.Origin != origin || e.Type != typ || e.Code != code {
			t.Errorf("%+v", *e)
		}
		if e.Offender.AddrPort().Addr() != gone.AddrPort().Addr() || m.Peer != gone {
			t.Errorf("offender %v, destination %v", e.Offender, m.Peer)
		}
		if string(m.Buffers[0][:m.N]) != "to nobody" {
			t.Errorf("data %q", m.Buffers[0][:m.N])
		}
		wantError(t, "the entry", e, syscall.ECONNREFUSED)
		c = start(t, "ReceiveError", func() error { return s.ReceiveError(m) })
		reading := start(t, "Read", func() error { _, err := s.Read(make([]byte, 10)); return err })
		check(t, s.SetReadDeadline(time.Unix(1, 0)))
		c.end(os.ErrDeadlineExceeded)
		reading.end(os.ErrDeadlineExceeded)
		check(t, s.SetReadDeadline(time.Time{}))
		c = start(t, "ReceiveError", func() error { return s.ReceiveError(m) })
		check(t, s.Close())
		c.end(net.ErrClosed)
	})
}

// A datagram that is longer than the path is refused, with the MTU.
func TestErrorQueueMTU(t *testing.T) {
	testenv.InNamespace(t, []string{"link set lo mtu 1500"}, func() {
		s, err := socket.New(socket.Inet, socket.Datagram, 0)
		check(t, err)
		defer s.Close()
		check(t, option.ReceiveErrors.Set(s, true))
		check(t, option.MTUDiscovery.Set(s, option.MTUDo))
		if mode, err := option.MTUDiscovery.Get(s); mode != option.MTUDo || err != nil {
			t.Error(mode, err)
		}
		m := message(2000)
		m.Peer = loopback(9)
		_, err = s.Send(m)
		wantError(t, "Send", err, syscall.EMSGSIZE)
		check(t, s.ReceiveError(m))
		if e := m.Ancillary.Error; e.Origin != socket.FromLocal || e.Info != 1500 || e.Errno != syscall.EMSGSIZE {
			t.Errorf("%+v", e)
		}
	})
}

// Segments longer than the path's packets leave one by one, in fragments.
func TestTrainLongerThanPath(t *testing.T) {
	testenv.InNamespace(t, []string{"link set lo mtu 1500"}, func() {
		a, b := udp.pair(t)
		for range 2 {
			n, err := a.SendBatch(batch(2000, 2000, 2000, 500, 1000, 1000))
			if n != 6 || err != nil {
				t.Errorf("%d left, %v", n, err)
			}
			for i, n := range []int{2000, 2000, 2000, 500, 1000, 1000} {
				buf := make([]byte, 3000)
				if got, err := b.Read(buf); got != n || err != nil || string(buf[:8]) != string(text(i, 8)) {
					t.Errorf("datagram %d: %d bytes, %v", i, got, err)
				}
			}
		}
		if !a.Offloads().Send.On {
			t.Errorf("%+v", a.Offloads())
		}
	})
}

// A destination whose packets are short gets its datagrams one by one, and
// others their trains as before, of the same socket.
func TestTrainToShortPath(t *testing.T) {
	testenv.InNamespace(t, []string{"route add local 127.7.0.0/16 dev lo table local mtu 800"}, func() {
		from := bindTo(t, socket.Inet, "0.0.0.0:0")
		short, other := bindTo(t, socket.Inet, "127.7.0.1:0"), udp.bound(t)
		for _, s := range []*socket.Socket{short, other} {
			check(t, option.UDPGRO.Set(s, true))
		}
		for range 3 {
			ms := batch(1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000)
			for i := range ms {
				if ms[i].Peer = other.Name(); i < 4 {
					ms[i].Peer = short.Name()
				}
			}
			n, err := from.SendBatch(ms)
			if n != 8 || err != nil {
				t.Fatal(n, err)
			}
			if _, trains := receiveAll(t, other, 4); trains != 1 {
				t.Errorf("%d trains to the other destination, want 1", trains)
			}
			if _, trains := receiveAll(t, short, 4); trains != 0 {
				t.Errorf("%d trains to the short path", trains)
			}
			// Segments that fit leave as a train there, too.
			ms = batch(700, 700, 700)
			for i := range ms {
				ms[i].Peer = short.Name()
			}
			n, err = from.SendBatch(ms)
			if n != 3 || err != nil {
				t.Fatal(n, err)
			}
			if _, trains := receiveAll(t, short, 3); trains != 1 {
				t.Errorf("%d trains of segments that fit, want 1", trains)
			}
		}
		if !from.Offloads().Send.On {
			t.Errorf("%+v", from.Offloads())
		}
	})
}

// The time when a message was sent, and when TCP's was acknowledged, come
// through the error queue.
func TestSendTimes(t *testing.T) {
	a, b := udp.pair(t)
	check(t, option.Timestamping.Set(a, option.SentTime|option.ScheduledTime))
	d := udp.bound(t)
	check(t, option.Timestamping.Set(d, option.ReceivedTime))
	if set, err := option.Timestamping.Get(a); set.String() != "sent+scheduled" || err != nil {
		t.Errorf("%v, %v", set, err)
	}
	m := message(10)
	for id := range uint32(3) {
		_, err := a.Write([]byte("x"))
		check(t, err)
		stages := map[socket.Stage]bool{}
		for range 2 {
			check(t, a.ReceiveError(m))
			stage, got, ok := m.Ancillary.Error.Transmission()
			if !ok || got != id || m.Ancillary.Present&socket.HasTime == 0 || time.Since(m.Ancillary.Time).Abs() > time.Minute {
				t.Errorf("stage %v of message %d, want %d: %v, %v", stage, got, id, ok, m.Ancillary.Time)
			}
			stages[stage] = true
		}
		if !stages[socket.Sent] || !stages[socket.Scheduled] {
			t.Errorf("stages %v", stages)
		}
		check(t, b.Receive(m))
	}
	// The system begins to take times of arrival a moment after it was asked.
	c := udp.bound(t)
	for m.Ancillary.Present&socket.HasTime == 0 {
		_, err := c.Send(&socket.Message{Buffers: [][]byte{{1}}, Peer: d.Name()})
		check(t, err)
		check(t, d.Receive(m))
	}
	a, _ = tcp.pair(t)
	check(t, option.Timestamping.Set(a, option.AcknowledgedTime))
	_, err := a.Write([]byte("twelve bytes"))
	check(t, err)
	check(t, a.ReceiveError(m))
	if stage, id, ok := m.Ancillary.Error.Transmission(); !ok || stage != socket.Acknowledged || id != 11 {
		t.Errorf("stage %v, byte %d, %v", stage, id, ok)
	}
}
