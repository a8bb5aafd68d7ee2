package socket_test

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"zocalo/internal/testenv"
	"zocalo/socket"
	"zocalo/socket/option"
)

// An empty message is a message, before and after Shutdown(Read), and the end
// is the end. The peer's end is sent by connected kinds alone.
func TestEmptyMessageAndEnd(t *testing.T) {
	kinds := append(append([]testKind{}, seqPackets...), datagrams...)
	takes := map[string]func(*socket.Socket) (int, error){
		"Read": func(s *socket.Socket) (int, error) { return s.Read(make([]byte, 10)) },
		"Receive": func(s *socket.Socket) (int, error) {
			m := message(10)
			err := s.Receive(m)
			if m.Size != m.N {
				return m.N, fmt.Errorf("N %d, Size %d", m.N, m.Size)
			}
			return m.N, err
		},
		"Receive without a buffer": func(s *socket.Socket) (int, error) {
			m := &socket.Message{}
			err := s.Receive(m)
			if errors.Is(err, socket.ErrTruncated) {
				err = nil
			}
			return m.Size, err
		},
	}
	ends := map[string]func(a, b *socket.Socket) error{
		"Shutdown(Read)":  func(_, b *socket.Socket) error { return b.Shutdown(socket.ShutdownRead) },
		"Shutdown(Write)": func(a, _ *socket.Socket) error { return a.Shutdown(socket.ShutdownWrite) },
		"Close":           func(a, _ *socket.Socket) error { return a.Close() },
	}
	each(t, kinds, func(t *testing.T, k testKind) {
		for takeName, take := range takes {
			for endName, end := range ends {
				if k.Type == socket.Datagram && endName != "Shutdown(Read)" {
					continue
				}
				t.Run(takeName+" "+endName, func(t *testing.T) {
					a, b := k.pair(t)
					for _, text := range []string{"", "x", ""} {
						_, err := a.Write([]byte(text))
						check(t, err)
					}
					check(t, end(a, b))
					for i, want := range []int{0, 1, 0} {
						if n, err := take(b); n != want || err != nil {
							t.Fatalf("message %d: %d bytes, %v; want %d", i, n, err, want)
						}
					}
					for range 2 {
						if n, err := take(b); n != 0 || err != io.EOF {
							t.Fatalf("at the end: %d bytes, %v; want io.EOF", n, err)
						}
					}
				})
			}
			t.Run(takeName+" woken by Shutdown(Read)", func(t *testing.T) {
				_, b := k.pair(t)
				c := start(t, takeName, func() error { _, err := take(b); return err })
				check(t, b.Shutdown(socket.ShutdownRead))
				c.end(io.EOF)
			})
		}
	})
}

func TestTruncation(t *testing.T) {
	each(t, append(append([]testKind{}, seqPackets...), datagrams...), func(t *testing.T, k testKind) {
		a, b := k.pair(t)
		for range 3 {
			_, err := a.Write([]byte("longer than that"))
			check(t, err)
		}
		buf := make([]byte, 6)
		if n, err := b.Read(buf); n != 6 || !errors.Is(err, socket.ErrTruncated) || !errors.Is(err, syscall.EMSGSIZE) {
			t.Errorf("Read: %d, %v", n, err)
		}
		m := &socket.Message{Buffers: [][]byte{buf[:2], buf[2:4]}}
		if err := b.Receive(m); !errors.Is(err, socket.ErrTruncated) || m.N != 4 || m.Size != 16 || m.Flags&socket.Truncated == 0 || string(buf[:4]) != "long" {
			t.Errorf("Receive: %v, %+v", err, m)
		}
		if n, err := b.Read(nil); n != 0 || !errors.Is(err, socket.ErrTruncated) {
			t.Errorf("Read without a buffer: %d, %v", n, err)
		}
		_, err := a.Write([]byte("next"))
		check(t, err)
		if n, err := b.Read(buf); n != 4 || err != nil {
			t.Errorf("the next message: %d, %v", n, err)
		}
	})
}

func TestPeek(t *testing.T) {
	each(t, append(append([]testKind{}, seqPackets...), udp, tcp, unixStream), func(t *testing.T, k testKind) {
		a, b := k.pair(t)
		_, err := a.Write([]byte("peek"))
		check(t, err)
		for _, flags := range []socket.MessageFlags{socket.Peek, socket.Peek, 0} {
			m := message(10)
			m.Flags = flags
			check(t, b.Receive(m))
			if string(m.Buffers[0][:m.N]) != "peek" {
				t.Fatalf("%q", m.Buffers[0][:m.N])
			}
		}
	})
}

