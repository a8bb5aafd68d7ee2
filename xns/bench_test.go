package xns

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"zocalo/socket"
)

// BenchmarkStream moves bytes one way, in writes of 16 KiB: by SPP, and by
// TCP and QUIC on the same loopback. QUIC also encrypts.
func BenchmarkStream(b *testing.B) {
	udp := func() hosts { return overUDP(b) }
	for _, c := range []struct {
		name string
		mk   func() hosts
		size int // bytes of data in a packet
	}{{"memory", inMemory, maxSPPData}, {"memory/1458", inMemory, 1458}, {"udp", udp, maxSPPData}, {"udp/1458", udp, 1458}} {
		b.Run(c.name, func(b *testing.B) {
			set := func(s *socket.Socket) error { return MTU.Set(s, c.size) }
			x, y, stop, err := connected(listening(c.mk, socket.Stream, set))()
			if err != nil {
				b.Fatal(err)
			}
			defer stop()
			transfer(b, x, y)
			b.ReportMetric(float64(b.N)*writeSize/float64(c.size)/b.Elapsed().Seconds(), "packets/s")
		})
	}
	b.Run("tcp", func(b *testing.B) {
		l := must[net.Listener](b)(net.Listen("tcp", "127.0.0.1:0"))
		defer l.Close()
		x := must[net.Conn](b)(net.Dial("tcp", l.Addr().String()))
		defer x.Close()
		y := must[net.Conn](b)(l.Accept())
		defer y.Close()
		transfer(b, x, y)
	})
	b.Run("quic", func(b *testing.B) {
		server, client := quicTLS(b)
		l := must[*quic.Listener](b)(quic.ListenAddr("127.0.0.1:0", server, nil))
		defer l.Close()
		near := must[*quic.Conn](b)(quic.DialAddr(b.Context(), l.Addr().String(), client, nil))
		defer near.CloseWithError(0, "")
		far := must[*quic.Conn](b)(l.Accept(b.Context()))
		x := must[*quic.SendStream](b)(near.OpenUniStreamSync(b.Context()))
		x.Write([]byte{0}) // so that the other side sees the stream
		y := must[*quic.ReceiveStream](b)(far.AcceptUniStream(b.Context()))
		if _, err := io.ReadFull(y, make([]byte, 1)); err != nil {
			b.Fatal(err)
		}
		transfer(b, x, y)
	})
}

const writeSize = 16 << 10

func transfer(b *testing.B, x io.Writer, y io.Reader) {
	b.SetBytes(writeSize)
	b.ReportAllocs()
	done := make(chan error, 1)
	b.ResetTimer()
	go func() {
		_, err := io.CopyN(io.Discard, struct{ io.Reader }{y}, int64(b.N)*writeSize)
		done <- err
	}()
	data := make([]byte, writeSize)
	for range b.N {
		if _, err := x.Write(data); err != nil {
			b.Fatal(err)
		}
	}
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
}

// BenchmarkRoundTrip sends a small message there and back.
func BenchmarkRoundTrip(b *testing.B) {
	for name, mk := range map[string]func() hosts{"memory": inMemory, "udp": func() hosts { return overUDP(b) }} {
		b.Run(name, func(b *testing.B) {
			x, y, stop, err := connected(listening(mk, socket.SeqPacket, nil))()
			if err != nil {
				b.Fatal(err)
			}
			defer stop()
			go io.CopyBuffer(struct{ io.Writer }{y}, struct{ io.Reader }{y}, make([]byte, 100))
			message := make([]byte, 100)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := x.Write(message); err != nil {
					b.Fatal(err)
				}
				if _, err := x.Read(message); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// quicTLS returns the configurations of a server, and of a client that trusts
// it alone.
func quicTLS(t testing.TB) (server, client *tls.Config) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"xns"}, IPAddresses: []net.IP{{127, 0, 0, 1}}}
	der := must[[]byte](t)(x509.CreateCertificate(rand.Reader, template, template, public, private))
	roots := x509.NewCertPool()
	roots.AddCert(must[*x509.Certificate](t)(x509.ParseCertificate(der)))
	protocols := []string{"xns-bench"}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: private}}, NextProtos: protocols},
		&tls.Config{RootCAs: roots, NextProtos: protocols}
}
