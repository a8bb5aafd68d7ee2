package socket_test

import (
	"fmt"
	"io"
	"testing"

	"zocalo/socket"
	"zocalo/socket/option"
)

func zeroCopyMessage(size int) socket.Message {
	m := message(size)
	m.Flags = socket.ZeroCopy
	return *m
}

// complete takes completions until none of the messages is under way. It fails
// if one concerns none of them.
func complete(t *testing.T, s *socket.Socket, ms ...*socket.Message) {
	t.Helper()
	entry := message(0)
	for {
		underWay := 0
		for _, m := range ms {
			if !m.ZeroCopies.Done() {
				underWay++
			}
		}
		if underWay == 0 {
			return
		}
		check(t, s.ReceiveError(entry))
		first, last, copied, ok := entry.Ancillary.Error.ZeroCopied()
		if !ok || !copied {
			t.Fatalf("%d to %d, copied %v, %v", first, last, copied, ok)
		}
		for _, m := range ms {
			m.ZeroCopies.Complete(first, last)
		}
	}
}

// A send that leaves its data where it is says when it is done, and that the
// kernel copied over loopback all the same.
func TestZeroCopy(t *testing.T) {
	each(t, []testKind{tcp, udp}, func(t *testing.T, k testKind) {
		a, b := k.pair(t)
		if on, err := option.AllowZeroCopy.Get(a); on || err != nil {
			t.Errorf("the default is %v, %v", on, err)
		}
		out := zeroCopyMessage(20000)
		out.ZeroCopies.Count = 99
		_, err := a.Send(&out)
		check(t, err)
		if out.ZeroCopies != (socket.ZeroCopies{}) {
			t.Errorf("without the option: %+v", out.ZeroCopies)
		}
		check(t, option.AllowZeroCopy.Set(a, true))
		buf := make([]byte, 20000)
		readAll := func() {
			for got := 0; got < 20000; {
				n, err := b.Read(buf)
				check(t, err)
				got += n
			}
		}
		readAll()
		next := uint32(0)
		for range 3 {
			_, err := a.Send(&out)
			check(t, err)
			if out.ZeroCopies.First != next || out.ZeroCopies.Count == 0 {
				t.Fatalf("%+v, want from %d on", out.ZeroCopies, next)
			}
			next += out.ZeroCopies.Count
			readAll()
			complete(t, a, &out)
		}
	})
}

// A stream takes a large message in parts, and each part has a completion: the
// message tells which are its own, so that no send is taken for another.
func TestZeroCopyInParts(t *testing.T) {
	a, b := tcp.pair(t)
	check(t, option.AllowZeroCopy.Set(a, true))
	check(t, option.SendBuffer.Set(a, 64<<10))
	const size, sends = 1 << 20, 4
	read := start2(func() error {
		n, err := io.CopyN(io.Discard, b, size*sends)
		if err == nil && n != size*sends {
			err = fmt.Errorf("%d bytes", n)
		}
		return err
	})
	ms := make([]socket.Message, sends)
	all := make([]*socket.Message, sends)
	next := uint32(0)
	for i := range ms {
		ms[i], all[i] = zeroCopyMessage(size), &ms[i]
	}
	// Two by Send, and two by SendBatch, which a stream sends one by one.
	for i := range 2 {
		_, err := a.Send(&ms[i])
		check(t, err)
	}
	n, err := a.SendBatch(ms[2:])
	if n != 2 || err != nil {
		t.Fatal(n, err)
	}
	for i := range ms {
		if z := ms[i].ZeroCopies; z.First != next || z.Count < 2 {
			t.Errorf("message %d: %+v, want from %d on, and several", i, z, next)
		}
		next += ms[i].ZeroCopies.Count
	}
	check(t, <-read)
	complete(t, a, all...)
}

// In a batch each datagram has a completion, and a train that is cut one for
// each part; an empty datagram, and one that does not ask for it, have none.
func TestZeroCopyBatch(t *testing.T) {
	a, b := udp.pair(t)
	check(t, option.AllowZeroCopy.Set(a, true))
	check(t, option.ReceiveBuffer.Set(b, 1<<20))
	ms := []socket.Message{zeroCopyMessage(5000), zeroCopyMessage(0), *message(5000), zeroCopyMessage(5000), zeroCopyMessage(10000)}
	ms[4].SegmentSize = 100 // 64 segments, and 36
	n, err := a.SendBatch(ms)
	if n != len(ms) || err != nil {
		t.Fatal(n, err)
	}
	for i, want := range []socket.ZeroCopies{{First: 0, Count: 1}, {}, {}, {First: 1, Count: 1}, {First: 2, Count: 2}} {
		if ms[i].ZeroCopies != want {
			t.Errorf("message %d: %+v, want %+v", i, ms[i].ZeroCopies, want)
		}
	}
	train := ms[4]
	n, err = a.Send(&train)
	if n != 10000 || err != nil || train.ZeroCopies != (socket.ZeroCopies{First: 4, Count: 2}) {
		t.Errorf("%d bytes, %v, %+v", n, err, train.ZeroCopies)
	}
	receiveAll(t, b, 4+100+100)
	complete(t, a, &ms[0], &ms[3], &ms[4], &train)
}
