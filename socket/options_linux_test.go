package socket_test

import (
	"errors"
	"io"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"zocalo/internal/testenv"
	"zocalo/socket"
	"zocalo/socket/option"
)

// setting sets an option by its text and reads it back, as text.
type setting struct {
	spec      *option.Spec
	set, want string
}

// Each option can be set and read back; the kernel's answer, not ours.
func TestOptionsSetAndRead(t *testing.T) {
	inet := []setting{
		{option.Mark.Spec, "7", "7"},
		{option.Device.Spec, "lo", "lo"},
		{option.Priority.Spec, "5", "5"},
		{option.MaxPacingRate.Spec, "1GiB", "1GiB"},
		{option.IncomingCPU.Spec, "0", "0"},
		{option.BusyPoll.Spec, "50us", "50µs"},
		{option.TTL.Spec, "9", "9"},
		{option.TypeOfService.Spec, "0x28", "40"},
		{option.FreeBind.Spec, "1", "1"},
		{option.Transparent.Spec, "1", "1"},
		{option.BindAddressNoPort.Spec, "1", "1"},
		{option.MTUDiscovery.Spec, "probe", "probe"},
		{option.ReceiveErrors.Spec, "1", "1"},
		{option.ReceiveOriginalDestination.Spec, "1", "1"},
		{option.Timestamping.Spec, "received", "received"},
	}
	datagram := append([]setting{
		{option.MulticastTTL.Spec, "4", "4"},
		{option.MulticastLoop.Spec, "0", "0"},
		{option.MulticastAll.Spec, "0", "0"},
		{option.UDPGRO.Spec, "1", "1"},
		{option.UDPGSO.Spec, "0", "0"},
	}, inet...)
	stream := append([]setting{
		{option.FastOpen.Spec, "16", "16"},
		{option.FastOpenConnect.Spec, "1", "1"},
		{option.DeferAccept.Spec, "1s", "1s"},
		{option.Congestion.Spec, "reno", "reno"},
		{option.MaxSegment.Spec, "1000", "1000"},
		{option.Cork.Spec, "1", "1"},
		{option.NotSentLowWater.Spec, "16KiB", "16KiB"},
		{option.QuickAck.Spec, "0", "0"},
	}, inet...)
	for _, c := range []struct {
		kind testKind
		list []setting
	}{
		{udp, datagram}, {tcp, stream},
		{udp6, append([]setting{{option.MulticastInterface.Spec, "lo", "lo"}}, datagram...)}, {tcp6, stream},
		{unixDatagram, []setting{{option.PassCredentials.Spec, "1", "1"}, {option.PassPIDFD.Spec, "1", "1"}}},
	} {
		t.Run(c.kind.String(), func(t *testing.T) {
			for _, o := range c.list {
				t.Run(o.spec.Name, func(t *testing.T) {
					s := c.kind.open(t)
					v, err := o.spec.Parse(o.set)
					check(t, err)
					before, err := o.spec.Current(s)
					check(t, err)
					if o.spec.Format(before) == o.want {
						t.Errorf("it is %s from the beginning", o.want)
					}
					err = o.spec.Apply(s, v)
					if errors.Is(err, syscall.EPERM) && os.Geteuid() != 0 {
						t.Skip(err)
					}
					check(t, err)
					got, err := o.spec.Current(s)
					check(t, err)
					if text := o.spec.Format(got); text != o.want {
						t.Errorf("%s, want %s", text, o.want)
					}
				})
			}
		})
	}
}

