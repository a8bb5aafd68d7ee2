package relay_test

import (
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"zocalo/relay/outcome"
	"zocalo/socket"
)

// chain is two relays with QUIC between them, and TCP at both ends: a client's side, and what
// gets the server's.
func chain(t *testing.T) (near *running, dialled func() (a, b *socket.Socket)) {
	l := listen(t, "tcp:127.0.0.1:0")
	far := relays(t, nil, "quic-listen:127.0.0.1:0"+first(layerOptions("quic")), "tcp:"+l.Name().String())
	near = relays(t, nil, "tcp-listen:127.0.0.1:0", far.address())
	at := near.address()
	return near, func() (a, b *socket.Socket) { return dial(t, at), accept(t, l) }
}

func first(a, _ string) string { return a }

// TCP, QUIC and TCP: each end of one side is the end that the other sees, two relays away.
func TestQUICChain(t *testing.T) {
	near, pairs := chain(t)
	t.Run("half-close", func(t *testing.T) {
		a, b := pairs()
		writes(t, a, "question")
		try(t, a.CloseWrite())
		wants(t, b, "question")
		wantsEOF(t, b)
		writes(t, b, strings.Repeat("answer", 50_000))
		try(t, b.Close())
		got, err := io.ReadAll(a)
		if len(got) != 300_000 || err != nil {
			t.Errorf("%d bytes came back, %v", len(got), err)
		}
		if p := near.ended(); p.Result.How != outcome.Finished {
			t.Errorf("the pair ended as %v, %v", p.Result.How, p.Err)
		}
	})
	for what, side := range map[string]func(a, b *socket.Socket) (cut, sees *socket.Socket){
		"the client resets": func(a, b *socket.Socket) (*socket.Socket, *socket.Socket) { return a, b },
		"the server resets": func(a, b *socket.Socket) (*socket.Socket, *socket.Socket) { return b, a },
	} {
		t.Run(what, func(t *testing.T) {
			a, b := pairs()
			writes(t, a, "x")
			wants(t, b, "x")
			cut, sees := side(a, b)
			try(t, cut.Abort())
			try(t, sees.SetReadDeadline(time.Now().Add(patience)))
			if _, err := sees.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("it is read as %v", err)
			}
			if p := near.ended(); p.Result.How != outcome.Reset {
				t.Errorf("the pair ended as %v, %v", p.Result.How, p.Err)
			}
		})
	}
}

// The pairs of a relay share one connection to TO.
func TestQUICShared(t *testing.T) {
	l := listen(t, "quic:127.0.0.1:0"+first(layerOptions("quic")))
	r := relays(t, nil, "tcp-listen:127.0.0.1:0", addressOf(t, "quic:", l))
	at := r.address()
	var from socket.Name
	for i := range 5 {
		a := dial(t, at)
		b := accept(t, l)
		writes(t, b, "hola") // the server speaks first
		wants(t, a, "hola")
		if i > 0 && b.Peer() != from {
			t.Errorf("pair %d comes from %v, and the first came from %v", i, b.Peer(), from)
		}
		from = b.Peer()
	}
}

// A reset keeps its code from one connection to the other.
func TestQUICCode(t *testing.T) {
	l := listen(t, "quic:127.0.0.1:0"+first(layerOptions("quic")))
	r := relays(t, nil, "quic-listen:127.0.0.1:0"+first(layerOptions("quic")), addressOf(t, "quic:", l))
	a := dial(t, r.address())
	b := accept(t, l)
	writes(t, a, "x")
	wants(t, b, "x")
	try(t, b.Unwrap().(socket.CodeAborter).AbortCode(4711))
	_, err := a.Read(make([]byte, 1))
	var reset socket.CodedError
	if !errors.As(err, &reset) {
		t.Fatalf("it is read as %v", err)
	}
	if code, _ := reset.ResetCode(); code != 4711 {
		t.Errorf("the code is %d", code)
	}
}
