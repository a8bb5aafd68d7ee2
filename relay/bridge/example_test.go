package bridge_test

import (
	"context"
	"fmt"
	"io"

	"zocalo"
	"zocalo/address"
	"zocalo/relay"
	"zocalo/relay/bridge"
	"zocalo/socket"
)

// A server that listens on TCP is reached over a unix socket.
func ExampleBridge() {
	server, _ := zocalo.Listen(context.Background(), "tcp:127.0.0.1:0")
	defer server.Close()
	go func() {
		c, err := server.Accept(context.Background())
		if err != nil {
			return
		}
		io.Copy(c, c)
		c.Close()
	}()

	from, _ := address.Parse("unix-listen:@bridge-example,once")
	to, _ := address.Parse("tcp:" + server.Name().String())
	listening, ended := make(chan string), make(chan bridge.Pair, 1)
	b := &bridge.Bridge{
		From: from, To: []address.Address{to},
		OnListening: func(l *zocalo.Listener, _ address.Address) error {
			listening <- "unix:" + l.Name().String()
			return nil
		},
		OnEnd: func(p bridge.Pair) { ended <- p },
	}
	done := make(chan error)
	go func() { done <- b.Run(context.Background()) }()

	client, _ := zocalo.Dial(context.Background(), <-listening)
	io.WriteString(client, "hola")
	client.Shutdown(socket.Write)
	answer, _ := io.ReadAll(client)
	client.Close()
	p := <-ended
	fmt.Printf("%s, %v: %d octets there, %d back\n", answer, p.Result.How, p.Result.From[relay.A].Octets, p.Result.From[relay.B].Octets)
	fmt.Println(<-done)
	// Output:
	// hola, finished: 4 octets there, 4 back
	// <nil>
}

func ExamplePairError() {
	from, _ := address.Parse("tcp-listen:8080")
	to, _ := address.Parse("unix-seqpacket:/run/app.sock")
	b := &bridge.Bridge{From: from, To: []address.Address{to}}
	fmt.Println(b.Run(context.Background()))
	// Output:
	// relay tcp-listen:8080 unix-seqpacket:/run/app.sock: tcp carries octets and unix-seqpacket messages: add frame=FORMAT to tcp-listen:8080, as frame=lines or frame=len32, or frame=chunk:64KiB for no agreement at all
}
