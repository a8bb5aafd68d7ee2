package quic_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	quicgo "github.com/quic-go/quic-go"

	"zocalo"
	"zocalo/address"
	"zocalo/layer/quic"
)

// An accepted connection without streams is idle, as a dialled one is, while the listener lives
// and after it: else a client that only acknowledges would keep it for ever.
func TestAcceptedConnectionIsIdle(t *testing.T) {
	for _, closed := range []bool{false, true} {
		l, err := zocalo.Listen(t.Context(), "quic:127.0.0.1:0")
		try(t, err)
		defer l.Close()
		c, err := bareClient(t, l.Addr(), nil, quic.Protocol)
		try(t, err)
		s, err := c.OpenStream()
		try(t, err)
		_, err = io.WriteString(s, "z")
		try(t, err)
		served, err := l.Accept(t.Context())
		try(t, err)
		if closed {
			try(t, l.Close())
		}
		quic.CloseIdle()
		try(t, s.Close())
		if _, err := io.ReadAll(served); err != nil {
			t.Fatalf("a connection with a stream was closed: %v", err)
		}
		try(t, served.Close())
		closeIdleUntil(t, c.Context())
		var end *quicgo.ApplicationError
		if err := context.Cause(c.Context()); !errors.As(err, &end) || !end.Remote || end.ErrorCode != 0 {
			t.Errorf("with the listener closed %v, it ended by %v", closed, err)
		}
	}
}

// closeIdleUntil closes idle connections until what waits for that ends.
func closeIdleUntil(t *testing.T, over context.Context) {
	t.Helper()
	for end := time.After(patience); ; {
		quic.CloseIdle()
		select {
		case <-over.Done():
			return
		case <-end:
			t.Fatal("the connection is not idle")
		case <-time.After(time.Millisecond):
		}
	}
}

// Who dials while an idle connection is being closed has another.
func TestDialWhileClosing(t *testing.T) {
	l := server(t, "quic:127.0.0.1:0", echo)
	a, err := address.Parse(l.Address())
	try(t, err)
	first := dialAddress(t, a)
	if got := converse(t, first, "hola"); got != "hola" {
		t.Errorf("%q came back", got)
	}
	try(t, first.Close())
	defer quic.BeginClosing(first)()
	second := dialAddress(t, a)
	if second.Name() == first.Name() {
		t.Error("the second stream is of a connection that is being closed")
	}
	if got := converse(t, second, "hola"); got != "hola" {
		t.Errorf("%q came back", got)
	}
}

// A connection without streams stays for a slow reader, however short its idle time is; and at the
// accepting side a little longer, where both have the same.
func TestLastsWithoutStreams(t *testing.T) {
	for options, want := range map[string]time.Duration{"": 30 * time.Second, ",idle-timeout=1s": 30 * time.Second, ",idle-timeout=50s": 50 * time.Second} {
		client, server := pair(t, options)
		if got := quic.Lasts(client); got != want {
			t.Errorf("with %q the dialled one stays for %v, want %v", options, got, want)
		}
		if got := quic.Lasts(server); got <= 30*time.Second {
			t.Errorf("the accepted one stays for %v", got)
		}
	}
}

// A timer that is late, since the connection has had a stream in the meantime, closes nothing: the time begins
// anew.
func TestLateTimer(t *testing.T) {
	l := server(t, "quic:127.0.0.1:0", echo)
	a, err := address.Parse(l.Address())
	try(t, err)
	first := dialAddress(t, a)
	converse(t, first, "hola")
	try(t, first.Close())
	late := quic.QuietTimes(first)
	second := dialAddress(t, a)
	converse(t, second, "hola")
	try(t, second.Close())
	if quic.QuietTimer(first, late) {
		t.Error("a late timer has closed the connection")
	}
	if !quic.QuietTimer(first, quic.QuietTimes(first)) {
		t.Error("the last timer has not closed the connection")
	}
}
