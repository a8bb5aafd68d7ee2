package websocket_test

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// With deflate, too, the longest message passes, whatever is in it; so does whatever is
// written to a stream.
func TestLongestDeflate(t *testing.T) {
	noise := make([]byte, 64<<10)
	rand.NewChaCha8([32]byte{}).Read(noise)
	for _, scheme := range []string{"ws", "ws-stream"} {
		for name, data := range map[string][]byte{"noise": noise, "zeros": make([]byte, len(noise))} {
			t.Run(scheme+" "+name, func(t *testing.T) {
				bound := ",deflate,max-message=64KiB"
				if scheme == "ws-stream" {
					bound = ",deflate,max-message=1000"
				}
				client, server := pair(t, scheme+":127.0.0.1:0"+bound, bound)
				wrote := make(chan error, 1)
				go func() {
					_, err := client.Write(data)
					wrote <- err
				}()
				got := make([]byte, 0, len(data))
				for len(got) < len(data) {
					n, err := server.Read(got[len(got):cap(got)])
					if err != nil {
						t.Fatalf("after %d bytes: %v", len(got), err)
					}
					got = got[:len(got)+n]
				}
				try(t, <-wrote)
				if !bytes.Equal(got, data) {
					t.Error("something else came")
				}
			})
		}
	}
}
