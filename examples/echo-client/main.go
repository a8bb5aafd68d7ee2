// Echo-client is the lecture's client: it sends a message to the echo server,
// and prints what comes back.
//
//	echo-client [PORT]
//
// The port is the server's, 5346 if none is given. It uses package socket
// alone, in the order of the lecture's calls.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"zocalo/socket"
)

var (
	host    = netip.MustParseAddr("127.0.0.1")
	port    = uint16(5346)
	message = []byte("Hello world! This is an echo server made with python")
)

func main() {
	log.SetFlags(0)
	if len(os.Args) > 1 {
		n, err := strconv.ParseUint(os.Args[1], 10, 16)
		if err != nil || n == 0 {
			log.Fatalf("echo-client: %q is no port: give a number from 1 to 65535", os.Args[1])
		}
		port = uint16(n)
	}
	if err := talk(); err != nil {
		log.Fatalf("echo-client: %v", err)
	}
}

func talk() error {
	s, err := socket.New(socket.Inet, socket.Stream, 0)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.Connect(context.Background(), socket.InetName(netip.AddrPortFrom(host, port))); err != nil {
		return err
	}
	if _, err := s.Write(message); err != nil {
		return err
	}
	// A stream may bring the message in pieces: read until it is whole.
	data := make([]byte, len(message))
	if _, err := io.ReadFull(s, data); err != nil {
		return err
	}
	fmt.Println("Received:", repr(data))
	return nil
}

// repr writes bytes as Python's repr does.
func repr(data []byte) string {
	quote := byte('\'')
	if strings.ContainsRune(string(data), '\'') && !strings.ContainsRune(string(data), '"') {
		quote = '"'
	}
	var b strings.Builder
	b.WriteByte('b')
	b.WriteByte(quote)
	for _, c := range data {
		switch {
		case c == quote || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\r':
			b.WriteString(`\r`)
		case c == '\t':
			b.WriteString(`\t`)
		case c < ' ' || c > '~':
			fmt.Fprintf(&b, `\x%02x`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte(quote)
	return b.String()
}
