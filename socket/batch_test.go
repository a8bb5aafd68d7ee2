package socket_test

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"syscall"
	"testing"

	"zocalo/socket"
	"zocalo/socket/option"
)

// batch makes messages that can be told apart, each with its text.
func batch(sizes ...int) []socket.Message {
	ms := make([]socket.Message, len(sizes))
	for i, n := range sizes {
		ms[i].SetData(text(i, n))
	}
	return ms
}

// text is n bytes that say which message they are of.
func text(i, n int) []byte {
	return bytes.Repeat([]byte(fmt.Sprintf("%08d", i)), n/8+1)[:n]
}

// receiveAll receives want datagrams, however many a call gives, and those of
// trains one by one.
func receiveAll(t *testing.T, s *socket.Socket, want int) (datagrams [][]byte, trains int) {
	t.Helper()
	ms := make([]socket.Message, 10)
	for i := range ms {
		ms[i].SetData(make([]byte, 1<<16))
	}
	for len(datagrams) < want {
		n, err := s.ReceiveBatch(ms)
		check(t, err)
		for i := range ms[:n] {
			if ms[i].SegmentSize > 0 {
				trains++
			}
			for d := range ms[i].Segments() {
				datagrams = append(datagrams, bytes.Clone(d))
			}
		}
	}
	return datagrams, trains
}

func TestBatches(t *testing.T) {
	var runs []int
	for i := range 200 {
		runs = append(runs, 500-100*(i/50)) // as many as need several calls, in four runs
	}
	for name, sizes := range map[string][]int{
		"one":                     {100},
		"empty ones":              {0, 0, 0},
		"equal":                   {100, 100, 100},
		"each of another size":    {100, 101, 50, 3, 400, 1200},
		"a shorter one ends each": {100, 100, 7, 100, 100, 7, 100},
		"long runs":               runs,
		"as long as they may be":  {60000, 60000, 60000},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, datagrams, func(t *testing.T, k testKind) {
				for _, joined := range []bool{false, true} {
					if joined && (k.Domain == socket.Unix || runtime.GOOS != "linux") {
						continue
					}
					a, b := k.pair(t)
					if joined {
						check(t, option.UDPGRO.Set(b, true))
					}
					check(t, option.ReceiveBuffer.Set(b, 1<<20))
					c := start2(func() error {
						n, err := a.SendBatch(batch(sizes...))
						if err == nil && n != len(sizes) {
							err = fmt.Errorf("%d left", n)
						}
						return err
					})
					got, _ := receiveAll(t, b, len(sizes))
					check(t, <-c)
					for i, n := range sizes {
						if !bytes.Equal(got[i], text(i, n)) {
							t.Fatalf("joined %v: datagram %d has %d bytes %.10q..., want %d", joined, i, len(got[i]), got[i], n)
						}
					}
				}
			})
		})
	}
}

func start2(f func() error) chan error {
	c := make(chan error, 1)
	go func() { c <- f() }()
	return c
}

// Trains arrive whole, say so, and can be sent on as they came.
func TestTrains(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("trains are Linux's")
	}
	each(t, []testKind{udp, udp6}, func(t *testing.T, k testKind) {
		a, b := k.pair(t)
		c := k.bound(t)
		check(t, option.UDPGRO.Set(b, true))
		if on, err := option.UDPGRO.Get(b); !on || err != nil {
			t.Fatal(on, err)
		}
		if o := b.Offloads(); !o.Send.On || !o.Receive.On || o.Send.Reason+o.Receive.Reason != "" {
			t.Fatalf("%+v", o)
		}
		sizes := make([]int, 40)
		for i := range sizes {
			sizes[i] = 1200
		}
		sizes[39] = 100
		_, err := a.SendBatch(batch(sizes...))
		check(t, err)
		m := message(1 << 16)
		check(t, b.Receive(m))
		if m.SegmentSize != 1200 || m.N != 39*1200+100 || m.Peer != a.Name() {
			t.Fatalf("%d bytes of segments of %d from %v", m.N, m.SegmentSize, m.Peer)
		}
		m.SetData(m.Buffers[0][:m.N])
		m.Peer = c.Name()
		check(t, b.Connect(t.Context(), socket.Name{}))
		n, err := b.Send(m)
		if n != m.N || err != nil {
			t.Fatalf("%d bytes left, %v", n, err)
		}
		got, trains := receiveAll(t, c, len(sizes))
		if trains != 0 {
			t.Errorf("%d trains, without the option", trains)
		}
		for i, n := range sizes {
			if !bytes.Equal(got[i], text(i, n)) {
				t.Fatalf("datagram %d has %d bytes", i, len(got[i]))
			}
		}
		// More segments than one train may have.
		m.SetData(make([]byte, 60000))
		m.SegmentSize = 100
		check(t, option.ReceiveBuffer.Set(c, 4<<20))
		n, err = b.Send(m)
		if n != 60000 || err != nil {
			t.Fatalf("%d bytes left, %v", n, err)
		}
		receiveAll(t, c, 600)
	})
}

