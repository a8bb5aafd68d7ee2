package tls_test

import (
	"context"
	stdtls "crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"zocalo"
	"zocalo/address"
	"zocalo/internal/poll"
	"zocalo/internal/testenv"
	_ "zocalo/iso"
	"zocalo/layer/tls"
	"zocalo/socket"
)

func TestMain(m *testing.M) { testenv.Main(m, poll.ClosePipes) }

// patience is how long a test waits for what ought to come.
const patience = 20 * time.Second

func try(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// files are those of an authority and of what it has signed.
type files struct {
	dir       string
	authority *tls.Authority
}

func newFiles(t testing.TB) *files {
	a, err := tls.NewAuthority(time.Now().Add(time.Hour))
	try(t, err)
	f := &files{t.TempDir(), a}
	try(t, os.WriteFile(f.ca(), a.Certificate(), 0o600))
	return f
}

func (f *files) ca() string { return filepath.Join(f.dir, "ca.pem") }

// cert makes a file with a certificate for names.
func (f *files) cert(t testing.TB, until time.Time, names ...string) string {
	t.Helper()
	text, err := f.authority.Issue(until, names...)
	try(t, err)
	path := filepath.Join(f.dir, strings.NewReplacer("/", "-", "*", "-").Replace(names[0])+until.Format("-150405.000")+".pem")
	try(t, os.WriteFile(path, text, 0o600))
	return path
}

func (f *files) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AppendCertsFromPEM(f.authority.Certificate())
	return p
}

var soon = time.Now().Add(time.Hour)

// server is a listener whose connections go to a handler.
func server(t testing.TB, address string, handle func(*socket.Socket)) *zocalo.Listener {
	t.Helper()
	l, err := zocalo.Listen(t.Context(), address)
	try(t, err)
	var running sync.WaitGroup
	running.Go(func() {
		for {
			s, err := l.Accept(context.Background())
			if err != nil {
				return
			}
			running.Go(func() {
				defer s.Close()
				s.SetDeadline(time.Now().Add(patience))
				handle(s)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		running.Wait()
	})
	return l
}

// echo sends everything back, and ends as the peer does.
func echo(s *socket.Socket) {
	if _, err := io.Copy(s, s); err != nil {
		s.Abort()
		return
	}
	s.CloseWrite()
}

func dial(t testing.TB, address string) *socket.Socket {
	t.Helper()
	s, err := zocalo.Dial(t.Context(), address)
	try(t, err)
	t.Cleanup(func() { s.Close() })
	try(t, s.SetDeadline(time.Now().Add(patience)))
	return s
}

// converse says something, half-closes, and reads the answer to its end.
func converse(t testing.TB, s net.Conn, say string) string {
	t.Helper()
	_, err := io.WriteString(s, say)
	try(t, err)
	try(t, s.(interface{ CloseWrite() error }).CloseWrite())
	b, err := io.ReadAll(s)
	try(t, err)
	return string(b)
}

// standard is a server of crypto/tls's own.
func standard(t testing.TB, cert string, change func(*stdtls.Config), handle func(*stdtls.Conn)) string {
	t.Helper()
	pair, err := stdtls.LoadX509KeyPair(cert, cert)
	try(t, err)
	config := &stdtls.Config{Certificates: []stdtls.Certificate{pair}}
	if change != nil {
		change(config)
	}
	l, err := stdtls.Listen("tcp", "127.0.0.1:0", config)
	try(t, err)
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer c.Close()
				c.SetDeadline(time.Now().Add(patience))
				handle(c.(*stdtls.Conn))
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		running.Wait()
	})
	return "tls:" + l.Addr().String()
}

func parse(t testing.TB, text string) address.Address {
	t.Helper()
	a, err := address.Parse(text)
	try(t, err)
	return a
}
