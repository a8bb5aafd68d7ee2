package socket_test

import (
	"fmt"
	"io"
	"net"

	"zocalo/socket"
	"zocalo/socket/option"
)

// A connection that another library has made gets what package net does not have.
func ExampleFromConn() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	s, err := socket.FromConn(c)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	info, err := option.ConnectionInfo.Get(s)
	fmt.Println(s.Kind(), info.State, err)
	// Output: tcp ESTABLISHED <nil>
}

// Bytes without boundaries over a socket of messages.
func ExampleStreamOver() {
	a, b, err := socket.Pair(socket.Unix, socket.SeqPacket, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	out, err := socket.StreamOver(a)
	if err != nil {
		fmt.Println(err)
		return
	}
	in, err := socket.StreamOver(b)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer in.Close()
	fmt.Fprint(out, "Hello ")
	fmt.Fprint(out, "world!")
	out.Close()
	text, err := io.ReadAll(in)
	fmt.Printf("%s %v\n", text, err)
	// Output: Hello world! <nil>
}
