package zocalo_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"sync"

	"zocalo"
)

// An echo server and a client of it. With another address, such as
// "unix:/run/echo.sock" or "mptcp:localhost:5346", nothing else would change.
func Example() {
	ctx := context.Background()

	// Port 0 lets the system choose; the lecture's is 5346.
	l, err := zocalo.Listen(ctx, "tcp:127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	var server sync.WaitGroup
	server.Go(func() {
		for {
			conn, err := l.Accept(ctx)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				log.Fatal(err)
			}
			server.Go(func() {
				defer conn.Close()
				io.Copy(conn, conn)
			})
		}
	})

	s, err := zocalo.Dial(ctx, fmt.Sprintf("tcp:%v,nodelay", l.Name()))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Fprint(s, "Hello world!")
	s.CloseWrite() // the server reads end-of-file, and ends too
	answer, err := io.ReadAll(s)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("Received: %s\n", answer)
	s.Close()

	l.Close()
	server.Wait()
	// Output: Received: Hello world!
}

// An address of which nothing answers.
func ExampleNamesError() {
	_, err := zocalo.Dial(context.Background(), "unix:/nonexistent/echo.sock")
	fmt.Println(err)
	// Output: unix:/nonexistent/echo.sock: no such file or directory: there is no such socket: start the server, or check the path
}
