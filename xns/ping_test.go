package xns

import (
	"context"
	"encoding/binary"
	"errors"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"zocalo/socket"
)

// pingFrom returns a socket of the host that is connected to the Echo socket
// of another.
func pingFrom(t *testing.T, h *Host, to HostID) *socket.Socket {
	t.Helper()
	s := must[*socket.Socket](t)(h.Socket(socket.Datagram))
	t.Cleanup(func() { s.Close() })
	if err := errors.Join(Broadcasting.Set(s, true), s.Connect(t.Context(), Addr{Host: to, Socket: SocketEcho}.Name())); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestPing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h, w := facing(t)
		s := pingFrom(t, h, idA)
		type request struct {
			header Header
			data   []byte
		}
		requests := make(chan request, 10)
		go func() {
			for range 5 {
				header, data := w.next()
				requests <- request{header, data}
			}
			close(requests)
		}()
		reply := func(r request) {
			r.data[1] = echoReply
			w.send(Header{Type: TypeEcho, To: r.header.From, From: r.header.To}, r.data)
		}
		go func() {
			first, second := <-requests, <-requests
			if len(first.data) != 2+40 || first.header.Type != TypeEcho || first.data[1] != echoRequest || binary.BigEndian.Uint32(second.data[10:]) != 2 {
				t.Errorf("asked by %+v, %x", first.header, first.data)
			}
			reply(second)
			time.Sleep(300 * time.Millisecond)
			reply(first)
			reply(first) // once more
			stranger := <-requests
			stranger.data[5] ^= 1 // of somebody else's
			reply(stranger)
			<-requests
			reply(<-requests)
		}()
		var got []PingEvent
		begun := time.Now()
		err := Ping{Count: 5, Interval: 400 * time.Millisecond, Patience: time.Second, Size: 40}.Run(t.Context(), s, func(e PingEvent) { got = append(got, e) })
		from := Addr{0, idA, SocketEcho}
		want := []PingEvent{
			{Number: 2, From: from, Size: 40, Replies: 1},
			{Number: 1, From: from, Size: 40, Took: 700 * time.Millisecond, Replies: 1},
			{Number: 1, From: from, Size: 40, Took: 700 * time.Millisecond, Replies: 1, Duplicate: true},
			{Number: 5, From: from, Size: 40, Replies: 1},
			{Number: 3, Lost: true},
			{Number: 4, Lost: true},
		}
		if took := time.Since(begun); err != nil || took != 2200*time.Millisecond {
			t.Errorf("%v after %v", err, took)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
}

func TestPingEnds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := onSegment(nil)
		defer h.close()
		// Without an end of its own; and each host of a network replies.
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		s := pingFrom(t, h.a, Broadcast)
		replies, hosts := 0, 0
		err := Ping{}.Run(ctx, s, func(e PingEvent) {
			replies++
			hosts = max(hosts, e.Replies)
			if e.Lost || e.Duplicate || e.Err != nil {
				t.Errorf("%+v", e)
			}
		})
		if !errors.Is(err, context.DeadlineExceeded) || replies < 20 || hosts != 2 {
			t.Errorf("%v, %d replies of %d hosts", err, replies, hosts)
		}
		s.Close()

		// Nobody has the number; and what cannot be sent at all.
		s = pingFrom(t, h.a, HostID{2, 7})
		var got []PingEvent
		err = Ping{Count: 2}.Run(t.Context(), s, func(e PingEvent) { got = append(got, e) })
		if err != nil || len(got) != 2 || !errors.Is(got[0].Err, syscall.EHOSTUNREACH) || got[1].Number != 2 {
			t.Errorf("%v, %+v", err, got)
		}
		if err := (Ping{Size: 1000}).Run(t.Context(), s, func(e PingEvent) { t.Errorf("%+v", e) }); !errors.Is(err, syscall.EMSGSIZE) {
			t.Errorf("too long: %v", err)
		}
		h.a.Close()
		if err := (Ping{}).Run(t.Context(), s, func(e PingEvent) { t.Errorf("%+v", e) }); !errors.Is(err, syscall.ENETDOWN) {
			t.Errorf("without a host: %v", err)
		}
	})
}