// More buffers than one system call takes must not be silently truncated.
func TestManyBuffers(t *testing.T) {
	many := make([][]byte, 3000)
	for i := range many {
		many[i] = []byte{byte(i)}
	}
	each(t, []testKind{udp, unixDatagram, unixSeqPacket}, func(t *testing.T, k testKind) {
		a, _ := k.pair(t)
		_, err := a.Writev(many)
		wantError(t, "Writev", err, syscall.EMSGSIZE)
		_, err = a.Send(&socket.Message{Buffers: many})
		wantError(t, "Send", err, syscall.EMSGSIZE)
		wantError(t, "Receive", a.Receive(&socket.Message{Buffers: many}), syscall.EMSGSIZE)
	})
	each(t, []testKind{tcp, unixStream}, func(t *testing.T, k testKind) {
		a, b := k.pair(t)
		n, err := a.Writev(many)
		if n != 3000 || err != nil {
			t.Fatal(n, err)
		}
		got := make([]byte, 3000)
		_, err = io.ReadFull(b, got)
		check(t, err)
		for i := range got {
			if got[i] != byte(i) {
				t.Fatalf("byte %d is %d", i, got[i])
			}
		}
	})
}

// Without a connection only time tells when a receiver has room again.
func TestUnixDatagramFullQueue(t *testing.T) {
	b := unixDatagram.bound(t)
	fill := func(s *socket.Socket, m *socket.Message) {
		c := start(t, "Send", func() error { return untilError(func() error { _, err := s.Send(m); return err }) })
		check(t, s.SetWriteDeadline(longAgo))
		c.end(os.ErrDeadlineExceeded)
		check(t, s.SetWriteDeadline(time.Time{}))
	}
	for _, connects := range []bool{false, true} {
		t.Run(fmt.Sprintf("connected %v", connects), func(t *testing.T) {
			a, other := unixDatagram.open(t), unixDatagram.open(t)
			m := message(100)
			if connects {
				check(t, a.Connect(t.Context(), b.Name()))
			} else {
				m.Peer = b.Name()
			}
			fill(other, &socket.Message{Buffers: m.Buffers, Peer: b.Name()})
			c := start(t, "Send", func() error { _, err := a.Send(m); return err })
			check(t, b.Receive(message(200)))
			c.end(nil)
		})
	}
}

func TestConnectAgain(t *testing.T) {
	each(t, datagrams, func(t *testing.T, k testKind) {
		a, b, c := k.bound(t), k.bound(t), k.bound(t)
		for _, peer := range []*socket.Socket{b, c} {
			check(t, a.Connect(t.Context(), peer.Name()))
			if a.Peer() != peer.Name() {
				t.Errorf("the peer is %v, want %v", a.Peer(), peer.Name())
			}
			_, err := a.Write([]byte("x"))
			check(t, err)
			m := message(10)
			check(t, peer.Receive(m))
			if m.Peer != a.Name() {
				t.Errorf("it came from %v, want %v", m.Peer, a.Name())
			}
		}
		check(t, a.Connect(t.Context(), socket.Name{}))
		if !a.Peer().IsZero() {
			t.Errorf("the peer is %v after it was taken away", a.Peer())
		}
		if _, err := a.Write([]byte("x")); err == nil {
			t.Error("Write without a peer succeeded")
		}
		_, err := a.Send(&socket.Message{Buffers: [][]byte{{1}}, Peer: b.Name()})
		check(t, err)
	})
}

func TestConnectAfterRefusal(t *testing.T) {
	each(t, []testKind{tcp, tcp6, mptcp, unixStream, unixSeqPacket}, func(t *testing.T, k testKind) {
		l := k.listener(t)
		gone := k.bound(t)
		name := gone.Name()
		c := k.open(t)
		wantError(t, "Connect", c.Connect(t.Context(), name), syscall.ECONNREFUSED)
		if !c.Peer().IsZero() {
			t.Errorf("the peer is %v after a refusal", c.Peer())
		}
		check(t, c.Connect(t.Context(), l.Name()))
		if c.Peer() != l.Name() {
			t.Errorf("the peer is %v, want %v", c.Peer(), l.Name())
		}
		wantError(t, "Connect again", c.Connect(t.Context(), l.Name()), syscall.EISCONN)
		if c.Peer() != l.Name() {
			t.Errorf("the peer is %v, want %v", c.Peer(), l.Name())
		}
	})
}

func TestNamesOfOtherDomains(t *testing.T) {
	path, err := socket.UnixName("/nowhere")
	check(t, err)
	for _, e := range []struct {
		kind testKind
		name socket.Name
		want error
	}{
		{udp, loopback6(9), syscall.EAFNOSUPPORT},
		{udp, path, syscall.EAFNOSUPPORT},
		{udp6, path, syscall.EAFNOSUPPORT},
		{unixDatagram, loopback(9), syscall.EAFNOSUPPORT},
		{unixDatagram, socket.VSockName(1, 9), syscall.EAFNOSUPPORT},
		{unixStream, socket.Name{}, syscall.EDESTADDRREQ},
		{tcp, socket.Name{}, syscall.EDESTADDRREQ},
	} {
		s := e.kind.open(t)
		wantError(t, "Connect", s.Connect(t.Context(), e.name), e.want)
		wantError(t, "Bind", s.Bind(e.name), e.want)
		if !e.name.IsZero() && e.kind.Type == socket.Datagram {
			_, err := s.Send(&socket.Message{Peer: e.name})
			wantError(t, "Send", err, e.want)
		}
	}
}

