package relay_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"zocalo/socket"
)

// lifePatience is how long a side waits for anything.
const lifePatience = 90 * time.Second

// The bytes that sides write are parts of one block, which is there twice so
// that each part is in one piece.
const blockSize = 1<<20 + 7

var block = sync.OnceValue(func() []byte {
	rng := rand.NewChaCha8([32]byte{})
	b := make([]byte, blockSize)
	rng.Read(b)
	return append(b, b...)
})

// A voice is what one side of one life says: the byte at each place.
type voice int

func voiceOf(number int64, client bool) voice {
	n := uint64(number) * 2
	if client {
		n++
	}
	return voice(n * 0x9E3779B97F4A7C15 % blockSize)
}

// part is n bytes from place at, at most 1 MiB.
func (v voice) part(at, n int) []byte {
	from := (int(v) + at) % blockSize
	return block()[from : from+n]
}

// A view is what a side did and saw.
type view struct {
	began    bool
	wrote    int // bytes, by calls that succeeded
	wroteAll bool
	writeErr error
	gaveUp   bool // it closed before all was written
	got      int  // bytes that were right
	gotAll   int  // messages
	end      end
	readErr  error
	wrong    string // what came that was not sent
}

// A player plays the role of a side.
type player struct {
	*wire
	role, peer *role
	voice      voice // its own
	hears      voice // what comes
	mutual     bool  // the other side stops reading too: whoever waits for it may wait forever
	head       []byte
	rng        *rand.Rand
	expected   int // bytes that the other writes

	mu      sync.Mutex
	grown   sync.Cond
	stopped bool
	view    view
}

func (p *player) play() view {
	p.grown.L = &p.mu
	p.view.began = true
	p.s.SetDeadline(time.Now().Add(lifePatience))
	var both sync.WaitGroup
	both.Go(p.reads)
	written := make(chan struct{})
	go func() {
		defer close(written)
		p.writes()
	}()
	switch p.role.end {
	case inOrder, stays:
		<-written
		if p.role.end == inOrder && p.view.wroteAll {
			p.s.Shutdown(socket.ShutdownWrite)
		}
		both.Wait()
		p.s.Close()
		return p.view
	}
	both.Wait()
	if p.mutual && p.role.end != leads {
		select {
		case <-written:
		default:
			p.view.gaveUp = true
		}
	} else {
		<-written
	}
	if p.role.end == resets {
		p.s.Abort()
	} else {
		p.s.Close()
	}
	<-written
	return p.view
}

// writes writes all that the role has to say.
func (p *player) writes() {
	at, hasty := 0, p.role.hasty && !p.messages && len(p.role.chunks) > 0
	if p.head != nil && !hasty {
		if p.view.writeErr = p.write(p.head); p.view.writeErr != nil {
			return
		}
	}
	for i, n := range p.role.chunks {
		p.await(p.role.after[i])
		b := p.voice.part(at, n)
		if i == 0 && p.head != nil && hasty {
			b = append(p.head, b...)
		}
		if p.view.writeErr = p.write(b); p.view.writeErr != nil {
			return
		}
		at += n
		p.view.wrote = at
	}
	p.view.wroteAll = true
}

// await waits until so many bytes came, or no more will.
func (p *player) await(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.view.got < n && !p.stopped {
		p.grown.Wait()
	}
}

// reads reads until the end, or as much as the role wants.
func (p *player) reads() {
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.stopped = true
		p.grown.Broadcast()
	}()
	most := -1
	switch p.role.end {
	case breaksOff, resets:
		most = p.role.stop
	case leads:
		most = p.expected
	}
	b := make([]byte, p.bufferSize())
	for most < 0 || p.view.got < most || p.more(most) {
		part := b
		if !p.messages {
			if p.role.slow {
				part = b[:1+p.rng.IntN(len(b))]
			}
			if most >= 0 {
				part = part[:min(len(part), most-p.view.got)]
			}
		}
		if p.role.slow && p.rng.IntN(4) == 0 {
			time.Sleep(time.Duration(p.rng.IntN(1500)) * time.Microsecond)
		}
		n, err := p.read(part)
		if err != nil {
			p.view.end, p.view.readErr = endOf(err), err
			return
		}
		if p.view.wrong = p.compare(part[:n]); p.view.wrong != "" {
			return
		}
		p.mu.Lock()
		p.view.got += n
		p.view.gotAll++
		p.grown.Broadcast()
		p.mu.Unlock()
	}
}

// more reports whether empty messages are still to come at the very end.
func (p *player) more(most int) bool {
	return p.messages && p.role.end == leads && p.view.gotAll < len(p.peer.chunks)
}

func (p *player) bufferSize() int {
	switch {
	case p.messages:
		return 64 << 10
	case p.expected > 64<<10:
		return 128 << 10
	}
	return 8 << 10
}

// compare says what is wrong with what came; "" for nothing.
func (p *player) compare(b []byte) string {
	if p.messages {
		i := p.view.gotAll
		if i >= len(p.peer.chunks) {
			return fmt.Sprintf("message %d of %d bytes, and %d were sent", i, len(b), len(p.peer.chunks))
		}
		if want := p.peer.chunks[i]; len(b) != want {
			return fmt.Sprintf("message %d has %d bytes, and was sent with %d", i, len(b), want)
		}
	}
	if p.view.got+len(b) > p.expected {
		return fmt.Sprintf("%d bytes, and %d were sent", p.view.got+len(b), p.expected)
	}
	if want := p.hears.part(p.view.got, len(b)); !bytes.Equal(b, want) {
		for i := range b {
			if b[i] != want[i] {
				return fmt.Sprintf("byte %d of %d is %d, and was sent as %d", p.view.got+i, p.expected, b[i], want[i])
			}
		}
	}
	return ""
}