// What options refuse, they refuse by name.
func TestOptionsRefused(t *testing.T) {
	for spec, texts := range map[*option.Spec][]string{
		option.TTL.Spec:             {"0", "256", "-1", "many"},
		option.TypeOfService.Spec:   {"256", "-1"},
		option.MTUDiscovery.Spec:    {"", "never"},
		option.Timestamping.Spec:    {"", "soon", "sent+"},
		option.MaxSegment.Spec:      {"87", "32768"},
		option.NotSentLowWater.Spec: {"0"},
		option.JoinGroup.Spec:       {"", "10.0.0.1", "239.1.1.1%", "x@239.1.1.1", "::1@239.1.1.1", "@239.1.1.1", "ff02::1%eth0%x@", "224.0.0.1@239.1.1.1"},
	} {
		for _, text := range texts {
			if v, err := spec.Parse(text); err == nil {
				t.Errorf("%s=%s gives %v", spec.Name, text, v)
			}
		}
	}
	s := udp.open(t)
	for _, err := range []error{
		option.Device.Set(s, "nosuchdevice"), option.MulticastInterface.Set(s, "nosuchdevice"),
		option.JoinGroup.Set(s, option.Group{Group: netip.MustParseAddr("239.1.1.1"), Interface: "nosuchdevice"}),
	} {
		wantError(t, "an interface that is not there", err, syscall.ENODEV)
	}
	wantError(t, "a group of the other version", option.JoinGroup.Set(s, option.Group{Group: netip.MustParseAddr("ff02::1"), Interface: "lo"}), syscall.EAFNOSUPPORT)
	err := option.Congestion.Set(tcp.open(t), "nosuch")
	wantError(t, "an unknown algorithm", err, syscall.ENOENT)
	if !strings.Contains(err.Error(), "no such algorithm") {
		t.Error(err)
	}
	_, err = option.OriginalDestination.Get(tcp.open(t))
	if err == nil {
		t.Error("an unconnected socket has an original destination")
	}
	_, err = option.MulticastInterface.Get(s)
	wantError(t, "the interface of IPv4", err, errors.ErrUnsupported)
	if err := option.ReusePortProgram.Set(s, nil); err == nil {
		t.Error("an empty program was taken")
	}
}

// veth is a pair of interfaces with an address each, and routes for multicast.
var veth = []string{
	"link add ve0 type veth peer name ve1",
	"addr add 10.9.0.1/24 brd 10.9.0.255 dev ve0", "addr add 10.8.0.1/24 dev ve1",
	"link set ve0 up", "link set ve1 up",
	"addr add fd00::1/64 dev ve0 nodad", "route add 224.0.0.0/4 dev ve0",
}

func receives(t *testing.T, s *socket.Socket, want string) {
	t.Helper()
	check(t, s.SetReadDeadline(time.Now().Add(time.Minute))) // for what went astray
	buf := make([]byte, 100)
	n, err := s.Read(buf)
	check(t, s.SetReadDeadline(time.Time{}))
	if string(buf[:n]) != want || err != nil {
		t.Errorf("received %q, %v; want %q", buf[:n], err, want)
	}
}

func bindTo(t *testing.T, d socket.Domain, name string, options ...func(*socket.Socket) error) *socket.Socket {
	t.Helper()
	s, err := socket.New(d, socket.Datagram, 0)
	check(t, err)
	t.Cleanup(func() { s.Close() })
	check(t, option.ReuseAddress.Set(s, true))
	for _, o := range options {
		check(t, o(s))
	}
	check(t, s.Bind(socket.InetName(netip.MustParseAddrPort(name))))
	return s
}

func join(text string) func(*socket.Socket) error {
	return func(s *socket.Socket) error {
		g, err := option.ParseGroup(text)
		if err != nil {
			return err
		}
		return option.JoinGroup.Set(s, g)
	}
}