// A read that has no place for the bounds of joined datagrams is refused, and
// takes nothing; also on a descriptor that came with the option set.
func TestReadOfJoinedRefused(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("trains are Linux's")
	}
	a, b := udp.pair(t)
	check(t, option.UDPGRO.Set(b, true))
	_, err := a.SendBatch(batch(100, 100, 50))
	check(t, err)
	buf := make([]byte, 1<<16)
	refused := func(s *socket.Socket) {
		t.Helper()
		_, err := s.Read(buf)
		wantError(t, "Read", err, errors.ErrUnsupported)
		_, _, err = s.PacketConn().ReadFrom(buf)
		wantError(t, "ReadFrom", err, errors.ErrUnsupported)
	}
	refused(b)
	fd, err := b.Detach()
	check(t, err)
	b, err = socket.FromFD(fd)
	check(t, err)
	defer b.Close()
	refused(b)
	got, trains := receiveAll(t, b, 3)
	if trains != 1 || len(got[2]) != 50 {
		t.Errorf("%d trains, the last of %d bytes", trains, len(got[2]))
	}
	check(t, option.UDPGRO.Set(b, false))
	_, err = a.Write([]byte("alone"))
	check(t, err)
	if n, err := b.Read(buf); string(buf[:n]) != "alone" || err != nil {
		t.Errorf("%q, %v", buf[:n], err)
	}
}

// A batch ends at the first message that cannot be sent, and says how many
// left.
func TestBatchError(t *testing.T) {
	each(t, datagrams, func(t *testing.T, k testKind) {
		a, b := k.bound(t), k.bound(t)
		ms := batch(10, 10, 10, 10, 10)
		for i := range ms {
			ms[i].Peer = b.Name()
		}
		ms[3].Peer = socket.VSockName(1, 1)
		n, err := a.SendBatch(ms)
		if n != 3 {
			t.Errorf("%d left, want 3", n)
		}
		wantError(t, "SendBatch", err, syscall.EAFNOSUPPORT)
		receiveAll(t, b, 3)
		if k.Domain == socket.Unix {
			return
		}
		ms = batch(10, 70000, 10)
		for i := range ms {
			ms[i].Peer = b.Name()
		}
		n, err = a.SendBatch(ms)
		if n != 1 {
			t.Errorf("%d left, want 1", n)
		}
		wantError(t, "SendBatch", err, syscall.EMSGSIZE)
		ms = []socket.Message{{Peer: b.Name(), Buffers: make([][]byte, 1025)}}
		_, err = a.SendBatch(ms)
		wantError(t, "SendBatch of 1025 buffers", err, syscall.EMSGSIZE)
	})
}

// A message that was cut is there, and the batch says so.
func TestBatchTruncated(t *testing.T) {
	each(t, datagrams, func(t *testing.T, k testKind) {
		a, b := k.pair(t)
		_, err := a.SendBatch(batch(10, 100, 10))
		check(t, err)
		ms := []socket.Message{*message(50), *message(50), *message(50)}
		for got := 0; got < 3; {
			n, err := b.ReceiveBatch(ms[got:])
			cut := false
			for i := got; i < got+n; i++ {
				want := []int{10, 100, 10}[i]
				if m := &ms[i]; m.Size != want || m.N != min(want, 50) || (m.Flags&socket.Truncated != 0) != (want > 50) {
					t.Errorf("message %d: size %d, %d bytes, flags %b", i, m.Size, m.N, m.Flags)
				}
				cut = cut || want > 50
			}
			if cut != errors.Is(err, socket.ErrTruncated) || !cut && err != nil {
				t.Errorf("cut %v, error %v", cut, err)
			}
			if got += n; n == 0 {
				t.Fatal("nothing came")
			}
		}
	})
}

func TestPeekBatch(t *testing.T) {
	a, b := udp.pair(t)
	_, err := a.SendBatch(batch(10, 20))
	check(t, err)
	ms := []socket.Message{*message(50), *message(50)}
	ms[0].Flags = socket.Peek
	if n, err := b.ReceiveBatch(ms); n != 1 || err != nil || ms[0].N != 10 {
		t.Errorf("%d messages, %v, %d bytes", n, err, ms[0].N)
	}
	receiveAll(t, b, 2)
}

func TestSegmentsRefused(t *testing.T) {
	each(t, []testKind{unixDatagram, unixSeqPacket, tcp}, func(t *testing.T, k testKind) {
		a, _ := k.pair(t)
		m := message(10)
		m.SegmentSize = 5
		_, err := a.Send(m)
		wantError(t, "Send", err, errors.ErrUnsupported)
		if o := a.Offloads(); o.Send.On || o.Receive.On || o.Send.Reason == "" || o.Receive.Reason == "" {
			t.Errorf("%+v", o)
		}
	})
}

// What a batch would drop in silence is refused, as by Send.
func TestBatchRefusesDescriptors(t *testing.T) {
	a, _ := udp.pair(t)
	ms := []socket.Message{*message(3), *message(3)}
	ms[1].Ancillary.Files = []int{0}
	ms[1].Ancillary.Present = socket.HasFiles
	n, err := a.SendBatch(ms)
	wantError(t, "SendBatch", err, errors.ErrUnsupported)
	if n != 1 {
		t.Errorf("%d messages left before the one that was refused, want 1", n)
	}
}
