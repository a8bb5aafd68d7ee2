package replay_test

import (
	"context"
	"fmt"
	"io"
	"time"

	"zocalo"
	"zocalo/address"
	"zocalo/record/capture"
	"zocalo/record/replay"
	"zocalo/socket"
)

// A conversation is played to a server that answers otherwise than it did.
func ExampleRun() {
	conversation := &capture.Conversation{
		Number: 1, Kind: "tcp", Type: socket.Stream, Began: time.Now(),
		Events: []capture.Event{ // as capture.Read finds them in a file
			{At: 0, From: capture.Client, What: capture.Data, Data: []byte("what is the answer?")},
			{At: time.Millisecond, From: capture.Server, What: capture.Data, Data: []byte("it is 42, id=7\n")},
		},
	}

	server, _ := zocalo.Listen(context.Background(), "tcp:127.0.0.1:0")
	defer server.Close()
	go func() {
		for {
			c, err := server.Accept(context.Background())
			if err != nil {
				return
			}
			c.Read(make([]byte, 100))
			io.WriteString(c, "it is 43, id=9\n")
			c.CloseLingering()
		}
	}()

	to, _ := address.Parse("tcp:" + server.Name().String())
	number, _ := replay.ParsePattern(`id=\d+`)
	report := replay.Run(context.Background(), []*capture.Conversation{conversation}, to, replay.Options{
		Causal: true,
		Ignore: []*replay.Pattern{number},
	})
	fmt.Println(report.Differing, "of", report.Conversations, "differ")
	fmt.Println(report.First.Difference)
	fmt.Print(report.First.Difference.Dump())
	// Output:
	// 1 of 1 differ
	// answer 1 of the server, byte 7: what came differs
	// recorded                                 came
	// 000000 69 74 20 69 73 20 34 32 it is 42! 000000 69 74 20 69 73 20 34 33 it is 43
	// 000008 2c 20 69 64 3d 37 0a    , id=7. ! 000008 2c 20 69 64 3d 39 0a    , id=9.
}
