package socket_test

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"zocalo/internal/testenv"
	"zocalo/socket"
	"zocalo/socket/option"
)

// inFanout gives f two packet sockets of one group on ve1, for the packets of
// IPv4, and a sender to them of UDP datagrams in as many flows as there are
// numbers: nobody else is at the far end.
func inFanout(t *testing.T, group string, f func(pair [2]*socket.Socket, send func(from, n int))) {
	testenv.InNamespace(t, append(slices.Clone(veth), "neigh add 10.9.0.2 lladdr 02:00:00:00:00:02 dev ve0 nud permanent"), func() {
		pair, send := fanoutPair(t, group)
		f(pair, send)
	})
}

func fanoutPair(t *testing.T, group string) (pair [2]*socket.Socket, send func(from, n int)) {
	t.Helper()
	g, err := option.ParseFanoutGroup(group)
	check(t, err)
	const ipv4 = 0x0800
	for i := range pair {
		pair[i] = packetSocket(t, socket.Datagram, socket.PacketName(device(t, "ve1").Index, ipv4, nil))
		check(t, option.Fanout.Set(pair[i], g))
	}
	senders := map[int]*socket.Socket{}
	return pair, func(from, n int) {
		s, known := senders[from]
		if !known {
			s = bindTo(t, socket.Inet, "10.9.0.1:0")
			senders[from] = s
		}
		_, err := s.Send(&socket.Message{Buffers: [][]byte{{byte(from), byte(n)}}, Peer: named("10.9.0.2:9")})
		check(t, err)
	}
}

// taken returns what came to a packet socket until nothing more does: the flow
// and the number of each datagram. Other packets of the interface are left out.
func taken(t *testing.T, s *socket.Socket) (found [][2]int) {
	t.Helper()
	m := message(1500)
	for {
		check(t, s.SetReadDeadline(time.Now().Add(20*time.Millisecond)))
		if err := s.Receive(m); err != nil {
			return found
		}
		const header, udpHeader = 20, 8 // no options
		if b := m.Buffers[0][:m.N]; len(b) == header+udpHeader+2 && binary.BigEndian.Uint16(b[header+2:]) == 9 {
			found = append(found, [2]int{int(b[header+udpHeader]), int(b[header+udpHeader+1])})
		}
	}
}

// bothTaken waits until so many came to the two together.
func bothTaken(t *testing.T, pair [2]*socket.Socket, want int) (x, y [][2]int) {
	t.Helper()
	eventually(t, "every packet comes to one of the group", func() bool {
		x, y = append(x, taken(t, pair[0])...), append(y, taken(t, pair[1])...)
		return len(x)+len(y) >= want
	})
	if len(x)+len(y) != want {
		t.Errorf("%d and %d packets came, of %d", len(x), len(y), want)
	}
	return x, y
}

// A flow stays with one socket, and many flows are spread over both.
func TestFanoutByHash(t *testing.T) {
	inFanout(t, "1:hash", func(pair [2]*socket.Socket, send func(from, n int)) {
		const flows, each = 32, 5
		for n := range flows * each {
			send(n%flows, n/flows)
		}
		x, y := bothTaken(t, pair, flows*each)
		if len(x) == 0 || len(y) == 0 {
			t.Errorf("all of %d flows came to one socket", flows)
		}
		of := map[int]int{}
		for i, list := range [][][2]int{x, y} {
			for _, p := range list {
				if other, known := of[p[0]]; known && other != i {
					t.Fatalf("flow %d came to both sockets", p[0])
				}
				of[p[0]] = i
			}
		}
	})
}

// One flow is spread over both. That all comes to one is a chance of 2 in
// 2^100.
func TestFanoutByChance(t *testing.T) {
	inFanout(t, "2:random", func(pair [2]*socket.Socket, send func(from, n int)) {
		for n := range 100 {
			send(0, n)
		}
		if x, y := bothTaken(t, pair, 100); len(x) == 0 || len(y) == 0 {
			t.Errorf("%d and %d packets of one flow", len(x), len(y))
		}
	})
}

// The first socket has everything until it is full.
func TestFanoutByRollover(t *testing.T) {
	inFanout(t, "3:rollover", func(pair [2]*socket.Socket, send func(from, n int)) {
		check(t, option.ReceiveBuffer.Set(pair[0], 8<<10))
		for n := range 60 {
			send(n%3, n)
		}
		x, y := bothTaken(t, pair, 60)
		if len(x) < 3 || len(y) == 0 {
			t.Fatalf("the first with room had %v, the second %v", x, y)
		}
		for i := range 3 {
			if x[i][1] != i || y[0][1] <= i {
				t.Errorf("the first with room had %v, the second %v", x, y)
			}
		}
	})
}

// The device has one queue, so that one socket has everything.
func TestFanoutByQueue(t *testing.T) {
	inFanout(t, "4:queue", func(pair [2]*socket.Socket, send func(from, n int)) {
		for n := range 20 {
			send(n, n)
		}
		if x, y := bothTaken(t, pair, 20); len(x) > 0 && len(y) > 0 {
			t.Errorf("%d and %d packets of one queue", len(x), len(y))
		}
	})
}

// Each socket has the packets of one processor.
func TestFanoutByCPU(t *testing.T) {
	haveTwoCPUs(t)
	inFanout(t, "5:cpu", func(pair [2]*socket.Socket, send func(from, n int)) {
		for n := range 40 {
			onCPU(t, n/5%2)
			send(n/5%2, n) // the flow is the processor
		}
		x, y := bothTaken(t, pair, 40)
		if len(x) != 20 || len(y) != 20 {
			t.Errorf("%d and %d packets, want 20 each", len(x), len(y))
		}
		for i, list := range [][][2]int{x, y} {
			for _, p := range list {
				if p[0] != i {
					t.Fatalf("packet %d of processor %d came to socket %d", p[1], p[0], i)
				}
			}
		}
	})
}
