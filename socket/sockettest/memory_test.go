package sockettest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/nettest"

	"zocalo/socket"
	"zocalo/socket/scheme"
)

// datagrams returns a MakePair of two named datagram sockets.
func datagrams(t *testing.T) MakePair {
	return func() (a, b *socket.Socket, stop func(), err error) {
		a, b = open(t, Memory, socket.Datagram), open(t, Memory, socket.Datagram)
		err = errors.Join(a.Bind(freshName(t)), b.Bind(freshName(t)),
			a.Connect(t.Context(), b.Name()), b.Connect(t.Context(), a.Name()))
		return a, b, func() { a.Close(); b.Close() }, err
	}
}

func TestMemoryStream(t *testing.T) {
	name := func() socket.Name { return freshName(t) }
	t.Run("Pair", func(t *testing.T) { nettest.TestConn(t, asConns(paired(socket.Stream))) })
	t.Run("Connected", func(t *testing.T) {
		nettest.TestConn(t, asConns(connected(listening(Memory, socket.Stream, name))))
	})
	t.Run("Listener", func(t *testing.T) { TestListener(t, listening(Memory, socket.Stream, name)) })
}

func TestMemorySeqPacket(t *testing.T) {
	name := func() socket.Name { return freshName(t) }
	limits := []Trait{Largest(queueBytes), TooLarge(queueBytes + 1)}
	t.Run("Pair", func(t *testing.T) { TestMessages(t, paired(socket.SeqPacket), limits...) })
	t.Run("Connected", func(t *testing.T) {
		TestMessages(t, connected(listening(Memory, socket.SeqPacket, name)), limits...)
	})
	t.Run("Listener", func(t *testing.T) { TestListener(t, listening(Memory, socket.SeqPacket, name)) })
}

func TestMemoryDatagram(t *testing.T) {
	limits := []Trait{Largest(queueBytes), TooLarge(queueBytes + 1)}
	t.Run("Pair", func(t *testing.T) { TestMessages(t, paired(socket.Datagram), limits...) })
	t.Run("Named", func(t *testing.T) { TestMessages(t, datagrams(t), limits...) })
}

// The whole of time is the bubble's: that the clock moves only when everything
// waits durably shows that memory's calls do.
func TestMemoryInBubble(t *testing.T) {
	name := freshName(t)
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		l := open(t, Memory, socket.SeqPacket)
		if err := errors.Join(l.Bind(name), l.Listen(1)); err != nil {
			t.Fatal(err)
		}
		passed := func(what string, err, want error, d time.Duration) {
			t.Helper()
			if !errors.Is(err, want) || time.Since(start) != d {
				t.Errorf("%s: %v after %v, want %v after %v", what, err, time.Since(start), want, d)
			}
			start = time.Now()
		}

		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		_, err := l.Accept(ctx)
		passed("Accept with a context", err, context.DeadlineExceeded, time.Hour)

		c := open(t, Memory, socket.SeqPacket)
		if err := c.Connect(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		beyond := open(t, Memory, socket.SeqPacket)
		beyond.SetWriteDeadline(time.Now().Add(time.Minute))
		passed("Connect beyond the backlog", beyond.Connect(t.Context(), name), os.ErrDeadlineExceeded, time.Minute)

		s, err := l.Accept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		s.SetReadDeadline(time.Now().Add(time.Second))
		_, err = s.Read(nil)
		passed("Read", err, os.ErrDeadlineExceeded, time.Second)

		// A deadline that moves while a call waits counts as it was moved.
		go func() {
			time.Sleep(time.Second)
			s.SetReadDeadline(time.Now().Add(2 * time.Second))
		}()
		s.SetReadDeadline(time.Now().Add(90 * time.Minute))
		_, err = s.Read(nil)
		passed("Read with a deadline that moves", err, os.ErrDeadlineExceeded, 3*time.Second)

		// A slow receiver slows the sender.
		const messages = 3 * queueMessages
		go func() {
			b := make([]byte, 10)
			for range messages {
				time.Sleep(time.Second)
				c.Read(b)
			}
		}()
		for range messages {
			if _, err := s.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
		}
		passed("Writes to a slow receiver", nil, nil, (messages-queueMessages)*time.Second)
		synctest.Wait()
		time.Sleep(queueMessages * time.Second)
	})
}