// An IPv4 name means its mapped form to an Inet6 socket.
func TestIPv4OnInet6(t *testing.T) {
	b := udp.bound(t)
	a := udp6.open(t)
	check(t, option.V6Only.Set(a, false))
	check(t, a.Bind(socket.InetName(netip.AddrPortFrom(netip.IPv6Unspecified(), 0))))
	_, err := a.Send(&socket.Message{Buffers: [][]byte{[]byte("x")}, Peer: b.Name()})
	check(t, err)
	m := message(10)
	check(t, b.Receive(m))
	_, err = b.Send(&socket.Message{Buffers: [][]byte{[]byte("y")}, Peer: m.Peer})
	check(t, err)
	check(t, a.Receive(m))
	if got := m.Peer.AddrPort(); !got.Addr().Is4In6() || got.Port() != b.Name().AddrPort().Port() {
		t.Errorf("it came from %v", got)
	}
	l := tcp.listener(t)
	c := tcp6.open(t)
	check(t, c.Connect(t.Context(), l.Name()))
}

func TestNamesBeforeAndAfter(t *testing.T) {
	each(t, append(append([]testKind{}, streams...), datagrams...), func(t *testing.T, k testKind) {
		s := k.open(t)
		if !s.Peer().IsZero() {
			t.Errorf("an unconnected socket has the peer %v", s.Peer())
		}
		if s.LocalAddr() == nil {
			t.Error("LocalAddr is nil")
		}
		s.Name() // asked before there is one
		check(t, s.Close())
		a, b := k.pair(t)
		for _, s := range []*socket.Socket{a, b} {
			name, peer := s.Name(), s.Peer()
			check(t, s.Close())
			if s.Name() != name || s.Peer() != peer {
				t.Errorf("after Close the names are %v and %v, were %v and %v", s.Name(), s.Peer(), name, peer)
			}
		}
	})
	t.Run("bound after", func(t *testing.T) {
		a, b, stop, err := socketpair(t, socket.Stream)()
		check(t, err)
		defer stop()
		if !a.Peer().IsZero() || !a.Name().IsZero() {
			t.Errorf("a pair has the names %v and %v", a.Name(), a.Peer())
		}
		name := freshPath(t)
		check(t, a.Bind(name))
		if a.Name() != name || b.Peer() != name {
			t.Errorf("the name is %v, of the peer %v; want %v", a.Name(), b.Peer(), name)
		}
	})
	t.Run("reset", func(t *testing.T) {
		a, b := tcp.pair(t)
		name, peer := b.Name(), b.Peer()
		check(t, a.Abort())
		_, err := b.Read(make([]byte, 1))
		wantError(t, "Read", err, syscall.ECONNRESET)
		if b.Name() != name || b.Peer() != peer {
			t.Errorf("after a reset the names are %v and %v, were %v and %v", b.Name(), b.Peer(), name, peer)
		}
	})
}

func TestPassedFiles(t *testing.T) {
	each(t, []testKind{unixStream, unixSeqPacket, unixDatagram}, func(t *testing.T, k testKind) {
		a, b := k.pair(t)
		r, w, err := os.Pipe()
		check(t, err)
		defer r.Close()
		defer w.Close()
		send := func(n int) {
			m := &socket.Message{Buffers: [][]byte{[]byte("f")}}
			m.Ancillary.Present = socket.HasFiles
			for range n {
				m.Ancillary.Files = append(m.Ancillary.Files, int(w.Fd()))
			}
			_, err := a.Send(m)
			check(t, err)
		}
		before := len(testenv.Descriptors())
		m := message(10)
		send(3)
		wantError(t, "Receive without WantFiles", b.Receive(m), socket.ErrDescriptorsRefused)
		send(253)
		m.Ancillary.WantFiles = 2
		wantError(t, "Receive of too many", b.Receive(m), socket.ErrDescriptorsRefused)
		if len(m.Ancillary.Files) != 2 || m.N != 1 {
			t.Errorf("%d files, want 2", len(m.Ancillary.Files))
		}
		for _, fd := range m.Ancillary.TakeFiles() {
			os.NewFile(uintptr(fd), "").Close()
		}
		send(2)
		_, err = b.Read(make([]byte, 10))
		check(t, err)
		send(253)
		m.Ancillary.WantFiles = math.MaxInt
		check(t, b.Receive(m))
		if len(m.Ancillary.Files) != 253 || m.Ancillary.Present&socket.HasFiles == 0 {
			t.Errorf("%d files, want 253", len(m.Ancillary.Files))
		}
		for _, fd := range m.Ancillary.TakeFiles() {
			os.NewFile(uintptr(fd), "").Close()
		}
		if after := len(testenv.Descriptors()); after != before {
			t.Errorf("%d descriptors, were %d", after, before)
		}
	})
}

