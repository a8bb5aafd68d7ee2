package relay_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"zocalo/address"
	"zocalo/record"
	"zocalo/relay"
	"zocalo/relay/outcome"
	"zocalo/socket"
)

// The contract of every engine (docs/relay.md): one test a rule, for each
// engine, what may be switched on beside it, and each pair of kinds. A new
// engine is a new way here, a new layer a new kind.

// A way is an engine, and what is switched on.
type way struct {
	name   string
	path   relay.Path
	change func(*relay.Relay)
	traced bool
	few    bool // it is tried with some pairs only
	layers bool // it is tried with kinds that have layers only
}

var contractWays = []way{
	{name: "fast", path: relay.Fast},
	{name: "fast with rates", path: relay.Fast, change: rated, few: true},
	{name: "general", path: relay.General},
	{name: "general with rates", path: relay.General, change: rated, few: true},
	{name: "fast with hooks", path: relay.Fast, change: hooked, few: true},
	{name: "general with hooks", path: relay.General, change: hooked, few: true},
	{name: "watched", change: watched, few: true},
	{name: "recorded", change: recorded, few: true},
	{name: "traced", traced: true, few: true},
}

// trace sees the calls of sockets until the test and those within it are over, if
// the way is such.
func (w way) trace(t *testing.T) {
	if w.traced {
		socket.SetTrace(func(socket.Call) {})
		t.Cleanup(func() { socket.SetTrace(nil) })
	}
}

func rated(r *relay.Relay) { r.Rate, r.TotalRate = 1<<30, 1<<30 }
func hooked(r *relay.Relay) {
	r.Admit = func(*relay.Peer) error { return nil }
	r.Began = func(*relay.Peer) {}
	r.Route = func(_ context.Context, _ *relay.Peer, to []address.Address) ([]address.Address, error) {
		return to, nil
	}
	r.Reached = func(int64, relay.Attempt) {}
	r.Passed = func(int64, relay.Side, int, int) {}
}

func recorded(r *relay.Relay) { recording().Hook(&r.Hooks) }

// recording is one that all relays have which are recorded.
var recording = sync.OnceValue(func() *record.Recorder {
	r, err := record.New(io.Discard, record.Options{})
	if err != nil {
		panic(err)
	}
	atEnd = append(atEnd, func() { r.Close() })
	return r
})

func watched(r *relay.Relay) { r.Filter = relay.See(func(relay.Pair, relay.Side, relay.Piece) {}) }

// An endKind is a kind of the table with what it can tell.
type endKind struct {
	kind
	Kind
}

// contractKinds are the kinds that connect, beside an inherited socket.
func contractKinds() (all []endKind) {
	for _, k := range append(Kinds(), layeredKinds...) {
		e := endKind{listening(k.Name, k.Scheme, k.Endpoint, ""), k}
		e.kind.bytes = !k.Messages
		all = append(all, e)
	}
	all = append(all, chained())
	fd := endKind{kind{from: inherited, to: inherited, bytes: true}, Kind{Name: "fd", Scheme: "fd", HalfClose: true}}
	return append(all, fd)
}

// typical reports whether a kind stands for others.
func typical(k endKind) bool {
	return slices.Contains([]string{"tcp", "unix", "unix-seqpacket", "iso"}, k.Name)
}

// layered reports whether a layer is over the kind.
func (k Kind) layered() bool { return strings.Contains(k.Scheme, "+") }

func (w way) bears(a, b endKind) bool {
	fast := func(k endKind) bool { return slices.Contains([]string{"tcp", "tcp6", "mptcp", "unix"}, k.Name) }
	switch {
	case w.path == relay.Fast && (!fast(a) || !fast(b)), w.few && (!typical(a) || !typical(b)), w.layers && !a.layered() && !b.layered():
		return false
	case a.Name == "fd" && b.Name == "fd":
		return false
	case a.layered() != b.layered() && !typical(a) && !typical(b):
		return false
	}
	return true
}

// An exchange is a relay that joins two sides: one that acts, and one that sees
// what becomes of it.
type exchange struct {
	*testing.T
	r           *running
	near, far   *socket.Socket
	nearKind    endKind
	farKind     endKind
	nearIsFirst bool // near came to FROM, and far is TO's
}

// send writes bytes, or a message.
func (e *exchange) send(s *socket.Socket, k endKind, text string) error {
	_, err := io.WriteString(s, e.text(k, text))
	return err
}

func (e *exchange) text(k endKind, text string) string {
	if k.bytes {
		return text + "\n"
	}
	return text
}

// sends is send that must succeed, of a side as it is now.
func (e *exchange) sends(s *socket.Socket, k endKind, text string) {
	e.Helper()
	try(e, e.send(s, k, text))
}

// hears fails unless a side reads these messages, or lines, next.
func (e *exchange) hears(s *socket.Socket, k endKind, texts ...string) {
	e.Helper()
	for _, text := range texts {
		if k.bytes {
			wants(e, s, text+"\n")
		} else {
			wantsMessage(e, s, text)
		}
	}
}

