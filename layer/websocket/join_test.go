package websocket_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"zocalo/frame"
	"zocalo/relay/join"
	"zocalo/relay/outcome"
	"zocalo/socket"
)

// Messages that come together are passed on as they would be one by one: what the other end refuses is
// counted, and those around it arrive.
func TestJoinTogether(t *testing.T) {
	lines, err := frame.Parse("lines")
	try(t, err)
	for name, c := range map[string]struct {
		to     func(t *testing.T) (near, far *socket.Socket)
		format frame.Format
		bad    string
	}{
		"to ws":    {func(t *testing.T) (_, _ *socket.Socket) { return pair(t, "ws:127.0.0.1:0", ",type=text") }, frame.Format{}, "\xff"},
		"to lines": {unixPair, lines, "two\nlines"},
	} {
		t.Run(name, func(t *testing.T) {
			client, server := pair(t, "ws:127.0.0.1:0", "")
			near, far := c.to(t)
			var refused error
			var progress join.Progress
			o := join.Options{Progress: &progress, OnRefused: func(_ outcome.Side, err error) { refused = errors.Join(refused, err) }}
			var sent [][]byte
			want := ""
			for i := range 1000 {
				m := strings.Repeat("m", i%7)
				if i%10 == 3 {
					m = c.bad
				} else {
					want += m + "\n"
				}
				sent = append(sent, []byte(m))
			}
			n, err := client.WriteMessages(sent)
			if n != len(sent) || err != nil {
				t.Fatalf("WriteMessages = %d, %v", n, err)
			}
			try(t, client.CloseWrite())
			result := make(chan outcome.Result, 1)
			go func() {
				r, err := join.Join(context.Background(), join.End{Socket: server}, join.End{Socket: near, Format: c.format}, o)
				if err != nil {
					t.Error(err)
				}
				result <- r
			}()
			got := ""
			b := make([]byte, 4096)
			for {
				n, err := far.Read(b)
				if err == io.EOF {
					break
				}
				try(t, err)
				if got += string(b[:n]); c.format.Kind == 0 {
					got += "\n"
				}
			}
			if got != want {
				t.Errorf("%d bytes arrived; want %d", len(got), len(want))
			}
			try(t, far.Close())
			r := <-result
			if f := r.From[outcome.A]; f.Messages != 900 || f.Refused != 100 || int(f.Bytes) != len(want)-900 || !errors.Is(refused, frame.ErrRefused) {
				t.Errorf("%+v, %v", f, refused)
			}
			if bytes, messages := progress.From(outcome.A); bytes != r.From[outcome.A].Bytes || messages != 900 {
				t.Errorf("%d bytes in %d messages were told", bytes, messages)
			}
		})
	}
}

func unixPair(t *testing.T) (near, far *socket.Socket) {
	near, far, err := socket.Pair(socket.Unix, socket.Stream, 0)
	try(t, err)
	t.Cleanup(func() { near.Close(); far.Close() })
	try(t, far.SetDeadline(time.Now().Add(patience)))
	return near, far
}