func TestMemoryBacklog(t *testing.T) {
	name := freshName(t)
	l := open(t, Memory, socket.Stream)
	if err := errors.Join(l.Bind(name), l.Listen(2)); err != nil {
		t.Fatal(err)
	}
	var clients [3]*socket.Socket
	for i := range clients {
		clients[i] = open(t, Memory, socket.Stream)
		if i < 2 {
			if err := clients[i].Connect(t.Context(), name); err != nil {
				t.Fatal(err)
			}
		}
	}
	third := make(chan error, 1)
	go func() { third <- clients[2].Connect(t.Context(), name) }()
	for i, c := range clients {
		s, err := l.Accept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if i == 2 {
			if err := <-third; err != nil {
				t.Fatal(err)
			}
		}
		if s.Peer() != c.Name() {
			t.Errorf("connection %d is from %q, want %q", i, s.Peer(), c.Name())
		}
	}

	// Those that were not accepted when the listener closes are reset, and
	// those that wait are refused.
	for i := range clients {
		clients[i] = open(t, Memory, socket.Stream)
		if i < 2 {
			if err := clients[i].Connect(t.Context(), name); err != nil {
				t.Fatal(err)
			}
		}
	}
	go func() { third <- clients[2].Connect(t.Context(), name) }()
	l.Close()
	for _, c := range clients[:2] {
		if n, err := c.Read(make([]byte, 1)); n != 0 || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("Read of a connection never accepted = %d, %v, want 0, ECONNRESET", n, err)
		}
	}
	if err := <-third; !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("Connect to a listener that closes: %v, want ECONNREFUSED", err)
	}
}

func TestMemoryErrors(t *testing.T) {
	name, other := freshName(t), freshName(t)
	l := open(t, Memory, socket.Stream)
	if err := errors.Join(l.Bind(name), l.Listen(1)); err != nil {
		t.Fatal(err)
	}
	stream := func() *socket.Socket { return open(t, Memory, socket.Stream) }
	datagram := func() *socket.Socket { return open(t, Memory, socket.Datagram) }
	inet, _, _, _ := connected(listening(Memory, socket.Stream, func() socket.Name { return freshName(t) }))()
	t.Cleanup(func() { inet.Close() })
	second := func(n int, err error) error { return err }
	vsock := socket.VSockName(1, 1)
	for _, c := range []struct {
		what string
		err  error
		want error
	}{
		{"connect where nobody listens", stream().Connect(t.Context(), other), syscall.ECONNREFUSED},
		{"connect of another type", open(t, Memory, socket.SeqPacket).Connect(t.Context(), name), syscall.EPROTOTYPE},
		{"datagram connect to a listener", datagram().Connect(t.Context(), name), syscall.EPROTOTYPE},
		{"connect in another domain", stream().Connect(t.Context(), vsock), syscall.EAFNOSUPPORT},
		{"connect of a listener", l.Connect(t.Context(), name), syscall.EOPNOTSUPP},
		{"connect twice", inet.Connect(t.Context(), name), syscall.EISCONN},
		{"bind to a name in use", datagram().Bind(name), syscall.EADDRINUSE},
		{"bind twice", l.Bind(other), syscall.EINVAL},
		{"bind in another domain", stream().Bind(vsock), syscall.EAFNOSUPPORT},
		{"read without a connection", second(stream().Read(nil)), syscall.ENOTCONN},
		{"write without a connection", second(stream().Write([]byte("x"))), syscall.ENOTCONN},
		{"shutdown without a connection", stream().Shutdown(socket.ShutdownWrite), syscall.ENOTCONN},
		{"datagram write without a peer", second(datagram().Write(nil)), syscall.ENOTCONN},
		{"datagram send to nobody", second(datagram().Send(&socket.Message{Peer: other})), syscall.ECONNREFUSED},
		{"send with a file", second(datagram().Send(&socket.Message{Ancillary: socket.Ancillary{Present: socket.HasFiles}})), errors.ErrUnsupported},
		{"listen on a datagram socket", datagram().Listen(1), errors.ErrUnsupported},
		{"shutdown of a datagram socket", datagram().Shutdown(socket.ShutdownWrite), errors.ErrUnsupported},
		{"urgent data of a seqpacket", second(open(t, Memory, socket.SeqPacket).SendUrgent([]byte("!"))), errors.ErrUnsupported},
	} {
		if !errors.Is(c.err, c.want) {
			t.Errorf("%s: %v, want %v", c.what, c.err, c.want)
		}
	}
	if _, err := socket.New(Memory, socket.Raw, 0); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a raw socket in memory: %v", err)
	}
	for _, text := range []string{"", strings.Repeat("x", socket.MaxName+1)} {
		if _, err := MemoryName(text); err == nil {
			t.Errorf("a name of %d bytes is accepted", len(text))
		}
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := stream().Bind(name); err != nil {
		t.Errorf("bind to a name that is free again: %v", err)
	}
}