// until reads to the end, and returns what came, a line for each message.
func (e *exchange) until(s *socket.Socket, k endKind) (string, error) {
	var all bytes.Buffer
	b := make([]byte, 1<<17)
	for {
		n, err := s.Read(b)
		if err == io.EOF {
			return all.String(), nil
		}
		if err != nil {
			return all.String(), err
		}
		all.WriteString(e.text(endKind{kind: kind{bytes: !k.bytes}}, string(b[:n])))
	}
}

// A rule is one of the contract.
type rule struct {
	bears  func(near, far endKind) bool // nil is all
	change func(*relay.Relay)
	check  func(*exchange)
}

// holds tries a rule by every way, with every pair of kinds, in both directions.
func holds(t *testing.T, u rule) {
	if testPath != relay.Auto {
		t.Skip("the contract is tried by both paths in one run")
	}
	kinds := contractKinds()
	// The engine of a pair with layers is chosen once they have stepped aside, or stay.
	for _, w := range append(slices.Clip(contractWays), way{name: "chosen", layers: true}) {
		t.Run(w.name, func(t *testing.T) {
			w.trace(t)
			for _, a := range kinds {
				for _, b := range kinds {
					if !w.bears(a, b) {
						continue
					}
					for _, first := range []bool{true, false} {
						near, far := a, b
						if !first {
							near, far = b, a
						}
						if u.bears != nil && !u.bears(near, far) {
							continue
						}
						name := fmt.Sprintf("%s to %s", a.Name, b.Name)
						if !first {
							name += " and back"
						}
						t.Run(name, func(t *testing.T) {
							t.Parallel()
							u.try(t, w, a, b, first)
						})
					}
				}
			}
		})
	}
}

func (u rule) try(t *testing.T, w way, a, b endKind, first bool) {
	for _, k := range []endKind{a, b} {
		if k.lacking != nil {
			k.lacking(t)
		}
	}
	d := driven{t, a.kind, b.kind, ""}
	if a.bytes != b.bytes {
		d.cell = "f"
	}
	r, x, y := d.join(func(r *relay.Relay) {
		r.Path = w.path
		for _, change := range []func(*relay.Relay){w.change, u.change} {
			if change != nil {
				change(r)
			}
		}
	})
	e := &exchange{T: t, r: r, near: x, far: y, nearKind: a, farKind: b, nearIsFirst: first}
	if !first {
		e.near, e.far, e.nearKind, e.farKind = y, x, b, a
	}
	u.check(e)
}

func halfClose(near, far endKind) bool { return near.HalfClose && far.HalfClose }

// lines are so many texts of many sizes, none of them empty.
func lines(n int) (texts []string) {
	for i := range n {
		texts = append(texts, fmt.Sprintf("%d%s", i, strings.Repeat("-", i*i%1500)))
	}
	return texts
}

// 1. What was taken from one side reaches the other, whole and in order, before
// the end; both directions at once.
func TestContractWhole(t *testing.T) {
	holds(t, rule{check: func(e *exchange) {
		texts := lines(150)
		var both sync.WaitGroup
		errs := make([]error, 2)
		send := func(i int, s *socket.Socket, k endKind) {
			for _, text := range texts {
				if errs[i] = e.send(s, k, text); errs[i] != nil {
					return
				}
			}
			if i == 0 && halfClose(e.nearKind, e.farKind) {
				errs[i] = s.Shutdown(socket.ShutdownWrite)
			}
		}
		both.Go(func() { send(0, e.near, e.nearKind) })
		both.Go(func() { send(1, e.far, e.farKind) })
		both.Go(func() { e.hears(e.near, e.nearKind, texts...) })
		e.hears(e.far, e.farKind, texts...)
		both.Wait()
		try(e, errors.Join(errs...))
		if halfClose(e.nearKind, e.farKind) {
			wantsEOF(e, e.far)
		}
	}})
}

// 2. A FIN arrives as a FIN behind all that was sent, and the other direction
// goes on for as long as it wants.
func TestContractHalfClose(t *testing.T) {
	holds(t, rule{bears: halfClose, check: func(e *exchange) {
		texts := lines(60)
		sent := make(chan error, 1)
		go func() {
			for _, text := range texts {
				if err := e.send(e.near, e.nearKind, text); err != nil {
					sent <- err
					return
				}
			}
			sent <- e.near.Shutdown(socket.ShutdownWrite)
		}()
		e.hears(e.far, e.farKind, texts...)
		wantsEOF(e, e.far)
		try(e, <-sent)
		e.sends(e.far, e.farKind, "late")
		e.hears(e.near, e.nearKind, "late")
		e.sends(e.far, e.farKind, "later")
		try(e, e.far.Shutdown(socket.ShutdownWrite))
		e.hears(e.near, e.nearKind, "later")
		wantsEOF(e, e.near)
		if p := e.r.ended(); p.Result.How != outcome.Finished || p.Err != nil {
			e.Errorf("the pair ended as %+v", p)
		}
	}})
}

