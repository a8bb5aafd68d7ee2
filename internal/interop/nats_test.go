package interop

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"zocalo/relay/join"
	"zocalo/socket"
)

// natsDialer dials for nats.go, which knows no contexts.
type natsDialer struct{ *carrier }

func (d natsDialer) Dial(_, _ string) (net.Conn, error) { return d.dial(context.Background()) }

// A client of nats.go reaches an embedded nats-server over each kind. The server takes
// connections by a pipe within the process alone, so that each is joined to one.
func TestNATS(t *testing.T) {
	overCarriers(t, func(t *testing.T, c *carrier) {
		server, err := natsserver.NewServer(&natsserver.Options{DontListen: true, NoLog: true, NoSigs: true})
		if err != nil {
			t.Fatal(err)
		}
		server.Start()
		var open sync.WaitGroup
		defer open.Wait()
		defer server.WaitForShutdown()
		defer server.Shutdown()
		open.Go(func() {
			for {
				conn, err := c.Accept()
				if err != nil {
					return
				}
				pipe, err := server.InProcessConn()
				if err != nil {
					t.Error(err)
					conn.Close()
					return
				}
				inside, err := socket.FromConn(pipe)
				if err != nil {
					t.Error(err)
				}
				open.Go(func() {
					join.Join(context.Background(), join.End{Socket: conn.(*socket.Socket)}, join.End{Socket: inside}, join.Options{})
				})
			}
		})
		defer c.Close()

		connect := func() *nats.Conn {
			nc, err := nats.Connect("nats://server", nats.SetCustomDialer(natsDialer{c}), nats.SkipHostLookup(), nats.NoReconnect(), nats.Timeout(time.Minute))
			if err != nil {
				t.Fatal(err)
			}
			return nc
		}
		answers := connect()
		defer answers.Close()
		if _, err := answers.Subscribe("greet.*", func(m *nats.Msg) { m.Respond(append([]byte("Hello, "), m.Data...)) }); err != nil {
			t.Fatal(err)
		}
		if err := answers.Flush(); err != nil {
			t.Fatal(err)
		}
		asks := connect()
		defer asks.Close()
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				for j := range 100 {
					name := fmt.Sprintf("%d.%d", i, j)
					ctx, stop := context.WithTimeout(t.Context(), time.Minute)
					m, err := asks.RequestWithContext(ctx, "greet."+fmt.Sprint(i), []byte(name))
					stop()
					if err != nil || string(m.Data) != "Hello, "+name {
						t.Errorf("greeting %s: %v", name, err)
						return
					}
				}
			})
		}
		all.Wait()
	})
}
