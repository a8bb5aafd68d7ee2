package serve_test

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"testing"
	"time"

	"zocalo/serve"
	"zocalo/socket"
)

// At the bound a program waits for another to end.
func TestMaxProcs(t *testing.T) {
	var j journal
	l, _ := served(t, &serve.Program{Command: sh("echo in; read x"), MaxProcs: 1, Log: j.Logger()}, tcp)
	first := dial(t, l)
	b := make([]byte, 3)
	if _, err := io.ReadFull(first, b); err != nil {
		t.Fatal(err)
	}
	second := dial(t, l)
	second.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if n, err := second.Read(b); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the second program began: %q, %v", b[:n], err)
	}
	second.SetReadDeadline(time.Time{})
	first.Close()
	if _, err := io.ReadFull(second, b); err != nil {
		t.Error(err)
	}
}

// The place of a program that has ended is free, though its connection lingers or its
// last words are not read yet.
func TestMaxProcsWhileLingering(t *testing.T) {
	for name, p := range map[string]*serve.Program{
		"on the socket": {Command: sh("echo in")},
		"copied":        {Command: sh("echo in"), Terminal: true},
	} {
		t.Run(name, func(t *testing.T) {
			var j journal
			p.MaxProcs, p.Log = 1, j.Logger()
			l := bound(t, tcp)
			serves := func() (client *socket.Socket, over chan struct{}) {
				client = dial(t, l)
				c, err := l.Accept(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				over = make(chan struct{})
				go func() {
					defer close(over)
					if err := p.Serve(context.Background(), c); err != nil {
						t.Error(err)
					}
				}()
				t.Cleanup(func() { client.Close(); <-over })
				return client, over
			}
			first, over := serves()
			if out, err := io.ReadAll(first); err != nil {
				t.Fatalf("%q, %v", out, err)
			}
			var talks sync.WaitGroup // it goes on, which makes it linger
			defer talks.Wait()
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			talks.Go(func() {
				for ctx.Err() == nil {
					if _, err := first.Write([]byte("more")); err != nil {
						return
					}
					time.Sleep(10 * time.Millisecond)
				}
			})
			second, _ := serves()
			if _, err := io.ReadFull(second, make([]byte, 3)); err != nil {
				t.Error(err)
			}
			select {
			case <-over:
				t.Error("the second program began only when the first connection was over")
			default:
			}
		})
	}
}
