package iso

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"zocalo/socket"
)

func TestExpeditedAgreed(t *testing.T) {
	for _, c := range []struct{ client, server, want bool }{
		{true, true, true}, {true, false, false}, {false, true, false}, {false, false, false},
	} {
		l := listen(t, socket.SeqPacket, "x", with(Expedited, c.server))
		a := dial(t, socket.SeqPacket, l.Name(), with(Expedited, c.client))
		b := accept(t, l)
		for _, s := range []*socket.Socket{a, b} {
			got, err := Expedited.Get(s)
			if got != c.want || err != nil || (s.Properties().Urgent == 16) != c.want {
				t.Errorf("%t and %t agree on %t, %v, want %t; %d bytes", c.client, c.server, got, err, c.want, s.Properties().Urgent)
			}
			if c.want {
				continue
			}
			if _, err := s.SendUrgent([]byte("!")); !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("SendUrgent: %v", err)
			}
			if _, err := s.ReceiveUrgent(t.Context(), make([]byte, 1)); !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("ReceiveUrgent: %v", err)
			}
			if _, err := s.AtMark(); !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("AtMark: %v", err)
			}
		}
	}
}

// TestExpedited sends some ahead of what is unread, on both types, and tells
// its place.
func TestExpedited(t *testing.T) {
	for _, typ := range []socket.Type{socket.SeqPacket, socket.Stream} {
		t.Run(typ.String(), func(t *testing.T) {
			a, b := connectedPair(t, typ, with(Expedited, true))
			before, after := bytes.Repeat([]byte("."), 30000), bytes.Repeat([]byte(","), 500)
			a.Write(before)
			for _, d := range []string{"!", "sixteen bytes!!"} {
				if n, err := a.SendUrgent([]byte(d)); n != len(d) || err != nil {
					t.Errorf("SendUrgent = %d, %v", n, err)
				}
			}
			a.Write(after)
			buf := make([]byte, 16)
			for _, want := range []string{"!", "sixteen bytes!!"} {
				n, err := b.ReceiveUrgent(t.Context(), buf)
				if err != nil || string(buf[:n]) != want {
					t.Errorf("ReceiveUrgent: %q, %v, want %q", buf[:n], err, want)
				}
			}
			got := 0
			big := make([]byte, 40000)
			for at := false; !at; {
				n, err := b.Read(big)
				if err != nil {
					t.Fatal(err)
				}
				if got += n; got > len(before) {
					t.Fatalf("no mark after %d bytes of %d", got, len(before))
				}
				if at, err = b.AtMark(); err != nil {
					t.Fatal(err)
				}
			}
			if got != len(before) {
				t.Errorf("the mark is after %d bytes, and %d were sent before", got, len(before))
			}
			if n, err := b.Read(big); err != nil || !bytes.Equal(big[:n], after) {
				t.Errorf("Read after the mark = %d, %v", n, err)
			}
			if at, err := b.AtMark(); at || err != nil {
				t.Errorf("past the mark AtMark is %t, %v", at, err)
			}
			for _, size := range []int{0, 17} {
				if n, err := a.SendUrgent(make([]byte, size)); n != 0 || !errors.Is(err, syscall.EMSGSIZE) {
					t.Errorf("SendUrgent of %d bytes = %d, %v", size, n, err)
				}
			}
			a.SendUrgent([]byte("long"))
			if n, err := b.ReceiveUrgent(t.Context(), buf[:2]); n != 2 || !errors.Is(err, socket.ErrTruncated) {
				t.Errorf("ReceiveUrgent to a buffer that is too small = %d, %v", n, err)
			}
			a.SendUrgent([]byte("bye"))
			a.Close()
			if n, err := b.ReceiveUrgent(t.Context(), buf); err != nil || string(buf[:n]) != "bye" {
				t.Errorf("ReceiveUrgent: %q, %v", buf[:n], err)
			}
			if _, err := b.ReceiveUrgent(t.Context(), buf); err != io.EOF {
				t.Errorf("ReceiveUrgent at the end: %v", err)
			}
			if n, err := b.Read(big); n != 0 || err != io.EOF {
				t.Errorf("Read at the end = %d, %v", n, err)
			}
		})
	}
}

// TestExpeditedWire tests the bytes.
func TestExpeditedWire(t *testing.T) {
	l := listen(t, socket.SeqPacket, "", with(Expedited, true))
	conn := rawClient(t, l)
	send(t, conn, "0300001914e00000000100c1020100c2020101c0010ac60101")
	if got := readPacket(t, conn); got[len(got)-12:] != "c0010ac60101" {
		t.Errorf("the answer is %s, and does not agree on expedited data", got)
	}
	s := accept(t, l)
	s.SendUrgent([]byte("!"))
	if got := readPacket(t, conn); got != "0300000802108021" {
		t.Errorf("it is written as %s", got)
	}
	send(t, conn, "0300000802f00061"+"030000080210803f"+"0300000802f08062") // within a TSDU
	b := make([]byte, 16)
	if n, err := s.Read(b); err != nil || string(b[:n]) != "ab" {
		t.Errorf("Read: %q, %v", b[:n], err)
	}
	if n, err := s.ReceiveUrgent(t.Context(), b); err != nil || string(b[:n]) != "?" {
		t.Errorf("ReceiveUrgent: %q, %v", b[:n], err)
	}
}