// Raw sockets see ICMP over loopback, where the test may open them.
// What the system would take and drop in silence is refused.
func TestPassingRefused(t *testing.T) {
	with := func(present socket.AncillarySet, files int, buffers ...[]byte) *socket.Message {
		m := &socket.Message{Buffers: buffers}
		m.Ancillary.Present, m.Ancillary.Files = present, make([]int, files)
		return m
	}
	x := []byte("x")
	each(t, []testKind{tcp, udp}, func(t *testing.T, k testKind) {
		a, _ := k.pair(t)
		_, err := a.Send(with(socket.HasFiles, 1, x))
		wantError(t, "descriptors", err, errors.ErrUnsupported)
		_, err = a.Send(with(socket.HasCredentials, 0, x))
		wantError(t, "credentials", err, errors.ErrUnsupported)
	})
	a, b := unixStream.pair(t)
	_, err := a.Send(with(socket.HasFiles, 1))
	wantError(t, "descriptors without data", err, syscall.EINVAL)
	_, err = a.Send(with(socket.HasFiles, 254, x))
	wantError(t, "254 descriptors", err, syscall.EMSGSIZE)
	_, err = a.Send(with(0, 1, x))
	check(t, err)
	wantRead(t, b, "x")
	c, d := unixSeqPacket.pair(t)
	_, err = c.Send(with(socket.HasFiles, 1))
	check(t, err)
	m := message(1)
	m.Ancillary.WantFiles = 1
	check(t, d.Receive(m))
	if len(m.Ancillary.Files) != 1 || m.N != 0 {
		t.Fatalf("an empty message brought %v and %d bytes", m.Ancillary.Files, m.N)
	}
	check(t, os.NewFile(uintptr(m.Ancillary.Files[0]), "").Close())
}

// A Receive that fails leaves nothing of the message before it.
func TestReceiveForgets(t *testing.T) {
	t.Run("end", func(t *testing.T) {
		a, b := unixDatagram.pair(t)
		write(t, a, "too long")
		m := message(1)
		wantError(t, "Receive", b.Receive(m), socket.ErrTruncated)
		check(t, b.Shutdown(socket.ShutdownRead))
		wantError(t, "Receive", b.Receive(m), io.EOF)
		if m.Flags != 0 || !m.Peer.IsZero() || m.Size != 0 {
			t.Errorf("at the end the flags are %b, and the peer %v", m.Flags, m.Peer)
		}
	})
	a, b := unixDatagram.pair(t)
	write(t, a, "x")
	m := message(1)
	m.Ancillary.Present, m.Ancillary.Files = socket.HasFiles, []int{77}
	m.Peer, m.SegmentSize = loopback(1), 5
	check(t, b.SetReadDeadline(longAgo))
	wantError(t, "Receive", b.Receive(m), os.ErrDeadlineExceeded)
	if m.Ancillary.Present != 0 || len(m.Ancillary.Files) != 0 || !m.Peer.IsZero() || m.SegmentSize != 0 {
		t.Errorf("after an error the message has %+v from %v, segments of %d", m.Ancillary, m.Peer, m.SegmentSize)
	}
}

func TestRaw(t *testing.T) {
	s, err := socket.New(socket.Inet, socket.Raw, socket.ICMP)
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) {
		t.Skip("a raw socket needs CAP_NET_RAW")
	}
	check(t, err)
	defer s.Close()
	check(t, s.Bind(socket.InetName(netip.MustParseAddrPort("127.0.0.77:0"))))
	check(t, s.Connect(t.Context(), loopback(0)))
	echo := []byte{8, 0, 0xf7, 0xfe - 1, 0, 1, 0, 1}
	echo[2], echo[3] = 0xf7, 0xfd
	_, err = s.Write(echo)
	check(t, err)
	buf := make([]byte, 100)
	n, err := s.Read(buf)
	check(t, err)
	if n != 28 || buf[20] != 0 {
		t.Errorf("%d bytes: % x", n, buf[:n])
	}
	if _, ok := s.RemoteAddr().(*net.IPAddr); !ok {
		t.Errorf("RemoteAddr is a %T", s.RemoteAddr())
	}
	c := start(t, "Read", func() error { _, err := s.Read(buf); return err })
	check(t, s.Close())
	c.end(net.ErrClosed)
}