func TestMemoryUrgent(t *testing.T) {
	a, b, stop, err := paired(socket.Stream)()
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	b.SetDeadline(time.Now().Add(10 * time.Second))
	a.SetDeadline(time.Now().Add(10 * time.Second))
	if a.Properties().Urgent != 1 {
		t.Error("urgent data is not promised")
	}
	// The queue is full, and urgent data passes it all the same.
	before := content(1, queueBytes)
	if _, err := a.Write(before); err != nil {
		t.Fatal(err)
	}
	if n, err := a.SendUrgent([]byte("!")); n != 1 || err != nil {
		t.Fatalf("SendUrgent = %d, %v", n, err)
	}
	urgent := make([]byte, 5)
	if n, err := b.ReceiveUrgent(t.Context(), urgent); n != 1 || err != nil || urgent[0] != '!' {
		t.Fatalf("ReceiveUrgent = %d, %v, %q, want 1, nil, '!'", n, err, urgent[0])
	}
	go a.Write([]byte("after"))
	got := make([]byte, 2*queueBytes)
	n := 0
	for n < len(before) {
		if at, err := b.AtMark(); at || err != nil {
			t.Fatalf("AtMark after %d bytes = %t, %v", n, at, err)
		}
		k, err := b.Read(got[n:])
		if err != nil {
			t.Fatal(err)
		}
		n += k
	}
	if !bytes.Equal(got[:n], before) { // nothing from after the mark
		t.Errorf("read %d bytes before the mark, of %d", n, len(before))
	}
	if at, err := b.AtMark(); !at || err != nil {
		t.Errorf("AtMark at the mark = %t, %v", at, err)
	}
	if _, err := io.ReadFull(b, got[:5]); err != nil || string(got[:5]) != "after" {
		t.Errorf("after the mark: %q, %v", got[:5], err)
	}

	// One at a time: the next waits until it is taken.
	if n, err := a.SendUrgent([]byte("xy1")); n != 3 || err != nil {
		t.Fatalf("SendUrgent = %d, %v", n, err)
	}
	a.SetWriteDeadline(longAgo)
	if n, err := a.SendUrgent([]byte("2")); n != 0 || !timedOut(err) {
		t.Errorf("SendUrgent after a deadline = %d, %v", n, err)
	}
	a.SetWriteDeadline(time.Time{})
	sent := make(chan error, 1)
	go func() { _, err := a.SendUrgent([]byte("2")); sent <- err }()
	for _, want := range "12" {
		if _, err := b.ReceiveUrgent(t.Context(), urgent); err != nil || urgent[0] != byte(want) {
			t.Errorf("ReceiveUrgent: %q, %v, want %q", urgent[0], err, want)
		}
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
	if _, err := io.ReadFull(b, got[:2]); err != nil || string(got[:2]) != "xy" {
		t.Errorf("what came before the urgent byte: %q, %v", got[:2], err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	waits := make(chan error, 1)
	go func() { _, err := b.ReceiveUrgent(ctx, urgent); waits <- err }()
	cancel()
	if err := <-waits; !errors.Is(err, context.Canceled) {
		t.Errorf("ReceiveUrgent whose context ended: %v", err)
	}
	go func() { _, err := b.ReceiveUrgent(t.Context(), urgent); waits <- err }()
	a.Shutdown(socket.ShutdownWrite)
	if err := <-waits; err != io.EOF {
		t.Errorf("ReceiveUrgent at the end: %v, want io.EOF", err)
	}
}

func TestMemoryEnds(t *testing.T) {
	b := make([]byte, 10)
	t.Run("half-close", func(t *testing.T) {
		x, y, stop, _ := paired(socket.Stream)()
		defer stop()
		x.Write([]byte("bye"))
		if err := x.Shutdown(socket.ShutdownWrite); err != nil {
			t.Fatal(err)
		}
		if _, err := x.Write(b); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("Write after Shutdown: %v, want EPIPE", err)
		}
		if got, err := io.ReadAll(y); string(got) != "bye" || err != nil {
			t.Errorf("read %q, %v", got, err)
		}
		y.Write([]byte("answer"))
		y.Close()
		if got, err := io.ReadAll(x); string(got) != "answer" || err != nil {
			t.Errorf("read %q, %v", got, err)
		}
	})
	t.Run("reader leaves", func(t *testing.T) {
		x, y, stop, _ := paired(socket.SeqPacket)()
		defer stop()
		y.Shutdown(socket.ShutdownRead)
		if _, err := x.Write(b); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("Write to who reads no more: %v, want EPIPE", err)
		}
		if _, err := y.Read(b); err != io.EOF {
			t.Errorf("Read after Shutdown: %v, want io.EOF", err)
		}
	})
	t.Run("reset", func(t *testing.T) {
		x, y, stop, _ := paired(socket.Stream)()
		defer stop()
		x.Write([]byte("never read"))
		if err := x.Abort(); err != nil {
			t.Fatal(err)
		}
		if n, err := y.Read(b); n != 0 || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("Read after a reset = %d, %v, want 0, ECONNRESET", n, err)
		}
		if _, err := x.Read(b); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Read after Abort: %v, want net.ErrClosed", err)
		}
	})
	t.Run("datagram peer", func(t *testing.T) {
		x, y, stop, _ := datagrams(t)()
		defer stop()
		third := open(t, Memory, socket.Datagram)
		m := socket.Message{Peer: y.Name(), Buffers: [][]byte{b}}
		if _, err := third.Send(&m); !errors.Is(err, syscall.EPERM) {
			t.Errorf("Send to a socket connected to another: %v, want EPERM", err)
		}
		if err := y.Connect(t.Context(), socket.Name{}); err != nil {
			t.Fatal(err)
		}
		if _, err := third.Send(&m); err != nil {
			t.Errorf("Send to a socket that was disconnected: %v", err)
		}
		if err := y.Receive(&m); err != nil || m.Peer != third.Name() || m.Peer.IsZero() {
			t.Errorf("Receive: %v from %q, want %q", err, m.Peer, third.Name())
		}
		y.Close()
		if _, err := x.Write(b); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("Write to a peer that closed: %v, want ECONNREFUSED", err)
		}
	})
}