// TestExpeditedBound sends more than may wait: reading stops until some is
// taken, and nothing is lost. Further than the inbox nothing comes ahead.
func TestExpeditedBound(t *testing.T) {
	a, b := connectedPair(t, socket.SeqPacket, with(Expedited, true))
	for i := range mostUrgent + 10 {
		if _, err := a.SendUrgent(fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
	}
	a.Write([]byte("after"))
	done := make(chan error, 1)
	go func() {
		got := make([]byte, 10)
		n, err := b.Read(got)
		if string(got[:n]) != "after" && err == nil {
			err = fmt.Errorf("Read: %q", got[:n])
		}
		done <- err
	}()
	buf := make([]byte, 16)
	for i := range mostUrgent + 10 {
		if n, err := b.ReceiveUrgent(t.Context(), buf); err != nil || string(buf[:n]) != fmt.Sprint(i) {
			t.Fatalf("number %d is %q, %v", i, buf[:n], err)
		}
	}
	if err := <-done; err != nil {
		t.Error(err)
	}

	var sender sync.WaitGroup
	sender.Go(func() { a.Write(make([]byte, 200000)); a.SendUrgent([]byte("!")) })
	b.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if _, err := b.ReceiveUrgent(t.Context(), buf); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("ReceiveUrgent of what is 200000 bytes away: %v", err)
	}
	patient(b)
	if n, err := b.Read(make([]byte, 200000)); n != 200000 || err != nil {
		t.Errorf("Read = %d, %v", n, err)
	}
	if n, err := b.ReceiveUrgent(t.Context(), buf); n != 1 || err != nil {
		t.Errorf("ReceiveUrgent = %d, %v", n, err)
	}
	sender.Wait()
}

// TestExpeditedWaiting has Read and ReceiveUrgent wait at once, and end by
// what ends each alone.
func TestExpeditedWaiting(t *testing.T) {
	a, b := connectedPair(t, socket.SeqPacket, with(Expedited, true))
	for round := range 50 {
		ctx, cancel := context.WithCancel(t.Context())
		urgent, ordinary := make(chan error, 1), make(chan error, 1)
		go func() { _, err := b.ReceiveUrgent(ctx, make([]byte, 16)); urgent <- err }()
		go func() { _, err := b.Read(make([]byte, 16)); ordinary <- err }()
		switch round % 3 {
		case 0: // the context ends ReceiveUrgent, and not Read
			cancel()
			if err := <-urgent; !errors.Is(err, context.Canceled) {
				t.Fatalf("ReceiveUrgent: %v", err)
			}
			a.Write([]byte("x"))
			if err := <-ordinary; err != nil {
				t.Fatalf("Read: %v", err)
			}
		case 1:
			a.Write([]byte("x"))
			if err := <-ordinary; err != nil {
				t.Fatalf("Read: %v", err)
			}
			a.SendUrgent([]byte("!"))
			if err := <-urgent; err != nil {
				t.Fatalf("ReceiveUrgent: %v", err)
			}
		case 2:
			a.SendUrgent([]byte("!"))
			if err := <-urgent; err != nil {
				t.Fatalf("ReceiveUrgent: %v", err)
			}
			a.Write([]byte("x"))
			if err := <-ordinary; err != nil {
				t.Fatalf("Read: %v", err)
			}
		}
		cancel()
	}
	urgent := make(chan error, 1)
	go func() { _, err := b.ReceiveUrgent(t.Context(), make([]byte, 16)); urgent <- err }()
	b.SetReadDeadline(time.Now().Add(time.Millisecond))
	if err := <-urgent; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("ReceiveUrgent after a deadline: %v", err)
	}
	patient(b)
	go func() { _, err := b.ReceiveUrgent(t.Context(), make([]byte, 16)); urgent <- err }()
	b.Shutdown(socket.ShutdownRead)
	if err := <-urgent; err != io.EOF {
		t.Errorf("ReceiveUrgent after Shutdown(Read): %v", err)
	}
}

// What arrived before the end is read, though ReceiveUrgent looked ahead of it
// to the end.
func TestExpeditedLooksAheadToTheEnd(t *testing.T) {
	a, b := connectedPair(t, socket.SeqPacket, with(Expedited, true))
	ended := make(chan error, 1)
	go func() {
		_, err := b.ReceiveUrgent(t.Context(), make([]byte, 16))
		ended <- err
	}()
	a.Write([]byte("one"))
	a.Write([]byte("two"))
	a.Close()
	buf := make([]byte, 16)
	for _, want := range []string{"one", "two"} {
		if n, err := b.Read(buf); string(buf[:n]) != want || err != nil {
			t.Errorf("Read = %q, %v; want %q", buf[:n], err, want)
		}
	}
	if _, err := b.Read(buf); err != io.EOF {
		t.Errorf("Read at the end: %v", err)
	}
	if err := <-ended; err != io.EOF {
		t.Errorf("ReceiveUrgent at the end: %v", err)
	}
}

// Shutdown of both directions ends a Write that waits for the peer.
func TestShutdownEndsWrite(t *testing.T) {
	a, _ := connectedPair(t, socket.SeqPacket)
	written := make(chan error, 1)
	go func() {
		b := make([]byte, 64<<10)
		for {
			if _, err := a.Write(b); err != nil {
				written <- err
				return
			}
		}
	}()
	time.Sleep(10 * time.Millisecond) // most often it waits by then
	if err := a.Shutdown(socket.ShutdownBoth); err != nil {
		t.Error(err)
	}
	if err := <-written; err == nil {
		t.Error("Write went on")
	}
}
