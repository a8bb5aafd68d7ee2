package xns_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"zocalo"
	"zocalo/socket"
	"zocalo/xns"
)

// A listener on host 1 of a network in memory, and a client on another host
// of it.
func Example() {
	ctx := context.Background()
	l, err := zocalo.Listen(ctx, "spp-listen:0#1#5346,link=memory:example")
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	c, err := zocalo.Dial(ctx, "spp:"+l.Name().String()+",link=memory:example")
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	s, err := l.Accept(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	m := socket.Message{Buffers: [][]byte{[]byte("a message")}}
	xns.SetDatastream(&m, 7)
	if _, err := c.Send(&m); err != nil {
		log.Fatal(err)
	}
	m.SetData(make([]byte, 100))
	m.Flags = 0
	if err := s.Receive(&m); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%v: %q, datastream %d\n", l.Name(), m.Buffers[0][:m.N], xns.DatastreamOf(&m))
	// Output: 0#1#5346: "a message", datastream 7
}

func ExampleParseAddr() {
	for _, text := range []string{"2-273#2-852-151-014#5", "41a#2.60.8c.12.34.56#14e2h", "##5346"} {
		a, err := xns.ParseAddr(text)
		fmt.Println(a, err)
	}
	// Output:
	// 8E1#AA005EE6#5 <nil>
	// 41A#2608C123456#5346 <nil>
	// 0#0#5346 <nil>
}

// Round trips to another host on a network in memory, and what it serves.
func ExamplePing() {
	ctx := context.Background()
	var network xns.Segment
	near, _ := network.Attach(xns.HostID{2, 0, 0, 0, 0, 1})
	far, _ := network.Attach(xns.HostID{2, 0, 0, 0, 0, 2})
	one, two := xns.NewHost(near), xns.NewHost(far)
	defer one.Close()
	defer two.Close()
	two.Respond(xns.SocketTime, xns.AnswerTime)

	s, err := one.Socket(socket.Datagram)
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	if err := s.Connect(ctx, xns.Addr{Host: two.ID(), Socket: xns.SocketEcho}.Name()); err != nil {
		log.Fatal(err)
	}
	err = xns.Ping{Count: 2, Interval: time.Millisecond}.Run(ctx, s, func(e xns.PingEvent) { fmt.Println(e.Number, e.From, e.Lost) })
	fmt.Println(err)
	stations, err := one.Survey(ctx, 100*time.Millisecond)
	for _, s := range stations {
		fmt.Println(s.Host, "answers Echo:", s.Echo > 0, "serves the time:", s.Time)
	}
	fmt.Println(err)
	// Output:
	// 1 0#20000000002H#2 false
	// 2 0#20000000002H#2 false
	// <nil>
	// 20000000002H answers Echo: true serves the time: true
	// <nil>
}
