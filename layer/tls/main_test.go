package tls_test

import (
	stdtls "crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"zocalo/address"
	"zocalo/internal/poll"
	"zocalo/internal/testenv"
	_ "zocalo/iso"
	"zocalo/layer/internal/layertest"
	"zocalo/layer/tls"
)

func TestMain(m *testing.M) { testenv.Main(m, poll.ClosePipes) }

const patience = layertest.Patience

var server, echo, dial, converse = layertest.Serve, layertest.Echo, layertest.Dial, layertest.Converse

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
