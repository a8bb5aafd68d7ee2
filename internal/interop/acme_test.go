package interop

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/letsencrypt/challtestsrv"
	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"

	"zocalo"
	_ "zocalo/layer/tls"
)

// names runs a DNS server to which all names are this machine, and returns its address.
func names(t *testing.T) string {
	free, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := free.LocalAddr().String()
	free.Close()
	s, err := challtestsrv.New(challtestsrv.Config{DNSAddrs: []string{at}, Log: log.New(io.Discard, "", 0)})
	if err != nil {
		t.Fatal(err)
	}
	s.SetDefaultDNSIPv4("127.0.0.1")
	s.SetDefaultDNSIPv6("")
	go s.Run()
	t.Cleanup(s.Shutdown)
	return at
}

// An authority signs a listener's certificate once it has tried the name there.
func TestACME(t *testing.T) {
	t.Setenv("PEBBLE_VA_NOSLEEP", "1")
	t.Setenv("PEBBLE_AUTHZREUSE", "0")
	const name = "www.zocalo.test"
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := free.Addr().(*net.TCPAddr).Port
	free.Close()

	quiet := log.New(io.Discard, "", 0)
	if testing.Verbose() {
		quiet = log.New(os.Stderr, "pebble ", 0)
	}
	store := db.NewMemoryStore()
	authority := ca.New(quiet, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {Description: "of this test"}})
	tries := va.New(quiet, 0, port, false, names(t), store)
	front := wfe.New(quiet, store, tries, authority, []string{"pebble.test"}, false, false, 1, 1)
	directory := httptest.NewTLSServer(front.Handler())
	defer directory.Close()
	trusted := filepath.Join(t.TempDir(), "directory.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: directory.Certificate().Raw})
	if err := os.WriteFile(trusted, text, 0o600); err != nil {
		t.Fatal(err)
	}

	l, err := zocalo.Listen(t.Context(), "tls:127.0.0.1:"+strconv.Itoa(port)+",acme="+name+",acme-ca="+trusted+",acme-cache="+t.TempDir()+
		",acme-directory="+directory.URL+wfe.DirectoryPath)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			s, err := l.Accept(t.Context())
			if err != nil {
				return
			}
			go func() { io.Copy(s, s); s.Close() }()
		}
	}()
	roots := x509.NewCertPool()
	roots.AddCert(authority.GetRootCert(0).Cert)
	d := tls.Dialer{NetDialer: &net.Dialer{Timeout: 5 * time.Second}, Config: &tls.Config{ServerName: name, RootCAs: roots}}
	var last error
	for range 10 { // the first clients may go before the certificate is there
		c, err := d.DialContext(t.Context(), "tcp", l.Addr().String())
		if last = err; err != nil {
			time.Sleep(time.Second)
			continue
		}
		defer c.Close()
		if names := c.(*tls.Conn).ConnectionState().PeerCertificates[0].DNSNames; strings.Join(names, " ") != name {
			t.Errorf("the certificate is for %q", names)
		}
		b := make([]byte, 4)
		io.WriteString(c, "hola")
		if _, err := io.ReadFull(c, b); err != nil || string(b) != "hola" {
			t.Errorf("%q, %v", b, err)
		}
		return
	}
	t.Fatal(last)
}
