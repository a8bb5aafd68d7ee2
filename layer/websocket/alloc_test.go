package websocket_test

import (
	"bytes"
	"testing"

	"zocalo/socket"
)

// Neither writing nor reading a message allocates, of either role and sort, compressed or
// not.
func TestAllocs(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for name, at := range map[string][2]string{
		"ws": {"ws:127.0.0.1:0", ""}, "ws-stream": {"ws-stream:127.0.0.1:0", ""}, "deflate": {"ws:127.0.0.1:0,deflate", ",deflate"},
	} {
		t.Run(name, func(t *testing.T) {
			client, server := pair(t, at[0], at[1])
			data, b := bytes.Repeat([]byte("0123456789"), 100), make([]byte, 4096)
			pass := func(from, to *socket.Socket) {
				if _, err := from.Write(data); err != nil {
					t.Fatal(err)
				}
				try(t, to.WaitRead())
				if n, err := to.Read(b); err != nil || n != len(data) {
					t.Fatal(n, err)
				}
			}
			if n := testing.AllocsPerRun(1000, func() {
				pass(client, server)
				pass(server, client)
			}); n >= 1 {
				t.Errorf("%v allocations for a message there and back", n)
			}
		})
	}
}
