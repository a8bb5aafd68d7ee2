package datagrams_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"zocalo/internal/testenv"
	"zocalo/relay/datagrams"
	"zocalo/relay/outcome"
	"zocalo/socket"
	"zocalo/socket/option"
)

// What is sent to a group, or to all of a network, is a peer's message like
// any other, and its answer comes from an address of the machine.
func TestGroupsAndBroadcast(t *testing.T) {
	testenv.InNamespace(t, []string{
		"link add ve0 type veth peer name ve1", "addr add 10.9.0.1/24 dev ve0", "link set ve0 up", "link set ve1 up",
	}, func() {
		group, err := option.ParseGroup("239.1.2.3%ve0")
		if err != nil {
			t.Error(err)
			return
		}
		for _, to := range []string{"239.1.2.3", "10.9.0.255"} {
			target := bound(t, "127.0.0.1:0")
			front := bound(t, "0.0.0.0:0", func(s *socket.Socket) error { return option.JoinGroup.Set(s, group) })
			p := bound(t, "10.9.0.1:0", func(s *socket.Socket) error { return option.Broadcast.Set(s, true) },
				func(s *socket.Socket) error { return option.MulticastInterface.Set(s, "ve0") })
			far, err := dial(context.Background(), target.Name()) // in this namespace
			try(t, err)
			r := &datagrams.Relay{Dial: func(context.Context, datagrams.Session, []socket.Name) (*socket.Socket, error) { return far, nil }}
			port := front.Name().AddrPort().Port()
			stop := start(t, r, front)
			m := socket.Message{Peer: socket.InetName(parse(fmt.Sprintf("%s:%d", to, port)))}
			m.SetData([]byte("to all"))
			_, err = p.Send(&m)
			try(t, err)
			hears(t, target, "to all")
			if s := r.Sessions(); len(s) != 1 || s[0].Peer != p.Name() {
				t.Errorf("sessions: %+v", s)
			}
			try(t, target.Connect(context.Background(), r.Sessions()[0].Local))
			says(t, target, "answer")
			m.SetData(make([]byte, 100))
			try(t, p.Receive(&m))
			if got := m.Peer.AddrPort(); string(m.Buffers[0][:m.N]) != "answer" || got.Addr().String() != "10.9.0.1" || got.Port() != port {
				t.Errorf("%q from %v", m.Buffers[0][:m.N], got)
			}
			stop()
		}
	})
}

// quic-go talks through the relay, with its own trains and its own loss.
func TestQUIC(t *testing.T) {
	server, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	try(t, err)
	defer server.Close()
	front := bound(t, "127.0.0.1:0")
	r := &datagrams.Relay{Dial: to(socket.InetName(server.LocalAddr().(*net.UDPAddr).AddrPort()))}
	name := front.Name()
	start(t, r, front)

	l, err := quic.Listen(server, &tls.Config{Certificates: []tls.Certificate{certificate(t)}, NextProtos: []string{"echo"}}, nil)
	try(t, err)
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var serving sync.WaitGroup
	defer serving.Wait()
	serving.Go(func() {
		c, err := l.Accept(ctx)
		if err != nil {
			t.Error(err)
			return
		}
		s, err := c.AcceptStream(ctx)
		if err != nil {
			t.Error(err)
			return
		}
		io.Copy(s, s)
		s.Close()
		<-c.Context().Done()
	})
	socket, err := net.ListenUDP("udp4", nil)
	try(t, err)
	defer socket.Close()
	client := &quic.Transport{Conn: socket}
	defer client.Close()
	c, err := client.Dial(ctx, net.UDPAddrFromAddrPort(name.AddrPort()), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"echo"}}, nil)
	try(t, err)
	defer c.CloseWithError(0, "")
	s, err := c.OpenStreamSync(ctx)
	try(t, err)
	sent := strings.Repeat("through a relay, and back\n", 1<<16)
	serving.Go(func() {
		io.WriteString(s, sent)
		s.Close()
	})
	got, err := io.ReadAll(s)
	if err != nil || string(got) != sent {
		t.Errorf("%d of %d bytes came back: %v", len(got), len(sent), err)
	}
	if n := r.Totals(); n.Sessions != 1 || lost(n) != 0 {
		t.Errorf("totals: %+v", n)
	}
}

func certificate(t testing.TB) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	try(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	try(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// Names are asked of dnsmasq through the relay, each from another port.
func TestDNS(t *testing.T) {
	server := dnsmasq(t)
	front := bound(t, "127.0.0.1:0")
	r := &datagrams.Relay{Dial: to(server)}
	name := front.Name()
	start(t, r, front)
	for i := range 20 {
		if err := ask(t, name, patience, fmt.Sprintf("n%d", i)); err != nil {
			t.Fatalf("answer %d: %v", i, err)
		}
	}
	if n := r.Totals(); n.Sessions < 20 {
		t.Errorf("totals: %+v", n)
	}
}

// dnsmasq starts a server that knows every name in zocalo.test.
func dnsmasq(t *testing.T) socket.Name {
	t.Helper()
	program := testenv.Program(t, "dnsmasq")
	for range 10 {
		free := bound(t, "127.0.0.1:0")
		name := free.Name()
		try(t, free.Close())
		c := exec.Command(program, "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--bind-interfaces",
			"--listen-address=127.0.0.1", fmt.Sprintf("--port=%d", name.AddrPort().Port()), "--pid-file=", "--user="+userName(),
			"--address=/zocalo.test/192.0.2.7")
		try(t, c.Start())
		over := make(chan struct{})
		go func() {
			defer close(over)
			c.Wait()
		}()
		t.Cleanup(func() {
			c.Process.Kill()
			<-over
		})
		for ended := false; !ended; {
			if ask(t, name, time.Second, "begun") == nil {
				return name
			}
			select {
			case <-over: // somebody took the port
				ended = true
			default:
			}
		}
	}
	t.Fatal("dnsmasq never served")
	return socket.Name{}
}

// ask asks a server for the address of a host in zocalo.test.
func ask(t *testing.T, server socket.Name, wait time.Duration, host string) error {
	ctx, cancel := context.WithTimeout(t.Context(), wait)
	defer cancel()
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp4", server.String())
	}}
	ips, err := resolver.LookupNetIP(ctx, "ip4", host+".zocalo.test.")
	if err == nil && (len(ips) != 1 || ips[0].String() != "192.0.2.7") {
		err = fmt.Errorf("%s has the addresses %v", host, ips)
	}
	return err
}

func userName() string {
	if os.Geteuid() == 0 {
		return "root"
	}
	return os.Getenv("USER")
}

// lost is how many messages were lost here.
func lost(n datagrams.Totals) int64 { return n.From[outcome.A].Dropped + n.From[outcome.B].Dropped }
