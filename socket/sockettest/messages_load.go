package sockettest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"zocalo/socket"
)

const (
	loadMessages = 1000
	loadWindow   = 8 // messages on their way, for a kind that may lose more
)

// numbered writes message i of a load into b, and returns it: its number, then
// content that the number determines, as its size is. The message after the
// last is the end.
func numbered(b []byte, i uint64) []byte {
	b = binary.BigEndian.AppendUint64(b[:0], i)
	if i < loadMessages {
		b = b[:8+i*37%1000]
		fill(b[8:], i)
	}
	return b
}

func (t *bout) load() {
	var all sync.WaitGroup
	for _, d := range t.directions() {
		from, to := d[0], d[1]
		var credit chan struct{}
		if !from.Properties().Reliable {
			credit = make(chan struct{}, loadWindow)
		}
		done := make(chan struct{})
		all.Go(func() { t.sendLoad(from, credit, done) })
		all.Go(func() {
			defer close(done)
			got, err := receiveLoad(to, credit)
			for _, fault := range append(got.faults, missorted(got.numbers)...) {
				t.Error(fault)
			}
			if err != nil {
				t.Errorf("after %d messages: %v", len(got.numbers), err)
			}
		})
	}
	all.Wait()
}

// sendLoad sends every other message by Write, and the rest by Send. credit,
// if not nil, bounds what is on its way; done ends the waiting for it.
func (t *bout) sendLoad(s *socket.Socket, credit chan struct{}, done chan struct{}) {
	data := make([]byte, 0, 1024)
	var m socket.Message
	for i := range uint64(loadMessages + 1) {
		if credit != nil {
			select {
			case credit <- struct{}{}:
			case <-done:
				return
			case <-time.After(t.patience):
				return // the receiver says what is missing
			}
		}
		data = numbered(data, i)
		n, err := 0, error(nil)
		if i%2 == 0 {
			n, err = s.Write(data)
		} else {
			m.SetData(data)
			n, err = s.Send(&m)
		}
		if err != nil || n != len(data) {
			t.Errorf("sending message %d of %d bytes = %d, %v", i, len(data), n, err)
			return
		}
	}
}

// received is what arrived of a load.
type received struct {
	numbers []uint64
	faults  []string // of single messages
}

// receiveLoad takes messages until the end, half of them by Read and half by
// Receive.
func receiveLoad(s *socket.Socket, credit chan struct{}) (received, error) {
	var got received
	b, want := make([]byte, 4096), make([]byte, 0, 1024)
	m := socket.Message{Buffers: [][]byte{b[:5], b[5:]}}
	for len(got.faults) < 5 {
		n, err := 0, error(nil)
		if len(got.numbers)%2 == 0 {
			n, err = s.Read(b)
		} else {
			err = s.Receive(&m)
			n = m.N
		}
		if err != nil {
			return got, err
		}
		if credit != nil {
			select {
			case <-credit:
			default: // one more than was sent
			}
		}
		if n < 8 {
			got.faults = append(got.faults, fmt.Sprintf("a message of %d bytes, which is less than its number: a piece, or none of these", n))
			continue
		}
		i := binary.BigEndian.Uint64(b)
		if i > loadMessages {
			got.faults = append(got.faults, fmt.Sprintf("a message with the number %d, which nobody sent: changed, or a piece", i))
			continue
		}
		want = numbered(want, i)
		if diff := difference(b[:n], want); diff != "" {
			got.faults = append(got.faults, fmt.Sprintf("message %d: %s", i, diff))
		}
		got.numbers = append(got.numbers, i)
		if i == loadMessages {
			break
		}
	}
	return got, nil
}

// missorted says what is wrong with the order in which numbers arrived, that
// ought to be 0, 1 and so on to the end: the first few things.
func missorted(numbers []uint64) (faults []string) {
	say := func(format string, args ...any) {
		if len(faults) < 5 {
			faults = append(faults, fmt.Sprintf(format, args...))
		}
	}
	seen := map[uint64]bool{}
	var next, top uint64
	for _, i := range numbers {
		switch {
		case seen[i]:
			say("message %d arrived twice", i)
		case i < top:
			say("message %d arrived after message %d: out of order", i, top)
		}
		seen[i] = true
		top = max(top, i)
	}
	for ; next <= top && len(numbers) > 0; next++ {
		if !seen[next] {
			say("message %d was lost", next)
		}
	}
	return faults
}

// difference says how a message differs from the one that was sent; "" if it
// does not.
func difference(got, want []byte) string {
	switch {
	case bytes.Equal(got, want):
		return ""
	case len(got) > len(want) && bytes.HasPrefix(got, want):
		return fmt.Sprintf("%d bytes arrived, and %d were sent: it came together with what follows", len(got), len(want))
	case len(got) < len(want) && bytes.HasPrefix(want, got):
		return fmt.Sprintf("%d bytes arrived, and %d were sent: it was cut", len(got), len(want))
	case len(got) != len(want):
		return fmt.Sprintf("%d bytes arrived, and %d were sent: it is another message, or was changed", len(got), len(want))
	}
	for i := range got {
		if got[i] != want[i] {
			return fmt.Sprintf("byte %d of %d is %#02x, and %#02x was sent: it was changed", i, len(got), got[i], want[i])
		}
	}
	return ""
}
