package socket_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"os"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"zocalo/socket"
)

func TestText(t *testing.T) {
	unix, err := socket.UnixName("/run/a,b")
	check(t, err)
	abstract, err := socket.UnixName("@x")
	check(t, err)
	type both struct {
		Name socket.Name
		Kind socket.Kind
	}
	for _, want := range []both{
		{loopback(80), tcp.Kind}, {loopback6(80), tcp6.Kind}, {unix, unixStream.Kind}, {abstract, unixSeqPacket.Kind},
		{socket.VSockName(2, 80), socket.Kind{Domain: socket.VSock, Type: socket.Stream}}, {socket.Name{}, udp6.Kind},
	} {
		text, err := json.Marshal(want)
		check(t, err)
		var got both
		if err := json.Unmarshal(text, &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s became %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"x", "1:2:3", "tcp", "-1:2"} {
		if err := new(socket.Name).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is a name", text)
		}
	}
	for _, text := range []string{"", "x", "nothing+tcp", "tcp+", "tcp+tcp"} {
		if err := new(socket.Kind).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is a kind", text)
		}
	}
	a, _ := tcp.pair(t)
	var logged bytes.Buffer
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("said", "socket", a)
	if want := "tcp " + a.Name().String() + " -\\u003e " + a.Peer().String(); !strings.Contains(logged.String(), want) && !strings.Contains(logged.String(), a.String()) {
		t.Errorf("logged %s, want %s", &logged, want)
	}
}

func TestMessageBytes(t *testing.T) {
	m := socket.Message{Buffers: [][]byte{[]byte("ab"), []byte("cde")}}
	for n, want := range []string{"", "a", "ab", "abc", "abcd", "abcde"} {
		if m.N = n; string(m.Bytes()) != want {
			t.Errorf("of %d bytes: %q", n, m.Bytes())
		}
	}
}

// A connection of package net is a socket with all that such have; any other one reads,
// writes and half-closes.
func TestFromConn(t *testing.T) {
	data := random(300000)
	for _, network := range []string{"tcp", "unix"} {
		a, b := netPair(t, network)
		sa, err := socket.FromConn(a)
		check(t, err)
		sb, err := socket.FromConn(b)
		check(t, err)
		if _, ok := socket.As[socket.Descriptor](sa); !ok || sa.LocalAddr().Network() != network {
			t.Errorf("%s became %v", network, sa)
		}
		passes(t, data, sa, sb, func() (int64, error) { return int64(len(data)), nil }, sa.CloseWrite, func() error { return nil })
		check(t, sa.Close())
		check(t, sb.Close())
	}
	a, b := net.Pipe()
	sa, err := socket.FromConn(a)
	check(t, err)
	passes(t, data, sa, b, func() (int64, error) { return int64(len(data)), nil }, sa.Close, func() error { return nil })
	if again, err := socket.FromConn(sa); again != sa || err != nil {
		t.Errorf("a Socket became %v, %v", again, err)
	}
}

func TestStreamOver(t *testing.T) {
	data := random(1<<20 + 3)
	a, b := unixSeqPacket.pair(t)
	sa, err := socket.StreamOver(a)
	check(t, err)
	sb, err := socket.StreamOver(b)
	check(t, err)
	if p := sa.Properties(); sa.Type() != socket.Stream || p.Bounded || !p.Reliable {
		t.Errorf("%v promises %+v", sa, p)
	}
	passes(t, data, sa, io.Reader(sb), func() (int64, error) { return int64(len(data)), nil }, sa.CloseWrite, func() error { return nil })
	_, err = socket.StreamOver(udp.bound(t))
	if err == nil {
		t.Error("UDP became a stream")
	}
}

// shortMessages is a socket that takes none of more than 1000 bytes.
type shortMessages struct{ *socket.Socket }

func (s shortMessages) Write(b []byte) (int, error) {
	if len(b) > 1000 {
		return 0, os.NewSyscallError("sendmsg", syscall.EMSGSIZE)
	}
	return s.Socket.Write(b)
}

func TestStreamOverShortMessages(t *testing.T) {
	data := random(1<<18 + 3)
	a, b := unixSeqPacket.pair(t)
	sa, err := socket.StreamOver(socket.Wrap(shortMessages{a}, a.Kind()))
	check(t, err)
	sb, err := socket.StreamOver(b)
	check(t, err)
	passes(t, data, sa, io.Reader(sb), func() (int64, error) { return int64(len(data)), nil }, sa.CloseWrite, func() error { return nil })
}
