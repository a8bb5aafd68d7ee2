package datagrams_test

import (
	"context"
	"slices"
	"testing"

	"zocalo/relay/datagrams"
	"zocalo/relay/outcome"
	"zocalo/socket"
)

// toOneOf dials the first name that has not refused, or the first of all.
func toOneOf(names ...socket.Name) func(context.Context, datagrams.Session, []socket.Name) (*socket.Socket, error) {
	return func(ctx context.Context, _ datagrams.Session, refused []socket.Name) (*socket.Socket, error) {
		for _, n := range names {
			if !slices.Contains(refused, n) {
				return dial(ctx, n)
			}
		}
		return dial(ctx, names[0])
	}
}

// A target that refuses is left for the next, which gets what the session has
// sent before; and the first again, once the second is gone.
func TestAnotherTarget(t *testing.T) {
	first, second, front := bound(t, "127.0.0.1:0"), bound(t, "127.0.0.1:0"), bound(t, "127.0.0.1:0")
	one, two, at := first.Name(), second.Name(), front.Name()
	first.Close()
	r := &datagrams.Relay{Dial: toOneOf(one, two), Limits: datagrams.Limits{HasOthers: true}}
	start(t, r, front)
	p := connected(t, at)
	for _, text := range []string{"a", "", "b"} {
		says(t, p, text)
	}
	for _, text := range []string{"a", "", "b"} {
		hears(t, second, text)
	}
	try(t, second.Connect(t.Context(), r.Sessions()[0].Local))
	says(t, second, "answer")
	hears(t, p, "answer")
	if n := r.Totals(); n.Sessions != 1 || n.From[outcome.A] != (datagrams.Passed{Bytes: 2, Messages: 3}) || lost(n) != 0 {
		t.Errorf("totals: %+v", n)
	}

	second.Close()
	first = bound(t, one.String())
	echo(t, first)
	arrived := make(chan struct{})
	go func() {
		defer close(arrived)
		hears(t, p, "again")
	}()
	until(t, "the first is used again", func() bool {
		says(t, p, "again")
		select {
		case <-arrived:
			return true
		default:
			return false
		}
	})
}

// Where all refuse a session goes on, and the first that comes back is found.
func TestAllTargetsRefuse(t *testing.T) {
	first, second, front := bound(t, "127.0.0.1:0"), bound(t, "127.0.0.1:0"), bound(t, "127.0.0.1:0")
	one, two, at := first.Name(), second.Name(), front.Name()
	first.Close()
	second.Close()
	r := &datagrams.Relay{Dial: toOneOf(one, two), Limits: datagrams.Limits{HasOthers: true}}
	start(t, r, front)
	p := connected(t, at)
	until(t, "all have refused more than once", func() bool {
		says(t, p, "hola")
		return r.Totals().Errors > 10
	})
	second = bound(t, two.String())
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		hears(t, second, "hola")
	}()
	until(t, "the second is found", func() bool {
		says(t, p, "hola")
		select {
		case <-heard:
			return true
		default:
			return false
		}
	})
	if n := r.Totals(); n.Sessions != 1 {
		t.Errorf("totals: %+v", n)
	}
}