// wantsCut fails unless a side reads a reset, after some of what was sent, or
// where its kind knows none, an end.
func (e *exchange) wantsCut(s *socket.Socket, k endKind) {
	e.Helper()
	got, err := e.until(s, k)
	switch {
	case k.Reset && !errors.Is(err, syscall.ECONNRESET):
		e.Errorf("after %d bytes reading is %v, want a reset", len(got), err)
	case err != nil && !errors.Is(err, syscall.ECONNRESET):
		e.Errorf("reading is %v", err)
	}
}

// wantsNotFinished fails if the account calls the pair finished.
func (e *exchange) wantsNotFinished() {
	e.Helper()
	if e.Failed() {
		return
	}
	if p := e.r.ended(); p.Result.How == outcome.Finished {
		e.Errorf("a pair that was cut short is called finished: %+v", p)
	}
}

// 2. A reset arrives as a reset: of a silent connection,
func TestContractReset(t *testing.T) {
	holds(t, rule{bears: func(near, _ endKind) bool { return near.Reset }, check: func(e *exchange) {
		try(e, e.near.Abort())
		e.wantsCut(e.far, e.farKind)
		e.wantsNotFinished()
	}})
}

// in the middle of much data, which the other side has not begun to read,
func TestContractResetInTheMiddle(t *testing.T) {
	holds(t, rule{bears: func(near, far endKind) bool { return near.Reset && near.HalfClose && !far.Messages }, check: func(e *exchange) {
		try(e, e.near.SetWriteDeadline(time.Now().Add(100*time.Millisecond)))
		piece := bytes.Repeat([]byte("0123456789abcde\n"), 4096)
		for range 64 { // 4 MiB, or as much as is taken
			if _, err := e.near.Write(piece); err != nil {
				break
			}
		}
		try(e, e.near.Abort())
		e.wantsCut(e.far, e.farKind)
		e.wantsNotFinished()
	}})
}

// and after the other side has half-closed.
func TestContractResetAfterHalfClose(t *testing.T) {
	holds(t, rule{bears: func(near, far endKind) bool { return near.Reset && halfClose(near, far) }, check: func(e *exchange) {
		e.sends(e.far, e.farKind, "question")
		try(e, e.far.Shutdown(socket.ShutdownWrite))
		e.hears(e.near, e.nearKind, "question")
		wantsEOF(e, e.near)
		e.sends(e.near, e.nearKind, "half an ans")
		e.hears(e.far, e.farKind, "half an ans")
		try(e, e.near.Abort())
		e.wantsCut(e.far, e.farKind)
		e.wantsNotFinished()
	}})
}

// 2. Whatever the relay itself cuts short is reset, on both sides: by idleness,
func TestContractIdle(t *testing.T) {
	cutsShort(t, func(r *relay.Relay) { r.Idle = 250 * time.Millisecond }, nil, outcome.Idle)
}

// after its lifetime,
func TestContractLifetime(t *testing.T) {
	cutsShort(t, func(r *relay.Relay) { r.Lifetime = 250 * time.Millisecond }, nil, outcome.Lifetime)
}

// when the time to drain is over,
func TestContractDrain(t *testing.T) {
	cutsShort(t, func(r *relay.Relay) { r.Drain = time.Millisecond }, func(r *running) { r.stop() }, outcome.Cancelled)
}

// and at once.
func TestContractAbort(t *testing.T) {
	cutsShort(t, nil, func(r *running) {
		r.stop()
		r.Abort()
	}, outcome.Cancelled)
}

func cutsShort(t *testing.T, change func(*relay.Relay), act func(*running), how outcome.EndReason) {
	holds(t, rule{change: change, bears: func(near, far endKind) bool { return near.Reset && typical(far) }, check: func(e *exchange) {
		if act != nil {
			act(e.r)
		}
		e.wantsCut(e.far, e.farKind)
		e.wantsCut(e.near, e.nearKind)
		if e.Failed() {
			return
		}
		if p := e.r.ended(); p.Result.How != how {
			e.Errorf("the pair ended as %+v, want %v", p, how)
		}
	}})
}

// 3. An end that closed with unread input has not cut its answer.
func TestContractUnreadInput(t *testing.T) {
	holds(t, rule{
		bears: func(near, far endKind) bool { return !near.Reset && near.HalfClose },
		check: func(e *exchange) {
			e.sends(e.far, e.farKind, "a question that nobody reads")
			await(e, "the question is there", func() bool {
				return e.r.Totals().From[side(!e.nearIsFirst)].Bytes >= int64(len("a question that nobody reads"))
			})
			texts := lines(100)
			sent := make(chan error, 1)
			go func() {
				for _, text := range texts {
					if err := e.send(e.near, e.nearKind, text); err != nil {
						sent <- err
						return
					}
				}
				sent <- e.near.Close()
			}()
			e.hears(e.far, e.farKind, texts...)
			try(e, <-sent)
			wantsEOF(e, e.far)
		},
	})
}

// side is that of whoever came to FROM, or of TO.
func side(first bool) int {
	if first {
		return 0
	}
	return 1
}
