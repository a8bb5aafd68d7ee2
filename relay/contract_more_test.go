package relay_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"zocalo/internal/testenv"
	"zocalo/relay"
	"zocalo/relay/outcome"
	"zocalo/socket"
)

// byWays runs a test once for each way that may take it.
func byWays(t *testing.T, test func(t *testing.T, change func(*relay.Relay))) {
	if testPath != relay.Auto {
		t.Skip("the contract is tried by both paths in one run")
	}
	for _, w := range contractWays {
		t.Run(w.name, func(t *testing.T) {
			w.trace(t)
			test(t, func(r *relay.Relay) {
				if r.Path = w.path; w.change != nil {
					w.change(r)
				}
			})
		})
	}
}

// with is more than one change.
func with(changes ...func(*relay.Relay)) func(*relay.Relay) {
	return func(r *relay.Relay) {
		for _, change := range changes {
			change(r)
		}
	}
}

// 4. Messages arrive whole, with their boundaries, empty ones too.
func TestContractEmptyMessages(t *testing.T) {
	byWays(t, func(t *testing.T, change func(*relay.Relay)) {
		for _, k := range []string{"unix-dgram", "udp", "unix-seqpacket", "spp"} {
			if k == "unix-seqpacket" || k == "spp" {
				if strings.HasPrefix(t.Name(), "TestContractEmptyMessages/fast") {
					continue // these have no fast way
				}
			}
			t.Run(k, func(t *testing.T) {
				d := driven{t, kindOf(t, k), kindOf(t, k), ""}
				_, x, y := d.join(change)
				for _, s := range [][2]*socket.Socket{{x, y}, {y, x}} {
					for _, text := range []string{"", "a", "", strings.Repeat("b", 1400), ""} {
						writes(t, s[0], "")
						_, err := s[0].Write([]byte(text))
						try(t, err)
						wantsMessage(t, s[1], "")
						wantsMessage(t, s[1], text)
					}
				}
			})
		}
	})
}

func kindOf(t *testing.T, name string) kind {
	for _, k := range kinds {
		if k.name == name {
			return k
		}
	}
	t.Fatalf("there is no kind %s", name)
	return kind{}
}

// 4. Where the kind lets a sender wait it waits, and nothing is dropped: a
// receiver that reads only once all was sent.
func TestContractSlowReceiver(t *testing.T) {
	byWays(t, func(t *testing.T, change func(*relay.Relay)) {
		const messages = 1500
		d := driven{t, kindOf(t, "unix-dgram"), kindOf(t, "unix-dgram"), ""}
		r, x, y := d.join(change)
		sent := make(chan error, 1)
		go func() {
			for i := range messages {
				if _, err := fmt.Fprintf(x, "message %d", i); err != nil {
					sent <- err
					return
				}
			}
			sent <- nil
		}()
		time.Sleep(20 * time.Millisecond)
		for i := range messages {
			wantsMessage(t, y, fmt.Sprintf("message %d", i))
		}
		try(t, <-sent)
		if n := r.Totals().Dropped; n != 0 {
			t.Errorf("%d messages were dropped", n)
		}
	})
}

// 4. Of datagrams that are lost every one is counted: what was sent has passed
// or was dropped. Only the fast way learns of what the system dropped, so the
// others are not flooded.
func TestContractLossIsCounted(t *testing.T) {
	byWays(t, func(t *testing.T, change func(*relay.Relay)) {
		const messages = 10_000
		d := driven{t, kindOf(t, "udp"), kindOf(t, "udp"), ""}
		r, x, y := d.join(change)
		delivered := int64(0)
		go func() { // until y is closed
			for b := make([]byte, 2000); ; {
				if _, err := y.Read(b); err != nil {
					return
				}
				atomic.AddInt64(&delivered, 1)
			}
		}()
		passed := func() int64 { // the first message is join's
			sum := r.Totals()
			return sum.From[0].Messages + sum.Dropped - 1
		}
		piece := make([]byte, 500)
		for i := range int64(messages) {
			for r.Path != relay.Fast && i%50 == 0 && passed() < i {
				time.Sleep(time.Millisecond)
			}
			if _, err := x.Write(piece); err != nil {
				t.Fatal(err)
			}
		}
		sent := int64(messages)
		await(t, "all has passed or is counted", func() bool {
			if passed() >= sent {
				return true
			}
			// The system tells how many it dropped with the next one that it keeps.
			if _, err := x.Write(piece); err != nil {
				t.Fatal(err)
			}
			sent++
			return false
		})
		if n := passed(); n != sent {
			t.Errorf("%d were sent, and %d passed or were dropped", sent, n)
		}
		if got := atomic.LoadInt64(&delivered); got > sent {
			t.Errorf("%d were sent, and %d came", sent, got)
		}
	})
}

