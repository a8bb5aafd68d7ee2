package iperf3

import (
	"context"
	"encoding/json"
	"net"
	"testing"
	"time"

	"zocalo"
	"zocalo/bench"
	"zocalo/socket"
	"zocalo/socket/option"
)

// The kernel is told to keep flows to the rate that the client says for it.
func TestPacingRate(t *testing.T) {
	p := assumed()
	if err := json.Unmarshal([]byte(`{"tcp":true,"reverse":true,"len":1000,"fqrate":20000000}`), &p); err != nil {
		t.Fatal(err)
	}
	test, refused := p.test()
	if refused != nil {
		t.Fatal(refused)
	}
	s, err := socket.New(socket.Inet, socket.Stream, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if refused := test.prepare(s); refused != nil {
		t.Fatal(refused)
	}
	if got, err := option.MaxPacingRate.Get(s); err != nil || got != 2500000 {
		t.Errorf("%d bytes a second, %v", got, err)
	}
}

// Flows of datagrams keep to the interface of the control connection, at both
// ends.
func TestDatagramsKeepToDevice(t *testing.T) {
	l, err := zocalo.Listen(t.Context(), "tcp:127.0.0.1:0,device=lo")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	near, err := zocalo.Dial(t.Context(), "tcp:"+l.Name().String()+",device=lo")
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	far, err := l.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	test := Test{UDP: true}
	test.complete(0)
	n := &session{control: control{far, patience}}
	door, err := n.door(&test)
	if err != nil {
		t.Fatal(err)
	}
	defer door.Close()
	door.SetDeadline(time.Now().Add(patience))
	go func() {
		var m socket.Message
		m.SetData(make([]byte, 64))
		if door.Receive(&m) == nil && door.Connect(context.Background(), m.Peer) == nil {
			door.Write(opened[:])
		}
	}()
	a := &attempt{control: control{near, patience}, client: &Client{}, test: test}
	flow, err := a.openFlow(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer flow.Close()
	for end, s := range map[string]*socket.Socket{"server": door, "client": flow} {
		if device, err := option.Device.Get(s); err != nil || device != "lo" {
			t.Errorf("%s: device %q, %v", end, device, err)
		}
	}
}

// Datagrams that come from another address than the client's, as behind a
// gateway with several, are of its test.
func TestDatagramsFromElsewhere(t *testing.T) {
	n, told := serveOn(t, &Server{}, "tcp:127.0.0.1:0")
	p := strangerOn(t, n)
	c := newCookie()
	p.write(t, c[:])
	p.state(t, paramExchange)
	p.json(t, `{"udp":true,"parallel":2,"len":1000,"time":1}`)
	p.state(t, createStreams)
	for range 2 {
		u, err := net.DialUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 2)}, net.UDPAddrFromAddrPort(n.AddrPort()))
		if err != nil {
			t.Fatal(err)
		}
		defer u.Close()
		u.SetDeadline(time.Now().Add(patience))
		if _, err := u.Write(knocking[:]); err != nil {
			t.Fatal(err)
		}
		if _, err := u.Read(make([]byte, 64)); err != nil {
			t.Fatalf("no answer to where the datagram came from: %v", err)
		}
	}
	p.state(t, testStart)
	p.s.Close()
	next(t, told)
}

// A test whose last datagrams are lost ends, with what there was.
func TestLastDatagramsLost(t *testing.T) {
	l, err := zocalo.Listen(t.Context(), "tcp:127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	const size = 1000
	go func() { // a server that sends 7 of 10 datagrams
		s, err := l.Accept(context.Background())
		if err != nil {
			return
		}
		defer s.Close()
		n := &session{control: control{s, patience}}
		var c cookie
		s.Read(c[:])
		n.send(paramExchange)
		var asked parameters
		n.receiveJSON(&asked, mostParameters, "the parameters")
		test := Test{UDP: true, Size: size}
		door, err := n.door(&test)
		if err != nil {
			return
		}
		defer door.Close()
		n.send(createStreams)
		var m socket.Message
		m.SetData(make([]byte, 64))
		door.Receive(&m)
		door.Connect(context.Background(), m.Peer)
		door.Write(opened[:])
		n.send(testStart)
		n.send(testRunning)
		b := make([]byte, size)
		for i := range int64(7) {
			test.seal(b, time.Now(), i+1)
			door.Write(b)
		}
		n.expect(testEnd)
		n.send(exchangeResults)
		var theirs results
		n.receiveJSON(&theirs, mostResults, "the results")
		n.sendJSON(&results{Streams: []stream{{ID: 1, Bytes: 10 * size}}}, "the results")
		n.send(displayResults)
		n.state()
	}()
	c := &Client{Address: parsed("tcp:" + l.Name().String()), Test: Test{UDP: true, Direction: bench.Reverse, Bytes: 10 * size, Size: size}}
	r, err := c.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Near.Received(); got.Bytes != 7*size || got.Messages != 7 || r.Far == nil || r.Elapsed >= leastQuiet {
		t.Errorf("%+v in %v, far %+v", got, r.Elapsed, r.Far)
	}
}

// All that was sent is in an interval, however short the last one is.
func TestIntervalsHaveAll(t *testing.T) {
	n, _ := serveOn(t, &Server{}, "tcp:127.0.0.1:0")
	c := &Client{Address: parsed("tcp:" + n.String()), Test: Test{Bytes: 100000, Size: 1000, Interval: time.Minute}}
	r, err := c.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var sum int64
	for _, i := range r.Intervals {
		sum += i.Traffic.Bytes
	}
	if sum != r.Near.Sent().Bytes || sum != 100000 {
		t.Errorf("%d bytes in intervals, %d sent", sum, r.Near.Sent().Bytes)
	}
}