func TestPeek(t *testing.T) {
	x, y, stop, err := paired(socket.SeqPacket)()
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	x.Write([]byte("here"))
	for _, flags := range []socket.MessageFlags{socket.Peek, 0} {
		m := socket.Message{Buffers: [][]byte{make([]byte, 2)}, Flags: flags}
		if err := y.Receive(&m); !errors.Is(err, socket.ErrTruncated) || m.Size != 4 || string(m.Buffers[0]) != "he" {
			t.Errorf("Receive with flags %#x: %q, Size %d, %v", flags, m.Buffers[0], m.Size, err)
		}
	}
}

func TestMemoryAllocatesNothing(t *testing.T) {
	for _, typ := range []socket.Type{socket.Stream, socket.Datagram, socket.SeqPacket} {
		a, b, err := socket.Pair(Memory, typ, 0)
		if err != nil {
			t.Fatal(err)
		}
		data := make([]byte, 100)
		if n := testing.AllocsPerRun(1000, func() { a.Write(data); b.Read(data) }); n != 0 {
			t.Errorf("%v: %v allocations for a Write and a Read", typ, n)
		}
		m := socket.Message{Buffers: [][]byte{data}}
		if typ != socket.Stream {
			if n := testing.AllocsPerRun(1000, func() { m.Peer = socket.Name{}; a.Send(&m); b.Receive(&m); m.Flags = 0 }); n != 0 {
				t.Errorf("%v: %v allocations for a Send and a Receive", typ, n)
			}
		}
		a.Close()
		b.Close()
	}
}

func TestMemoryScheme(t *testing.T) {
	for word, typ := range map[string]socket.Type{"memory": socket.Stream, "memory-dgram": socket.Datagram, "memory-seqpacket": socket.SeqPacket} {
		s, ok := scheme.Lookup(word)
		if !ok || s.Type != typ {
			t.Fatalf("scheme %s: %t, of type %v", word, ok, s.Type)
		}
		list, err := s.Resolve(t.Context(), scheme.Target{Endpoint: "here"})
		if err != nil || len(list) != 1 || list[0].String() != "here" || list[0].Domain() != Memory {
			t.Errorf("%s:here is %v, %v", word, list, err)
		}
		if k := (socket.Kind{Domain: Memory, Type: typ}); k.String() != word {
			t.Errorf("kind %v, want %s", k, word)
		}
	}
}
