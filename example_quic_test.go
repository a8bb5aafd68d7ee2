package zocalo_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"time"

	"github.com/quic-go/quic-go"

	"zocalo"
	zocalotls "zocalo/layer/tls"
)

// quic-go, on both sides, over sockets that are opened by address, with the options of
// addresses: it sends and takes datagrams in trains as it does over package net's.
func ExampleListenPacket() {
	ctx := context.Background()
	serverTLS, clientTLS := quicConfigs()
	there, err := zocalo.ListenPacket(ctx, "udp4:127.0.0.1:0,rcvbuf=4MiB")
	if err != nil {
		log.Fatal(err)
	}
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

	here, err := zocalo.ListenPacket(ctx, "udp4:127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
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