// 5. Answers of datagrams leave by the address that the question came to.
func TestContractAnswersFromWhereAsked(t *testing.T) {
	byWays(t, func(t *testing.T, change func(*relay.Relay)) {
		server := listen(t, "udp:127.0.0.1:0").Sockets()[0]
		for from, ask := range map[string]string{
			"udp4-listen:any:0":           "udp:127.0.0.2",
			"udp6-listen:[::]:0,v6only=0": "udp:127.0.0.3",
			"udp-listen:any:0":            "udp:127.0.0.4",
		} {
			t.Run(from, func(t *testing.T) {
				r := relays(t, change, from, "udp:"+server.Name().String())
				at := r.address()
				c := dial(t, ask+":"+portOf(at)) // connected: it hears that address alone
				writes(t, c, "question")
				var m socket.Message
				m.SetData(make([]byte, 100))
				try(t, server.SetReadDeadline(time.Now().Add(patience)))
				try(t, server.Receive(&m))
				m.Buffers[0] = []byte("answer")
				if _, err := server.Send(&m); err != nil {
					t.Fatal(err)
				}
				wantsMessage(t, c, "answer")
			})
		}
	})
}

// 6. Several TO are tried in turn, for streams and datagrams.
func TestContractSeveralTargets(t *testing.T) {
	byWays(t, func(t *testing.T, change func(*relay.Relay)) {
		for _, scheme := range []string{"tcp", "udp"} {
			t.Run(scheme, func(t *testing.T) {
				dead := listen(t, scheme+":127.0.0.1:0")
				refusing := scheme + ":" + dead.Name().String()
				try(t, dead.Close())
				alive := listen(t, scheme+":127.0.0.1:0")
				r := relays(t, change, scheme+"-listen:127.0.0.1:0", refusing, scheme+":"+alive.Name().String())
				c := dial(t, r.address())
				if scheme == "tcp" {
					writes(t, c, "hola")
					wants(t, accept(t, alive), "hola")
					return
				}
				heard := make(chan string, 1)
				go func() {
					b := make([]byte, 100)
					n, _ := alive.Sockets()[0].Read(b)
					heard <- string(b[:n])
				}()
				await(t, "the second is used", func() bool {
					c.Write([]byte("hola")) // the first may be lost with the refusal
					select {
					case text := <-heard:
						return text == "hola"
					case <-time.After(10 * time.Millisecond):
						return false
					}
				})
			})
		}
	})
}

// 7. A peer that waits for its TO and has gone gives its place up at once; one
// that has half-closed is served.
func TestContractWaitingPeers(t *testing.T) {
	byWays(t, func(t *testing.T, change func(*relay.Relay)) {
		path := inTemp(t, "later")
		r := relays(t, with(change, func(r *relay.Relay) { r.Retry, r.MaxConns = -1, 2 }), tcpListen, "unix:"+path)
		at := r.address()
		half := dial(t, at)
		writes(t, half, "all that I have to say")
		try(t, half.Shutdown(socket.ShutdownWrite))
		for range 5 { // more than there are places
			c := dial(t, at)
			await(t, "it waits", func() bool { return len(r.Open()) == 2 })
			try(t, c.Abort())
			r.ended()
		}
		l := listen(t, "unix:"+path)
		s := accept(t, l)
		wants(t, s, "all that I have to say")
		wantsEOF(t, s)
		writes(t, s, "answer")
		wants(t, half, "answer")
	})
}

// 8. A program ends with its pair, however that ends.
func TestContractProgramsEnd(t *testing.T) {
	testenv.Program(t, "sh")
	byWays(t, func(t *testing.T, change func(*relay.Relay)) {
		if strings.HasPrefix(t.Name(), "TestContractProgramsEnd/fast") {
			t.Skip("a program has no fast way")
		}
		for name, end := range map[string]func(*running, *socket.Socket){
			"reset":    func(_ *running, c *socket.Socket) { c.Abort() },
			"closed":   func(_ *running, c *socket.Socket) { c.Close() },
			"lifetime": nil,
			"aborted": func(r *running, _ *socket.Socket) {
				r.stop()
				r.Abort()
			},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				pids := inTemp(t, "pid")
				program := filepath.Join(t.TempDir(), "program")
				// It neither reads nor writes, nor ends by itself.
				try(t, os.WriteFile(program, []byte("#!/bin/sh\necho $$ >"+pids+".new; mv "+pids+".new "+pids+"\nexec sleep 1000\n"), 0o700))
				from := tcpListen
				if name == "closed" { // which tcp does not tell from a half-close
					from = "unix-listen:" + inTemp(t, "near")
				}
				r := relays(t, with(change, func(r *relay.Relay) {
					if end == nil {
						r.Lifetime = 5 * time.Second
					}
				}), from, "exec:"+program)
				c := dial(t, r.address())
				var pid int
				await(t, "the program runs", func() bool {
					text, err := os.ReadFile(pids)
					if err == nil {
						pid, _ = strconv.Atoi(strings.TrimSpace(string(text)))
					}
					return pid > 0
				})
				if end != nil {
					end(r, c)
				}
				await(t, "the program is gone", func() bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) })
			})
		}
	})
}

