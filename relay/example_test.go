package relay_test

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"zocalo"
	"zocalo/address"
	"zocalo/relay"
	"zocalo/socket"
)

// A server that listens on TCP is reached over a unix socket.
func ExampleRelay() {
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

	from, _ := address.Parse("unix-listen:@relay-example,once")
	to, _ := address.Parse("tcp:" + server.Name().String())
	listening, ended := make(chan string), make(chan relay.Pair, 1)
	b := &relay.Relay{Config: relay.Config{From: from, To: []address.Address{to}, Hooks: relay.Hooks{
		Listening: func(l *zocalo.Listener, _ address.Address) error {
			listening <- "unix:" + l.Name().String()
			return nil
		},
		Ended: func(p relay.Pair) { ended <- p },
	}}}
	done := make(chan error)
	go func() { done <- b.Run(context.Background()) }()

	client, _ := zocalo.Dial(context.Background(), <-listening)
	io.WriteString(client, "hola")
	client.Shutdown(socket.ShutdownWrite)
	answer, _ := io.ReadAll(client)
	client.Close()
	p := <-ended
	fmt.Printf("%s, %v: %d bytes there, %d back\n", answer, p.Result.How, p.Result.From[relay.A].Bytes, p.Result.From[relay.B].Bytes)
	fmt.Println(<-done)
	// Output:
	// hola, finished: 4 bytes there, 4 back
	// <nil>
}

// echoes answers each connection with what it says, until l is closed.
func echoes(l *zocalo.Listener) {
	for {
		c, err := l.Accept(context.Background())
		if err != nil {
			return
		}
		go func() {
			io.Copy(c, c)
			c.Close()
		}()
	}
}

// ask says hola to an address, and returns the answer.
func ask(address string) string {
	c, err := zocalo.Dial(context.Background(), address)
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	io.WriteString(c, "hola")
	c.Shutdown(socket.ShutdownWrite)
	answer, _ := io.ReadAll(c)
	return string(answer)
}

// A program that has a listener, and its own way to reach what is behind it, gives both
// to the relay as they are.
func ExampleHooks_reach() {
	ctx, stop := context.WithCancel(context.Background())
	server, _ := zocalo.Listen(ctx, "tcp:127.0.0.1:0")
	defer server.Close()
	go echoes(server)

	ended := make(chan relay.Pair, 1)
	l, _ := zocalo.Listen(ctx, "unix:@relay-reach")
	r := &relay.Relay{Config: relay.Config{Listener: l, Hooks: relay.Hooks{
		Reach: func(ctx context.Context, p *relay.Peer) (*socket.Socket, string, error) {
			s, err := zocalo.Dial(ctx, "tcp:"+server.Name().String())
			return s, "the server", err
		},
		Ended: func(p relay.Pair) { ended <- p },
	}}}
	done := make(chan error)
	go func() { done <- r.Run(ctx) }()
	fmt.Println(ask("unix:@relay-reach"))
	p := <-ended
	fmt.Printf("pair %d with %s: %v\n", p.Number, p.Target, p.Result.How)
	stop()
	fmt.Println(<-done)
	// Output:
	// hola
	// pair 1 with the server: finished
	// <nil>
}

// A Filter stands in the way of what comes from one side, and changes it.
func ExampleHooks_filter() {
	ctx, stop := context.WithCancel(context.Background())
	server, _ := zocalo.Listen(ctx, "tcp:127.0.0.1:0")
	defer server.Close()
	go echoes(server)

	l, _ := zocalo.Listen(ctx, "unix:@relay-filter")
	to, _ := address.Parse("tcp:" + server.Name().String())
	r := &relay.Relay{Config: relay.Config{Listener: l, To: []address.Address{to}, Hooks: relay.Hooks{
		Filter: func(_ context.Context, _ relay.Pair, from relay.Side, next func(relay.Piece) error) relay.Filter {
			if from == relay.B {
				return nil // what the server sends passes as it comes
			}
			return upper(next)
		},
	}}}
	done := make(chan error)
	go func() { done <- r.Run(ctx) }()
	fmt.Println(ask("unix:@relay-filter"))
	fmt.Println(r.Engine())
	stop()
	<-done
	// Output:
	// HOLA
	// join the fast path does not show what passes (--dump, --dump-hex, --record, --fault)
}

// upper is a filter that writes all in capitals.
type upper func(relay.Piece) error

func (u upper) Pass(p relay.Piece) error {
	p.Data = bytes.ToUpper(p.Data)
	return u(p)
}

func (upper) End(error) {} // nothing is held that could still pass

// A relay is given other addresses to reach, and other limits, while it runs. Pairs that
// are open go on.
func Example_change() {
	ctx, stop := context.WithCancel(context.Background())
	server, _ := zocalo.Listen(ctx, "tcp:127.0.0.1:0")
	defer server.Close()
	go echoes(server)
	nobody, _ := address.Parse("unix:@relay-nobody")
	to, _ := address.Parse("tcp:" + server.Name().String())

	l, _ := zocalo.Listen(ctx, "unix:@relay-change")
	r := &relay.Relay{Config: relay.Config{Listener: l, To: []address.Address{nobody}}}
	done := make(chan error)
	go func() { done <- r.Run(ctx) }()
	fmt.Printf("%q\n", ask("unix:@relay-change")) // which reaches nobody

	if err := r.SetTo(to); err != nil {
		fmt.Println(err)
	}
	limits := r.Now().Limits
	limits.Rate = 1 << 20
	if err := r.SetLimits(limits); err != nil {
		fmt.Println(err)
	}
	fmt.Printf("%q\n", ask("unix:@relay-change"))

	// What the engine that runs cannot do is refused.
	pipe, _ := address.Parse("unix-seqpacket:@relay-messages")
	fmt.Println(r.SetTo(pipe) != nil)
	stop()
	<-done
	// Output:
	// ""
	// "hola"
	// true
}

func ExamplePairError() {
	from, _ := address.Parse("tcp-listen:8080")
	to, _ := address.Parse("unix-seqpacket:/run/app.sock")
	b := &relay.Relay{Config: relay.Config{From: from, To: []address.Address{to}}}
	fmt.Println(b.Run(context.Background()))
	// Output:
	// relay tcp-listen:8080 unix-seqpacket:/run/app.sock: tcp carries bytes and unix-seqpacket messages: add frame=FORMAT to tcp-listen:8080, such as frame=lines or frame=len32, or frame=chunk:64KiB if the two sides have agreed on nothing
}