// Members of a group receive, those of a source from it alone, and others and
// those who left do not.
func TestMulticast(t *testing.T) {
	testenv.InNamespace(t, veth, func() {
		only := func(s *socket.Socket) error { return option.MulticastAll.Set(s, false) }
		member := bindTo(t, socket.Inet, "0.0.0.0:7000", only, join("239.1.1.1"))
		twin := bindTo(t, socket.Inet, "239.1.1.1:7000", only, join("239.1.1.1%ve0")) // of the same group, each gets a copy
		other := bindTo(t, socket.Inet, "0.0.0.0:7000", only, join("239.1.1.2%ve0"))
		sourced := bindTo(t, socket.Inet, "0.0.0.0:7000", only, join("10.9.0.1@232.1.1.1%ve0"))
		wrong := bindTo(t, socket.Inet, "0.0.0.0:7000", only, join("10.9.0.7@232.1.1.1%ve0"))
		from := bindTo(t, socket.Inet, "10.9.0.1:0", func(s *socket.Socket) error { return option.MulticastInterface.Set(s, "ve0") })
		send := func(to, text string) {
			m := &socket.Message{Buffers: [][]byte{[]byte(text)}, Peer: socket.InetName(netip.MustParseAddrPort(to))}
			_, err := from.Send(m)
			check(t, err)
		}
		send("239.1.1.1:7000", "group 1")
		send("239.1.1.2:7000", "group 2")
		send("232.1.1.1:7000", "of a source")
		receives(t, member, "group 1")
		receives(t, twin, "group 1")
		receives(t, other, "group 2")
		receives(t, sourced, "of a source")
		g, err := option.ParseGroup("239.1.1.1")
		check(t, err)
		check(t, option.LeaveGroup.Set(member, g))
		check(t, join("239.1.1.3")(member))
		send("239.1.1.1:7000", "after it left")
		check(t, option.MulticastLoop.Set(from, false))
		send("239.1.1.3:7000", "without a loop")
		check(t, option.MulticastLoop.Set(from, true))
		check(t, join("10.9.0.1@232.1.1.2%ve0")(wrong))
		send("232.1.1.2:7000", "of the right source")
		send("239.1.1.3:7000", "group 3")
		receives(t, member, "group 3")
		receives(t, wrong, "of the right source")

		six := bindTo(t, socket.Inet6, "[::]:7001", join("ff02::1234%ve0"))
		from6 := bindTo(t, socket.Inet6, "[fd00::1]:0", func(s *socket.Socket) error { return option.MulticastInterface.Set(s, "ve0") })
		m := &socket.Message{Buffers: [][]byte{[]byte("six")}, Peer: socket.InetName(netip.MustParseAddrPort("[ff02::1234]:7001"))}
		_, err = from6.Send(m)
		check(t, err)
		receives(t, six, "six")
	})
}

// A socket on a device receives what comes from it alone; broadcast needs its
// option.
func TestDeviceAndBroadcast(t *testing.T) {
	testenv.InNamespace(t, veth, func() {
		device := func(name string) func(*socket.Socket) error {
			return func(s *socket.Socket) error { return option.Device.Set(s, name) }
		}
		all, onLo := bindTo(t, socket.Inet, "0.0.0.0:7000", device("ve0")), bindTo(t, socket.Inet, "0.0.0.0:7000", device("lo"))
		from := bindTo(t, socket.Inet, "0.0.0.0:0")
		m := &socket.Message{Buffers: [][]byte{[]byte("by loopback")}, Peer: loopback(7000)}
		_, err := from.Send(m)
		check(t, err)
		receives(t, onLo, "by loopback")
		m.SetData([]byte("to all"))
		m.Peer = socket.InetName(netip.MustParseAddrPort("10.9.0.255:7000"))
		_, err = from.Send(m)
		wantError(t, "a broadcast without the option", err, syscall.EACCES)
		check(t, option.Broadcast.Set(from, true))
		check(t, option.Device.Set(all, ""))
		check(t, option.Device.Set(onLo, ""))
		_, err = from.Send(m)
		check(t, err)
		receives(t, all, "to all")
		receives(t, onLo, "to all")
	})
}

// reusePortPair returns two sockets of one name, in the order in which a
// program counts them.
func reusePortPair(t *testing.T, options ...func(*socket.Socket) error) (pair [2]*socket.Socket) {
	t.Helper()
	reuse := func(s *socket.Socket) error { return option.ReusePort.Set(s, true) }
	name := "127.0.0.1:0"
	for i := range pair {
		pair[i] = bindTo(t, socket.Inet, name, append(options, reuse)...)
		name = pair[i].Name().String()
	}
	return pair
}

// The program chooses the socket by the datagram's first byte, and whatever it
// is afterwards by another program. What names no socket falls to the system.
func TestReusePortProgram(t *testing.T) {
	pair := reusePortPair(t)
	from := udp.open(t)
	check(t, from.Connect(t.Context(), pair[0].Name()))
	first := []option.BPF{{Op: syscall.BPF_LD | syscall.BPF_B | syscall.BPF_ABS}, {Op: syscall.BPF_RET | syscall.BPF_A}}
	opposite := []option.BPF{first[0], {Op: syscall.BPF_ALU | unix.BPF_XOR | syscall.BPF_K, K: 1}, first[1]}
	for i, program := range [][]option.BPF{first, opposite} {
		check(t, option.ReusePortProgram.Set(pair[0], program))
		for n := range 20 {
			text := []byte{byte(n / 3 % 2), byte(n)}
			_, err := from.Write(text)
			check(t, err)
			receives(t, pair[int(text[0])^i], string(text))
		}
	}
	wantError(t, "a descriptor that is no program", option.ReusePortProgramFD.Set(pair[0], pair[0].Unwrap().(socket.Descriptor).FD()), syscall.EINVAL)
}

