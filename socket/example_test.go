package socket_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"zocalo/socket"
)

// must ends the program on an error, for examples that are about something
// else.
func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

// A server that echoes what its one client sends, and the client.
func ExampleNew() {
	ctx := context.Background()
	server := must(socket.New(socket.Inet, socket.Stream, 0))
	defer server.Close()
	// Port 0 lets the system choose; Name tells which it took.
	if err := server.Bind(socket.InetName(netip.MustParseAddrPort("127.0.0.1:0"))); err != nil {
		log.Fatal(err)
	}
	if err := server.Listen(0); err != nil {
		log.Fatal(err)
	}
	go func() {
		conn, err := server.Accept(ctx)
		if err != nil {
			log.Print(err)
			return
		}
		defer conn.Close()
		if _, err := io.Copy(conn, conn); err != nil {
			log.Print(err)
		}
	}()

	client := must(socket.New(socket.Inet, socket.Stream, 0))
	defer client.Close()
	if err := client.Connect(ctx, server.Name()); err != nil {
		log.Fatal(err)
	}
	if _, err := client.Write([]byte("hola")); err != nil {
		log.Fatal(err)
	}
	if err := client.CloseWrite(); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", must(io.ReadAll(client)))
	// Output: hola
}

// Messages keep their boundaries, and one that does not fit is told from one
// that does.
func ExampleSocket_Receive() {
	a, b, err := socket.Pair(socket.Unix, socket.Datagram, 0)
	if err != nil {
		log.Fatal(err)
	}
	defer a.Close()
	defer b.Close()
	for _, text := range []string{"one", "", "three and more"} {
		must(a.Write([]byte(text)))
	}

	var m socket.Message // used again and again
	buffer := make([]byte, 5)
	m.SetData(buffer)
	for range 3 {
		err := b.Receive(&m)
		if err != nil && !errors.Is(err, socket.ErrTruncated) {
			log.Fatal(err)
		}
		fmt.Printf("%q, %d of %d bytes\n", buffer[:m.N], m.N, m.Size)
	}
	// Output:
	// "one", 3 of 3 bytes
	// "", 0 of 0 bytes
	// "three", 5 of 14 bytes
}

// A descriptor goes from one process to another with a message over a unix
// socket.
func ExampleAncillary() {
	a, b, err := socket.Pair(socket.Unix, socket.Stream, 0)
	if err != nil {
		log.Fatal(err)
	}
	defer a.Close()
	defer b.Close()
	r, w, err := os.Pipe()
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()

	// On a stream the descriptor needs a byte to go with.
	out := socket.Message{Buffers: [][]byte{{0}}}
	out.Ancillary.Present = socket.HasFiles
	out.Ancillary.Files = []int{int(w.Fd())}
	must(a.Send(&out))
	w.Close() // Send has made a duplicate

	in := socket.Message{Buffers: [][]byte{make([]byte, 1)}}
	in.Ancillary.WantFiles = 1
	if err := b.Receive(&in); err != nil {
		log.Fatal(err)
	}
	for _, fd := range in.Ancillary.Files { // ours to close
		f := os.NewFile(uintptr(fd), "received")
		fmt.Fprint(f, "hola")
		f.Close()
	}
	fmt.Printf("%s\n", must(io.ReadAll(r)))
	// Output: hola
}

// Package net/http over a unix socket.
func ExampleSocket_Listener() {
	dir := must(os.MkdirTemp("", "example"))
	defer os.RemoveAll(dir)
	name := must(socket.UnixName(filepath.Join(dir, "http")))
	s := must(socket.New(socket.Unix, socket.Stream, 0))
	if err := s.Bind(name); err != nil {
		log.Fatal(err)
	}
	if err := s.Listen(0); err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "hola from ", r.URL.Path)
	})}
	served := make(chan error)
	go func() { served <- server.Serve(s.Listener()) }()

	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			c, err := socket.New(socket.Unix, socket.Stream, 0)
			if err != nil {
				return nil, err
			}
			if err := c.Connect(ctx, name); err != nil {
				c.Close()
				return nil, err
			}
			return c, nil
		},
	}}
	answer := must(client.Get("http://anywhere/here"))
	defer answer.Body.Close()
	fmt.Printf("%s\n", must(io.ReadAll(answer.Body)))
	server.Close() // and with it the socket
	fmt.Println(errors.Is(<-served, http.ErrServerClosed))
	// Output:
	// hola from /here
	// true
}

// A deadline ends a call that waits; so do Close and, for Accept, Connect and
// ReceiveUrgent, a context.
func ExampleSocket_SetReadDeadline() {
	a, b, err := socket.Pair(socket.Unix, socket.Stream, 0)
	if err != nil {
		log.Fatal(err)
	}
	defer a.Close()
	defer b.Close()
	a.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	_, err = a.Read(make([]byte, 1))
	fmt.Println(errors.Is(err, os.ErrDeadlineExceeded))

	a.SetReadDeadline(time.Time{}) // none
	must(b.Write([]byte("x")))
	fmt.Println(a.Read(make([]byte, 1)))
	// Output:
	// true
	// 1 <nil>
}
