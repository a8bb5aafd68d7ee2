package join_test

import (
	"context"
	"errors"
	"fmt"
	"io"

	"zocalo/frame"
	"zocalo/relay/join"
	"zocalo/socket"
)

// A client of a stream, and a server of messages. Each line of the one is a
// message of the other.
func ExampleJoin() {
	client, a, _ := socket.Pair(socket.Unix, socket.Stream, 0)
	server, b, _ := socket.Pair(socket.Unix, socket.SeqPacket, 0)
	defer client.Close()

	go func() {
		defer server.Close()
		message := make([]byte, 1024)
		for {
			n, err := server.Read(message)
			if err != nil {
				return
			}
			fmt.Fprintf(server, "%d bytes", n)
		}
	}()
	go func() {
		io.WriteString(client, "hola\n\nmundo entero\n")
		client.CloseWrite()
	}()

	result, err := join.Join(context.Background(),
		join.End{Socket: a, Format: frame.Format{Kind: frame.Lines}},
		join.End{Socket: b},
		join.Options{})
	answer, _ := io.ReadAll(client)
	fmt.Printf("%s%v, %d messages, %v\n", answer, result.How, result.From[0].Messages, err)
	// Output:
	// 4 bytes
	// 0 bytes
	// 12 bytes
	// finished, 3 messages, <nil>
}

func ExampleNeedsFormatError() {
	a, client, _ := socket.Pair(socket.Unix, socket.Stream, 0)
	b, server, _ := socket.Pair(socket.Unix, socket.Datagram, 0)
	defer client.Close()
	defer server.Close()
	_, err := join.Join(context.Background(), join.End{Socket: a}, join.End{Socket: b}, join.Options{})
	var needs *join.NeedsFormatError
	fmt.Println(errors.As(err, &needs), needs.Side)
	fmt.Println(err)
	// Output:
	// true A
	// relay: end A (unix) carries bytes and end B (unix-dgram) carries messages: say where a message ends on A, such as frame=lines or frame=len32, or frame=chunk:64KiB if the two sides have agreed on nothing
}
