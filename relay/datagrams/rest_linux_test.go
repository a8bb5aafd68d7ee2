package datagrams_test

import (
	"testing"
	"time"

	"zocalo/relay/datagrams"
	"zocalo/relay/outcome"
	"zocalo/socket"
)

// The far port of a session that gave way is not the next one's: it stays bound,
// a bounded number of them.
func TestPortsRest(t *testing.T) {
	target, front := bound(t, "127.0.0.1:0"), bound(t, "127.0.0.1:0")
	echo(t, target)
	var ended pending[datagrams.Session]
	var begun pending[socket.Name]
	r := &datagrams.Relay{Dial: to(target.Name()), Limits: datagrams.Limits{Max: 1}, Rest: 2, OnEnd: ended.add, OnBegin: func(s datagrams.Session) { begun.add(s.Local) }}
	at := front.Name()
	start(t, r, front)
	for range 4 {
		p := connected(t, at)
		says(t, p, "hola")
		hears(t, p, "hola")
	}
	ports := begun.wait(t, 4)
	for i, free := range []bool{true, false, false, false} {
		s, err := socket.New(socket.Inet, socket.Datagram, 0)
		try(t, err)
		if err := s.Bind(ports[i]); (err == nil) != free {
			t.Errorf("the port of session %d of 4 is free: %v (%v)", i+1, err == nil, err)
		}
		s.Close()
	}
	if s := ended.wait(t, 3)[0]; s.Err != datagrams.ErrMadeRoom {
		t.Errorf("ended: %+v", s)
	}
}

// To wait for a rate is not to be idle.
func TestWaitingForARateIsNotIdle(t *testing.T) {
	target, front := bound(t, "127.0.0.1:0"), bound(t, "127.0.0.1:0")
	r := &datagrams.Relay{Dial: to(target.Name()), Limits: datagrams.Limits{Rate: 1000, Idle: 50 * time.Millisecond}}
	at := front.Name()
	start(t, r, front)
	p := connected(t, at)
	for range 3 {
		says(t, p, repeated(500)) // half a second each, once what was saved up is gone
	}
	for range 3 {
		hears(t, target, repeated(500))
	}
	if n := r.Totals(); n.Sessions != 1 || n.From[outcome.A].Dropped != 0 {
		t.Errorf("totals: %+v", n)
	}
}
