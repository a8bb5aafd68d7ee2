package socket_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/netip"
	"syscall"

	"zocalo/socket"
	"zocalo/socket/option"
)

// Many datagrams go and come by few system calls. Those of one size to one peer leave as
// a train, which the system cuts, as long as Offloads says so.
func ExampleSocket_SendBatch() {
	open := func() *socket.Socket {
		s := must(socket.New(socket.Inet, socket.Datagram, 0))
		if err := s.Bind(socket.InetName(netip.MustParseAddrPort("127.0.0.1:0"))); err != nil {
			log.Fatal(err)
		}
		return s
	}
	from, to := open(), open()
	defer from.Close()
	defer to.Close()

	out := make([]socket.Message, 5)
	for i := range out {
		out[i].SetData(fmt.Appendf(nil, "datagram %d", i))
		out[i].Peer = to.Name()
	}
	if _, err := from.SendBatch(out); err != nil {
		log.Fatal(err)
	}

	in := make([]socket.Message, 64) // used again and again, as their memory is
	for i := range in {
		in[i].SetData(make([]byte, 1500))
	}
	for got := 0; got < len(out); {
		n, err := to.ReceiveBatch(in)
		if err != nil {
			log.Fatal(err)
		}
		for _, m := range in[:n] {
			fmt.Printf("%s\n", m.Bytes())
		}
		got += n
	}
	// Output:
	// datagram 0
	// datagram 1
	// datagram 2
	// datagram 3
	// datagram 4
}

// With UDPGRO the system joins what comes to trains too, which one Receive takes: its
// Segments are the datagrams.
func ExampleMessage_Segments() {
	from, to := must(socket.New(socket.Inet, socket.Datagram, 0)), must(socket.New(socket.Inet, socket.Datagram, 0))
	defer from.Close()
	defer to.Close()
	if err := to.Bind(socket.InetName(netip.MustParseAddrPort("127.0.0.1:0"))); err != nil {
		log.Fatal(err)
	}
	if err := option.UDPGRO.Set(to, true); err != nil {
		log.Fatal(err)
	}
	if err := from.Connect(context.Background(), to.Name()); err != nil {
		log.Fatal(err)
	}
	out := socket.Message{SegmentSize: 5}
	out.SetData([]byte("one  two  three"))
	if _, err := from.Send(&out); err != nil {
		log.Fatal(err)
	}

	var in socket.Message
	in.SetData(make([]byte, 1<<16)) // a train is as long as a message can be
	for got := 0; got < 3; {
		if err := to.Receive(&in); err != nil {
			log.Fatal(err)
		}
		for datagram := range in.Segments() {
			fmt.Printf("%q\n", datagram)
			got++
		}
	}
	// Output:
	// "one  "
	// "two  "
	// "three"
}

// A socket that somebody else has opened becomes one of this package by its descriptor,
// and may leave it so again.
func ExampleFromFD() {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET, 0)
	if err != nil {
		log.Fatal(err)
	}
	a, b := must(socket.FromFD(fds[0])), must(socket.FromFD(fds[1]))
	defer b.Close()
	fmt.Println(a.Kind())

	fd := must(a.Detach()) // and a is closed, without an end for b
	if _, err := a.Write([]byte("hola")); err != nil {
		fmt.Println(err)
	}
	a = must(socket.FromFD(fd))
	defer a.Close()
	if _, err := a.Write([]byte("hola")); err != nil {
		log.Fatal(err)
	}
	in := make([]byte, 100)
	fmt.Printf("%s\n", in[:must(b.Read(in))])
	// Output:
	// unix-seqpacket
	// write unix-seqpacket: use of closed network connection
	// hola
}

// What became of a datagram tells the queue of errors: who refused it, and which peer it
// was for.
func ExampleSocket_ReceiveError() {
	gone := must(socket.New(socket.Inet, socket.Datagram, 0))
	if err := gone.Bind(socket.InetName(netip.MustParseAddrPort("127.0.0.1:0"))); err != nil {
		log.Fatal(err)
	}
	nobody := gone.Name()
	gone.Close()

	s := must(socket.New(socket.Inet, socket.Datagram, 0))
	defer s.Close()
	if err := option.ReceiveErrors.Set(s, true); err != nil {
		log.Fatal(err)
	}
	var out, in socket.Message
	out.SetData([]byte("hola"))
	out.Peer = nobody
	if _, err := s.Send(&out); err != nil {
		log.Fatal(err)
	}
	in.SetData(make([]byte, 1500))
	if err := s.ReceiveError(&in); err != nil {
		log.Fatal(err)
	}
	refusal := &in.Ancillary.Error
	fmt.Printf("%s to the peer: %v, says %v by ICMP type %d, code %d\n",
		in.Bytes(), errors.Is(refusal, syscall.ECONNREFUSED), refusal.Offender.AddrPort().Addr(), refusal.Type, refusal.Code)
	fmt.Println(in.Peer == nobody)
	// Output:
	// hola to the peer: true, says 127.0.0.1 by ICMP type 3, code 3
	// true
}
