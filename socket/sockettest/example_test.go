package sockettest_test

import (
	"context"
	"fmt"

	"zocalo/socket"
	"zocalo/socket/sockettest"
)

// A server and a client in memory: the calls are those of any domain.
func ExampleMemoryName() {
	sockettest.RegisterMemory()
	ctx := context.Background()
	name, _ := sockettest.MemoryName("echo")

	server, _ := socket.New(sockettest.Memory, socket.Stream, 0)
	defer server.Close()
	server.Bind(name)
	server.Listen(5)

	client, _ := socket.New(sockettest.Memory, socket.Stream, 0)
	defer client.Close()
	if err := client.Connect(ctx, name); err != nil {
		fmt.Println(err)
		return
	}
	client.Write([]byte("hola"))

	c, _ := server.Accept(ctx)
	defer c.Close()
	b := make([]byte, 100)
	n, _ := c.Read(b)
	fmt.Printf("%s at %v\n", b[:n], c.Name())
	// Output: hola at echo
}

func ExampleFaulty() {
	sockettest.RegisterMemory()
	a, b, _ := socket.Pair(sockettest.Memory, socket.SeqPacket, 0)
	defer b.Close()

	a = sockettest.Faulty(a, sockettest.Lose, 2)
	for i := range 4 {
		fmt.Fprint(a, i)
	}
	a.Close()

	buf := make([]byte, 10)
	for {
		n, err := b.Read(buf)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s ", buf[:n])
	}
	// Output: 0 2 EOF
}