// 9. A log that blocks for ever stops neither data nor the end.
func TestContractBlockedLog(t *testing.T) {
	byWays(t, func(t *testing.T, change func(*relay.Relay)) {
		var release = make(chan struct{})
		l := listen(t, "tcp:127.0.0.1:0")
		blocked := with(change, func(r *relay.Relay) {
			r.Drain = 10 * time.Millisecond
			r.Log = slog.New(slog.NewTextHandler(blockedWriter(release), &slog.HandlerOptions{Level: slog.LevelDebug}))
		})
		r := relays(t, blocked, tcpListen, addressOf(t, "tcp:127.0.0.1:0", l))
		t.Cleanup(func() { close(release) }) // before the relay is waited for
		at := r.address()
		for range 20 {
			c := dial(t, at)
			writes(t, c, "hola")
			s := accept(t, l)
			wants(t, s, "hola")
			try(t, s.Abort())
			io.ReadAll(c)
		}
		r.stop()
		r.Abort()
		select {
		case <-r.done:
		case <-time.After(patience):
			t.Error("the relay does not end, since nobody reads its log")
		}
	})
}

type blockedWriter chan struct{}

func (w blockedWriter) Write(b []byte) (int, error) {
	<-w
	return len(b), nil
}

// 9. A slow reader stops the fast writer, and what was taken is there when it
// reads; on every pair of streams.
func TestContractBackPressure(t *testing.T) {
	holds(t, rule{bears: func(near, far endKind) bool {
		return halfClose(near, far) && !near.Messages && !far.Messages && typical(far)
	}, check: func(e *exchange) {
		piece, sent := bytes.Repeat([]byte{'x'}, 64<<10), 0
		try(e, e.near.SetWriteDeadline(time.Now().Add(200*time.Millisecond)))
		for sent < 64<<20 {
			n, err := e.near.Write(piece)
			if sent += n; err != nil {
				wantsErr(e, err, os.ErrDeadlineExceeded)
				break
			}
		}
		if sent >= 64<<20 {
			e.Errorf("%d bytes were taken that nobody reads", sent)
		}
		try(e, e.near.SetWriteDeadline(time.Time{}))
		shut := make(chan error, 1)
		go func() { shut <- e.near.Shutdown(socket.ShutdownWrite) }() // the end of TLS waits for what is before it
		defer func() { try(e, <-shut) }()
		if n, err := io.Copy(io.Discard, e.far); err != nil || n != int64(sent) {
			e.Errorf("%d of %d bytes arrived, %v", n, sent, err)
		}
	}})
}

// 10. A source that cannot half-close and has ended takes the whole pair with
// it, at once.
func TestContractWholeEnd(t *testing.T) {
	defer relay.UntoldIdle(time.Hour)() // nothing but the end itself ends the pair
	holds(t, rule{bears: func(near, _ endKind) bool { return !near.HalfClose }, check: func(e *exchange) {
		e.sends(e.near, e.nearKind, "the last")
		e.hears(e.far, e.farKind, "the last")
		try(e, e.near.Close())
		wantsEOF(e, e.far)
		try(e, e.far.Close()) // it would have a moment to finish
		e.r.ended()
	}})
}

// 11. What a peer calls itself is quoted wherever it is printed.
func TestContractNamesAreData(t *testing.T) {
	t.Skip("names are quoted by who prints them: the command's log")
	byWays(t, func(t *testing.T, change func(*relay.Relay)) {
		l := listen(t, "tcp:127.0.0.1:0")
		r := relays(t, change, "unix-listen:"+inTemp(t, "s"), addressOf(t, "tcp:127.0.0.1:0", l))
		at := r.address()
		s, err := socket.New(socket.Unix, socket.Stream, 0)
		try(t, err)
		defer s.Close()
		name, err := socket.UnixName("@evil\nlistening on tcp:6.6.6.6:1\x1b[31m" + strconv.Itoa(os.Getpid()))
		try(t, err)
		try(t, s.Bind(name))
		_, path, _ := strings.Cut(at, ":")
		to, err := socket.UnixName(path)
		try(t, err)
		try(t, s.Connect(t.Context(), to))
		y := accept(t, l)
		try(t, y.Abort())
		io.ReadAll(s)
		p := r.ended()
		if strings.ContainsAny(p.Peer, "\n\x1b") || p.Err != nil && strings.ContainsAny(p.Err.Error(), "\n\x1b") {
			t.Errorf("the peer is printed as %s (%v)", p.Peer, p.Err)
		}
		if strings.Contains(r.journal.String(), "\x1b") {
			t.Errorf("the log has %s", r.journal.String())
		}
	})
}

// 2. A TO that cannot be reached is told by a reset.
func TestContractRefused(t *testing.T) {
	byWays(t, func(t *testing.T, change func(*relay.Relay)) {
		dead := listen(t, "tcp:127.0.0.1:0")
		to := addressOf(t, "tcp:127.0.0.1:0", dead)
		try(t, dead.Close())
		r := relays(t, change, tcpListen, to)
		wantsReset(t, r.address(), "hola")
		if p := r.ended(); p.Result.How != outcome.Failed || !errors.Is(p.Err, syscall.ECONNREFUSED) {
			t.Errorf("the pair ended as %+v", p)
		}
	})
}