// onCPU makes the thread, which stays the goroutine's, run on one processor.
func onCPU(t *testing.T, cpu int) {
	t.Helper()
	var set unix.CPUSet
	set.Set(cpu)
	check(t, unix.SchedSetaffinity(0, &set))
}

// haveTwoCPUs ends the test unless it may choose between processors 0 and 1.
func haveTwoCPUs(t *testing.T) {
	t.Helper()
	var may unix.CPUSet
	check(t, unix.SchedGetaffinity(0, &may))
	if !may.IsSet(0) || !may.IsSet(1) {
		t.Skip("needs processors 0 and 1")
	}
}

// Of two sockets of one name each gets what comes by its processor.
func TestIncomingCPU(t *testing.T) {
	haveTwoCPUs(t)
	pair := reusePortPair(t)
	for cpu, s := range pair {
		check(t, option.IncomingCPU.Set(s, cpu))
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		for n := range 20 {
			onCPU(t, n%2)
			// Each from a port of its own, so that no other choice is stable.
			s, err := socket.New(socket.Inet, socket.Datagram, 0)
			check(t, err)
			_, err = s.Send(&socket.Message{Buffers: [][]byte{{byte(n)}}, Peer: pair[0].Name()})
			check(t, err)
			check(t, s.Close())
			receives(t, pair[n%2], string([]byte{byte(n)}))
		}
	}()
	<-done
}

// With a connection's cookie at hand, the data goes with the first packet:
// the connection stands only once something is written.
func TestFastOpen(t *testing.T) {
	testenv.InNamespace(t, nil, func() {
		check(t, os.WriteFile("/proc/sys/net/ipv4/tcp_fastopen", []byte("519"), 0)) // both sides, and without cookies
		l := tcp.bound(t)
		check(t, option.FastOpen.Set(l, 10))
		check(t, l.Listen(0))
		c := tcp.open(t)
		check(t, option.FastOpenConnect.Set(c, true))
		check(t, c.Connect(t.Context(), l.Name()))
		if info, err := option.ConnectionInfo.Get(c); err != nil || info.State.String() == "ESTABLISHED" {
			t.Errorf("before a write: %v, %v", info.State, err)
		}
		_, err := c.Write([]byte("with the SYN"))
		check(t, err)
		s, err := l.Accept(t.Context())
		check(t, err)
		defer s.Close()
		receives(t, s, "with the SYN")
		if info, err := option.ConnectionInfo.Get(s); err != nil || info.State.String() != "ESTABLISHED" {
			t.Errorf("after: %v, %v", info.State, err)
		}
	})
}

// A connection is made to an address that is not the machine's, and arrives
// with it, by a rule that routes the marked packets here.
func TestMarkAndTransparent(t *testing.T) {
	testenv.InNamespace(t, []string{"rule add fwmark 7 lookup 100", "route add local 192.0.2.0/24 dev lo table 100"}, func() {
		l := bindTo(t, socket.Inet, "0.0.0.0:7000", func(s *socket.Socket) error { return option.ReceivePacketInfo.Set(s, true) })
		c := bindTo(t, socket.Inet, "0.0.0.0:0")
		m := &socket.Message{Buffers: [][]byte{[]byte("x")}, Peer: socket.InetName(netip.MustParseAddrPort("192.0.2.5:7000"))}
		_, err := c.Send(m)
		wantError(t, "without the mark", err, syscall.ENETUNREACH)
		check(t, option.Mark.Set(c, 7))
		_, err = c.Send(m)
		check(t, err)
		got := message(10)
		check(t, l.Receive(got))
		if d := got.Ancillary.PacketInfo.Destination.String(); d != "192.0.2.5" {
			t.Errorf("destination %s", d)
		}
		s, err := socket.New(socket.Inet, socket.Datagram, 0)
		check(t, err)
		defer s.Close()
		foreign := socket.InetName(netip.MustParseAddrPort("198.51.100.9:0"))
		wantError(t, "bind to an address of others", s.Bind(foreign), syscall.EADDRNOTAVAIL)
		check(t, option.Transparent.Set(s, true))
		check(t, s.Bind(foreign))
	})
}

