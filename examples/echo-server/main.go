// Echo-server is the lecture's server: it waits for one client, says who it is,
// and sends back what it reads until the client ends.
//
//	echo-server [PORT]
//
// The port is 5346; 0 lets the system choose, which the line on standard error
// tells. It uses package socket alone, in the order of the lecture's calls.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/netip"
	"os"
	"strconv"

	"zocalo/socket"
	"zocalo/socket/option"
)

var (
	host = netip.MustParseAddr("127.0.0.1")
	port = uint16(5346)
)

func main() {
	log.SetFlags(0)
	if len(os.Args) > 1 {
		n, err := strconv.ParseUint(os.Args[1], 10, 16)
		if err != nil {
			log.Fatalf("echo-server: %q is no port: give a number from 0 to 65535", os.Args[1])
		}
		port = uint16(n)
	}
	if err := serve(); err != nil {
		log.Fatalf("echo-server: %v", err)
	}
}

func serve() error {
	s, err := socket.New(socket.Inet, socket.Stream, 0)
	if err != nil {
		return err
	}
	defer s.Close()
	// The port may be had again at once after the last server's end.
	if err := option.ReuseAddress.Set(s, true); err != nil {
		return err
	}
	if err := s.Bind(socket.InetName(netip.AddrPortFrom(host, port))); err != nil {
		return err
	}
	if err := s.Listen(0); err != nil {
		return err
	}
	log.Printf("Listening on %v", s.Name())

	conn, err := s.Accept(context.Background())
	if err != nil {
		return err
	}
	defer conn.Close()
	peer := conn.Peer().AddrPort()
	fmt.Printf("Connected by : ('%v', %d)\n", peer.Addr(), peer.Port())

	data := make([]byte, 1024)
	for {
		n, err := conn.Read(data)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := conn.Write(data[:n]); err != nil {
			return err
		}
	}
}
