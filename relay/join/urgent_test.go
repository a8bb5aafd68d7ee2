package join_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"sync"
	"testing"
	"testing/synctest"

	"zocalo/relay/join"
	"zocalo/relay/outcome"
	"zocalo/socket"
	"zocalo/socket/option"
)

// The kernel's streams with urgent data.
var urgentStreams = []maker{tcp, unix}

// receiveUrgent takes one urgent byte.
func receiveUrgent(t *testing.T, s *socket.Socket) byte {
	t.Helper()
	var b [1]byte
	if n, err := s.ReceiveUrgent(t.Context(), b[:]); n != 1 || err != nil {
		t.Fatalf("ReceiveUrgent = %d, %v", n, err)
	}
	return b[0]
}

func sendUrgent(t *testing.T, s *socket.Socket, text string) {
	t.Helper()
	if n, err := s.SendUrgent([]byte(text)); n != len(text) || err != nil {
		t.Fatalf("SendUrgent = %d, %v", n, err)
	}
}

// readToMark reads up to the urgent mark.
func readToMark(t *testing.T, s *socket.Socket) (before []byte) {
	t.Helper()
	b := make([]byte, 4096)
	for {
		at, err := s.AtMark()
		try(t, err)
		if at {
			return before
		}
		n, err := s.Read(b)
		try(t, err)
		before = append(before, b[:n]...)
	}
}

func TestUrgentAtItsPlace(t *testing.T) {
	eachPair(t, urgentStreams, func(t *testing.T, a, b maker) {
		j := plain(t, a, b)
		for range 50 {
			writes(t, j.a, "before")
			sendUrgent(t, j.a, "!")
			writes(t, j.a, "after")
			if got := receiveUrgent(t, j.b); got != '!' {
				t.Fatalf("the urgent byte is %q", got)
			}
			if got := readToMark(t, j.b); string(got) != "before" {
				t.Fatalf("%q came before the urgent byte", got)
			}
			wants(t, j.b, "after")
		}
		try(t, j.a.Close())
		try(t, j.b.Close())
		if r, err := j.over(); err != nil || r.From[outcome.A].Urgent != 50 || r.From[outcome.A].Bytes != 50*12 || r.From[outcome.A].UrgentInLine != 0 {
			t.Errorf("Join = %+v, %v", r, err)
		}
	})
}

// Nothing comes before the urgent byte, and the flow waits for it at the mark
// already; or with what follows, in one go.
func TestUrgentFirst(t *testing.T) {
	eachPair(t, urgentStreams, func(t *testing.T, a, b maker) {
		j := plain(t, a, b)
		for range 200 {
			sendUrgent(t, j.a, "!")
			writes(t, j.a, "x")
			if got := receiveUrgent(t, j.b); got != '!' {
				t.Fatalf("the urgent byte is %q", got)
			}
			wants(t, j.b, "x")
		}
	})
}

// Numbered words fill every buffer on the way, and each urgent byte must be
// where it was sent. The next is sent when the one before was seen, since the
// kernel remembers one.
func TestUrgentUnderLoad(t *testing.T) {
	const words, every, rounds = 1 << 14, 1 << 14, 8
	eachPair(t, urgentStreams, func(t *testing.T, a, b maker) {
		j := plain(t, a, b)
		seen := make(chan bool)
		var writer sync.WaitGroup
		writer.Go(func() {
			var b []byte
			for round := range rounds {
				b = b[:0]
				for i := range words {
					b = binary.BigEndian.AppendUint32(b, uint32(round*words+i))
				}
				if _, err := j.a.Write(b); err != nil {
					t.Errorf("write: %v", err)
					return
				}
				if _, err := j.a.SendUrgent([]byte{byte(round)}); err != nil {
					t.Errorf("send: %v", err)
					return
				}
				<-seen
			}
			j.a.Shutdown(socket.ShutdownWrite)
		})
		try(t, option.OOBInline.Set(j.b, true)) // so that its place can be seen
		next, inRound := uint32(0), 0
		buf, held := make([]byte, 3000), []byte(nil)
		for round := 0; round < rounds; {
			// The mark is known for sure once the byte is there.
			if inRound == 4*every {
				wants(t, j.b, string([]byte{byte(round)}))
				inRound = 0
				round++
				seen <- true
				continue
			}
			n, err := j.b.Read(buf[:min(len(buf), 4*every-inRound)])
			try(t, err)
			inRound += n
			held = append(held, buf[:n]...)
			for ; len(held) >= 4; held = held[4:] {
				if got := binary.BigEndian.Uint32(held); got != next {
					t.Fatalf("word %d came where %d belongs", got, next)
				}
				next++
			}
		}
		writer.Wait()
		wantsEOF(t, j.b)
		try(t, j.b.Close())
		if r, err := j.over(); err != nil || r.From[outcome.A].Urgent != rounds {
			t.Errorf("Join = %+v, %v", r, err)
		}
	})
}

