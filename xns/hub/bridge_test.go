package hub

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"zocalo/socket"
)

// bridged gives the hub a bridge to an Ethernet that is a pair of sockets, and
// returns the end that is the cable.
func bridged(t *testing.T, h *Hub) *socket.Socket {
	t.Helper()
	cable, port, err := socket.Pair(socket.Unix, socket.SeqPacket, 0)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	before := h.count(isBridge)
	go func() { done <- h.Bridge(ctx, port) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("the bridge ended with %v", err)
		}
		port.Close()
		cable.Close()
	})
	eventually(t, "the bridge is there", func() bool { return h.count(isBridge) > before })
	return cable
}

func expectOnCable(t *testing.T, cable *socket.Socket, want []byte) {
	t.Helper()
	cable.SetReadDeadline(time.Now().Add(patience))
	b := make([]byte, Longest)
	n, err := cable.Read(b)
	if err != nil || !bytes.Equal(b[:n], want) {
		t.Fatalf("on the cable is %.60x, %v, want %.60x", b[:n], err, want)
	}
}

func TestBridge(t *testing.T) {
	var h Hub
	cable := bridged(t, &h)
	a, b := join(t, &h, NetHub), join(t, &h, QEMU)

	// Only XNS, and nothing shorter than Ethernet has it.
	a.send(made(1, 0x800, 1, 60))
	a.send(made(1, 0x600, 2, 44))
	expectOnCable(t, cable, append(made(1, 0x600, 2, 44), make([]byte, 16)...))
	b.send(made(2, 0x600, 3, 1500))
	expectOnCable(t, cable, made(2, 0x600, 3, 1500))

	for _, frame := range [][]byte{made(9, 0x800, 4, 60), made(9, 0x600, 5, 14)[:13], made(9, 0x600, 6, 60)} {
		cable.Write(frame)
	}
	b.expect(made(1, 0x800, 1, 60))
	b.expect(made(1, 0x600, 2, 44))
	b.expect(made(9, 0x600, 6, 60))
	a.expect(made(9, 0x600, 6, 60))

	// What comes back over another way round is not repeated: from the
	// Ethernet, and to it.
	cable.Write(made(1, 0x600, 7, 60))
	a.send(made(9, 0x600, 8, 60))
	b.expect(made(9, 0x600, 8, 60)) // and not 7
	a.send(made(1, 0x600, 9, 60))
	expectOnCable(t, cable, made(1, 0x600, 9, 60)) // and not 8
	if n := h.Counts().Looped; n != 2 {
		t.Errorf("%d frames were found to go round, want 2", n)
	}
}

func TestStations(t *testing.T) {
	var s stations
	one := [6]byte{2, 1}
	if !s.seen(one, true) || s.seen(one, false) || !s.seen(one, true) {
		t.Error("a station is on both sides")
	}
	s.known[one].last = time.Now().Add(-stationLife)
	if !s.seen(one, false) || s.seen(one, true) {
		t.Error("a station did not move")
	}
	for i := range mostStations + 10 {
		s.seen([6]byte{4, byte(i >> 8), byte(i)}, false)
	}
	if len(s.known) != mostStations {
		t.Errorf("%d stations are known", len(s.known))
	}
	for _, st := range s.known {
		st.last = st.last.Add(-stationLife)
	}
	s.seen([6]byte{6}, true)
	if len(s.known) != 1 {
		t.Errorf("%d stations are known, and all but one were silent for long", len(s.known))
	}
}

// TestBridgeToStream refuses what has no frames.
func TestBridgeToStream(t *testing.T) {
	a, b, err := socket.Pair(socket.Unix, socket.Stream, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	defer b.Close()
	var h Hub
	if err := h.Bridge(t.Context(), a); !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
}