func TestMultipathInfo(t *testing.T) {
	mptcp.require(t)
	a, b := mptcp.pair(t)
	_, err := a.Write(make([]byte, 1000))
	check(t, err)
	_, err = io.ReadFull(b, make([]byte, 1000))
	check(t, err)
	x, err := option.MultipathInfo.Get(a)
	check(t, err)
	y, err := option.MultipathInfo.Get(b)
	check(t, err)
	if x.Fallback || !x.RemoteKey || x.Token == 0 || x.Token == y.Token || x.Sent != 1000 || y.Received != 1000 || x.TotalSubflows != 1 {
		t.Errorf("%+v\n%+v", x, y)
	}
	_, err = option.MultipathInfo.Get(tcp.open(t))
	if err == nil {
		t.Error("a TCP socket has MPTCP_INFO")
	}
}

func TestGroupText(t *testing.T) {
	for _, text := range []string{"239.1.1.1", "ff02::1%eth0", "10.0.0.1@232.1.1.1%eth0", "2001:db8::1@ff3e::1"} {
		g, err := option.ParseGroup(text)
		if err != nil || g.String() != text {
			t.Errorf("%q gives %q, %v", text, g, err)
		}
	}
}

// What TCP_INFO says of a connection agrees with what passed over it.
func TestConnectionInfoComplete(t *testing.T) {
	a, b := tcp.pair(t)
	check(t, option.MaxSegment.Set(a, 1000))
	data := make([]byte, 5000)
	_, err := a.Write(data)
	check(t, err)
	_, err = io.ReadFull(b, data)
	check(t, err)
	_, err = b.Write(data[:1]) // whose segment acknowledges all
	check(t, err)
	_, err = io.ReadFull(a, data[:1])
	check(t, err)
	x, err := option.ConnectionInfo.Get(a)
	check(t, err)
	y, err := option.ConnectionInfo.Get(b)
	check(t, err)
	if x.BytesSent != 5000 || x.BytesReceived != 1 || y.BytesReceived != 5000 || y.BytesSent != 1 || x.BytesAcknowledged < 5000 {
		t.Errorf("bytes\n%+v\n%+v", x, y)
	}
	if x.DataSegmentsSent == 0 || x.SegmentsSent <= x.DataSegmentsSent || x.DataSegmentsReceived != 1 || y.DataSegmentsSent != 1 || x.Delivered < x.DataSegmentsSent {
		t.Errorf("segments\n%+v\n%+v", x, y)
	}
	if !x.SACK || !x.TimestampOption || x.SendScale == 0 || x.SendScale != y.ReceiveScale || x.ReceiveScale != y.SendScale || x.AdvertisedMSS == 0 || x.ReceiveWindow == 0 {
		t.Errorf("options\n%+v\n%+v", x, y)
	}
}

// Who may not set an option hears what it takes.
func TestOptionPrivilege(t *testing.T) {
	testenv.Root(t)
	s := udp.open(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread, which is nobody from here on, ends with the goroutine
		const nobody = 65534
		if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, nobody, nobody, nobody); errno != 0 {
			t.Error(errno)
			return
		}
		for err, want := range map[error]string{
			option.Mark.Set(s, 7):           "it needs CAP_NET_ADMIN, or CAP_NET_RAW since 5.17",
			option.Priority.Set(s, 7):       "it needs CAP_NET_ADMIN or CAP_NET_RAW for more than 6",
			option.Transparent.Set(s, true): "it needs CAP_NET_ADMIN or CAP_NET_RAW",
		} {
			if !errors.Is(err, syscall.EPERM) || !strings.HasSuffix(err.Error(), want) {
				t.Errorf("%v, want %q", err, want)
			}
		}
	}()
	<-done
}