// The byte goes ahead as soon as it is seen where the stream stands still.
func TestUrgentBesideTheStream(t *testing.T) {
	for _, b := range streams {
		t.Run(b.name, func(t *testing.T) {
			j := plain(t, memory, b)
			for i := range 20 {
				writes(t, j.a, "before")
				wants(t, j.b, "before")
				sendUrgent(t, j.a, string(rune('a'+i)))
				if got := receiveUrgent(t, j.b); got != byte('a'+i) {
					t.Fatalf("the urgent byte is %q", got)
				}
			}
			// The last one before the end is not lost either.
			sendUrgent(t, j.a, "!")
			try(t, j.a.Shutdown(socket.ShutdownWrite))
			if got := receiveUrgent(t, j.b); got != '!' {
				t.Fatalf("the urgent byte is %q", got)
			}
			wantsEOF(t, j.b)
			try(t, j.b.Close())
			if r, err := j.over(); err != nil || r.From[outcome.A].Urgent != 21 {
				t.Errorf("Join = %+v, %v", r, err)
			}
		})
	}
}

// Where the far end has no urgent data, and where a format reads the stream,
// the byte is one of the others.
func TestUrgentInLine(t *testing.T) {
	plainEnd := promising("no urgent data", socket.Properties{Reliable: true, Ordered: true, Unduplicated: true, Connected: true})
	for _, a := range urgentStreams {
		t.Run(a.name+" to "+plainEnd.name, func(t *testing.T) {
			j := plain(t, a, plainEnd)
			writes(t, j.a, "be")
			sendUrgent(t, j.a, "!")
			writes(t, j.a, "fore")
			wants(t, j.b, "be!fore")
			try(t, j.a.Close())
			wantsEOF(t, j.b)
			try(t, j.b.Close())
			if r, err := j.over(); err != nil || r.From[outcome.A].Urgent != 0 || r.From[outcome.A].UrgentInLine != 1 || r.From[outcome.A].Bytes != 7 {
				t.Errorf("Join = %+v, %v", r, err)
			}
		})
		t.Run(a.name+" in lines", func(t *testing.T) {
			j := start(t, a, unixSeqPacket, format("lines"), join.End{}, join.Options{})
			writes(t, j.a, "be")
			sendUrgent(t, j.a, "!")
			writes(t, j.a, "fore\n")
			wantsMessage(t, j.b, "be!fore")
			try(t, j.a.Close())
			wantsEOF(t, j.b)
			try(t, j.b.Close())
			if r, err := j.over(); err != nil || r.From[outcome.A].UrgentInLine != 1 || r.From[outcome.A].Messages != 1 {
				t.Errorf("Join = %+v, %v", r, err)
			}
		})
	}
}

// The two ways to an end that takes no more both find that out, and what it
// sends passes all the same.
func TestUrgentToPeerThatStopsReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := plain(t, memory, memory)
		try(t, j.b.Shutdown(socket.ShutdownRead))
		sendUrgent(t, j.a, "!")
		synctest.Wait()
		writes(t, j.a, "lost")
		synctest.Wait()
		writes(t, j.b, "still here")
		wants(t, j.a, "still here")
		try(t, j.b.Shutdown(socket.ShutdownWrite))
		if r, err := j.over(); r.How != outcome.Reset || r.Side != outcome.B {
			t.Errorf("Join = %+v, %v", r, err)
		}
	})
}

// Urgent data beside a stream has no place in a format.
func TestUrgentRefused(t *testing.T) {
	refused := make(chan error, 1)
	j := start(t, memory, unixSeqPacket, format("lines"), join.End{}, join.Options{
		OnRefused: func(_ outcome.Side, err error) { refused <- err },
	})
	sendUrgent(t, j.a, "!")
	var no *join.NoUrgentError
	if err := <-refused; !errors.As(err, &no) || no.To != j.b.Kind() {
		t.Errorf("refused with %v", err)
	}
	writes(t, j.a, "line\n")
	wantsMessage(t, j.b, "line")
	try(t, j.a.Close())
	wantsEOF(t, j.b)
	try(t, j.b.Close())
	if r, err := j.over(); err != nil || r.From[outcome.A].Refused != 1 || r.From[outcome.A].Messages != 1 {
		t.Errorf("Join = %+v, %v", r, err)
	}
}

// Two urgent bytes of which the relay sees the second first: the first is an
// ordinary one then, as the kernel has it, and none is lost.
func TestUrgentTwiceLosesNothing(t *testing.T) {
	eachPair(t, urgentStreams, func(t *testing.T, a, b maker) {
		j := plain(t, a, b)
		try(t, option.OOBInline.Set(j.b, true))
		writes(t, j.a, "joined")
		wants(t, j.b, "joined")
		var want bytes.Buffer
		for i := range 100 {
			word := []byte{byte(i)}
			want.Write(word)
			sendUrgent(t, j.a, string(word))
		}
		try(t, j.a.Shutdown(socket.ShutdownWrite))
		got, err := io.ReadAll(j.b)
		if err != nil || !bytes.Equal(got, want.Bytes()) {
			t.Errorf("%d bytes arrived of 100, %v: % x", len(got), err, got)
		}
	})
}
