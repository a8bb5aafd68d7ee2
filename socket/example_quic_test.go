package socket_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/netip"
	"time"

	"github.com/quic-go/quic-go"

	zocalotls "zocalo/layer/tls"
	"zocalo/socket"
)

// quic-go on both sides: it sends and takes datagrams in trains, as over package net's
// connections. By an address zocalo.ListenPacket makes such a connection.
func ExampleSocket_PacketConn() {
	ctx := context.Background()
	serverTLS, clientTLS := quicConfigs()
	there := bound()
	defer there.Close()
	l, err := quic.Listen(there, serverTLS, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept(ctx)
		if err != nil {
			return
		}
		if s, err := c.AcceptStream(ctx); err == nil {
			io.Copy(s, s)
			s.Close()
		}
	}()

	here := bound()
	defer here.Close()
	c, err := quic.Dial(ctx, here, there.LocalAddr(), clientTLS, nil)
	if err != nil {
		log.Fatal(err)
	}
	s, err := c.OpenStreamSync(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Fprint(s, "Hello world!")
	s.Close()
	answer, err := io.ReadAll(s)
	fmt.Printf("%s, %v\n", answer, err)
	c.CloseWithError(0, "")
	// Output: Hello world!, <nil>
}

// bound is a UDP socket on a free port, as what quic-go takes.
func bound() net.PacketConn {
	s := must(socket.New(socket.Inet, socket.Datagram, 0))
	if err := s.Bind(socket.InetName(netip.MustParseAddrPort("127.0.0.1:0"))); err != nil {
		log.Fatal(err)
	}
	return s.PacketConn()
}

// quicConfigs are those of a server that is localhost, and of a client that trusts it.
func quicConfigs() (server, client *tls.Config) {
	until := time.Now().Add(time.Hour)
	a, err := zocalotls.NewAuthority(until)
	if err != nil {
		log.Fatal(err)
	}
	pem, err := a.Issue(until, "localhost")
	if err != nil {
		log.Fatal(err)
	}
	certificate, err := tls.X509KeyPair(pem, pem)
	if err != nil {
		log.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(a.Certificate())
	protos := []string{"echo"}
	return &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: protos},
		&tls.Config{RootCAs: roots, ServerName: "localhost", NextProtos: protos}
}
