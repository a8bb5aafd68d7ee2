package socket_test

import (
	"bytes"
	"net"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"zocalo/internal/testenv"
	"zocalo/socket"
	"zocalo/socket/option"
	"zocalo/socket/scheme"
)

// experimental is a protocol of Ethernet for experiments (IEEE 802, 0x88b5).
const experimental = 0x88b5

func packetSocket(t *testing.T, typ socket.Type, n socket.Name, options ...func(*socket.Socket) error) *socket.Socket {
	t.Helper()
	s, err := socket.New(socket.Packet, typ, 0)
	check(t, err)
	t.Cleanup(func() { s.Close() })
	for _, o := range options {
		check(t, o(s))
	}
	check(t, s.Bind(n))
	return s
}

func device(t *testing.T, name string) *net.Interface {
	t.Helper()
	i, err := net.InterfaceByName(name)
	check(t, err)
	return i
}

// Frames and packets pass over a pair of interfaces, with what is known of
// them.
func TestPackets(t *testing.T) {
	testenv.InNamespace(t, veth, func() {
		ve0, ve1 := device(t, "ve0"), device(t, "ve1")
		quiet := func(s *socket.Socket) error { return option.IgnoreOutgoing.Set(s, true) }
		a := packetSocket(t, socket.Datagram, socket.PacketName(ve0.Index, experimental, nil), quiet)
		b := packetSocket(t, socket.Datagram, socket.PacketName(ve1.Index, experimental, nil), quiet)
		raw := packetSocket(t, socket.Raw, socket.PacketName(ve1.Index, experimental, nil), quiet)
		to := socket.PacketName(ve1.Index, experimental, ve1.HardwareAddr)
		if to.String() != "ve1/"+ve1.HardwareAddr.String() || b.Name().String() != "ve1/"+ve1.HardwareAddr.String() {
			t.Errorf("names %v, %v", to, b.Name())
		}
		check(t, a.Connect(t.Context(), socket.PacketName(ve0.Index, experimental, ve1.HardwareAddr)))
		_, err := a.Write([]byte("without a header"))
		check(t, err)
		n, err := a.SendBatch(batch(100, 200))
		if n != 2 || err != nil {
			t.Fatal(n, err)
		}
		m := message(1500)
		check(t, b.Receive(m))
		index, protocol, kind, hardware := m.Peer.Link()
		if !bytes.HasPrefix(m.Buffers[0][:m.N], []byte("without a header")) || index != ve1.Index || protocol != experimental ||
			kind != socket.ForThisHost || hardware.String() != ve0.HardwareAddr.String() {
			t.Errorf("%q from %v: interface %d, protocol %#x, for %d", m.Buffers[0][:m.N], m.Peer, index, protocol, kind)
		}
		receiveAll(t, b, 2)
		header := append(append(bytes.Clone(ve1.HardwareAddr), ve0.HardwareAddr...), 0x88, 0xb5)
		check(t, raw.Receive(m))
		if !bytes.Equal(m.Buffers[0][:m.N], append(header, "without a header"...)) {
			t.Errorf("the frame is % x", m.Buffers[0][:m.N])
		}
		frames := packetSocket(t, socket.Raw, socket.PacketName(ve0.Index, experimental, nil), quiet)
		_, err = frames.Write(append(header, "a frame"...))
		check(t, err)
		check(t, b.Receive(m))
		if string(m.Buffers[0][:m.N]) != "a frame" {
			t.Errorf("%q", m.Buffers[0][:m.N])
		}

		// The interface is promiscuous for as long as it was asked to be. A
		// veth, unlike a network card, hands over frames for others anyway.
		promiscuous := func() bool {
			out, err := exec.Command("ip", "-d", "link", "show", "ve1").Output()
			check(t, err)
			return !strings.Contains(string(out), "promiscuity 0")
		}
		if promiscuous() {
			t.Error("the interface is promiscuous from the beginning")
		}
		check(t, option.Promiscuous.Set(b, "ve1"))
		if !promiscuous() {
			t.Error("the interface is not promiscuous")
		}
		other := append(append(net.HardwareAddr{2, 9, 9, 9, 9, 9}, ve0.HardwareAddr...), 0x88, 0xb5)
		_, err = frames.Write(append(other, "for another"...))
		check(t, err)
		check(t, b.Receive(m))
		if _, _, kind, _ := m.Peer.Link(); kind != socket.ForOtherHost {
			t.Errorf("for %d", kind)
		}
		check(t, option.NotPromiscuous.Set(b, "ve1"))
		if promiscuous() {
			t.Error("the interface stays promiscuous")
		}
		wantError(t, "an interface that is not there", option.Promiscuous.Set(b, "nosuchdevice"), syscall.ENODEV)
	})
}

// The sockets of a group take turns.
func TestFanout(t *testing.T) {
	testenv.InNamespace(t, veth, func() {
		ve0, ve1 := device(t, "ve0"), device(t, "ve1")
		name := socket.PacketName(ve1.Index, experimental, nil)
		group, err := option.ParseFanoutGroup("7:lb")
		check(t, err)
		x, y := packetSocket(t, socket.Datagram, name), packetSocket(t, socket.Datagram, name)
		for _, s := range []*socket.Socket{x, y} {
			check(t, option.Fanout.Set(s, group))
			if g, err := option.Fanout.Get(s); g != group || err != nil {
				t.Errorf("%v, %v", g, err)
			}
		}
		sc, _ := scheme.Lookup("packet-dgram")
		z, err := socket.New(socket.Packet, socket.Datagram, 0)
		check(t, err)
		settings := option.Settings{{Spec: option.Fanout.Spec, Value: option.FanoutGroup{ID: 9, Mode: option.ByCPU}}}
		check(t, sc.Bind(t.Context(), scheme.Target{Passive: true, Settings: settings}, z, name))
		if g, err := option.Fanout.Get(z); g.String() != "9:cpu" || err != nil {
			t.Errorf("by address: %v, %v", g, err)
		}
		check(t, z.Close())
		a := packetSocket(t, socket.Datagram, socket.PacketName(ve0.Index, experimental, nil))
		check(t, a.Connect(t.Context(), socket.PacketName(ve0.Index, experimental, ve1.HardwareAddr)))
		for range 10 {
			_, err := a.Write([]byte("turn"))
			check(t, err)
		}
		receiveAll(t, x, 5)
		receiveAll(t, y, 5)
		for _, text := range []string{"", "65536", "1:", "1:all"} {
			if g, err := option.ParseFanoutGroup(text); err == nil {
				t.Errorf("%q gives %v", text, g)
			}
		}
	})
}

// By address: the interface is named, and the protocol is an option.
func TestPacketAddresses(t *testing.T) {
	sc, ok := scheme.Lookup("packet-dgram")
	if !ok {
		t.Fatal("no such scheme")
	}
	for _, c := range []struct {
		endpoint string
		passive  bool
		ok       bool
	}{
		{"lo", true, true}, {"any", true, true}, {"lo/02:00:00:00:00:01", false, true},
		{"any", false, false}, {"", true, false}, {"nosuchdevice", true, false}, {"lo/xx", false, false}, {"lo/02:00:00:00:00:01", true, false},
	} {
		names, err := sc.Resolve(t.Context(), scheme.Target{Endpoint: c.endpoint, Passive: c.passive})
		if (err == nil) != c.ok || c.ok && len(names) != 1 {
			t.Errorf("%q passive %v: %v, %v", c.endpoint, c.passive, names, err)
		}
	}
}
