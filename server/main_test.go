package server_test

import (
	"testing"

	"zocalo/internal/testenv"
	"zocalo/internal/testsock"
	"zocalo/socket"
	"zocalo/socket/sockettest"
)

func TestMain(m *testing.M) {
	sockettest.RegisterMemory()
	testenv.Main(m)
}

// Short names for what tests use most.
var (
	tcp, udp                       = testsock.TCP, testsock.UDP
	unix, unixSeq, unixDatagram    = testsock.Unix, testsock.UnixSeq, testsock.UnixDatagram
	memory, memorySeq, memoryDgram = testsock.Memory, testsock.MemorySeq, testsock.MemoryDgram

	open, bound, listen = testsock.Open, testsock.Bound, testsock.Listen
	dial, pair          = testsock.Dial, testsock.Pair
)

func sendTo(t testing.TB, s *socket.Socket, peer socket.Name, b []byte) {
	t.Helper()
	if _, err := s.Send(&socket.Message{Buffers: [][]byte{b}, Peer: peer}); err != nil {
		t.Fatal(err)
	}
}
