package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"zocalo/bench/peers/compare"
)

// The works of TLS: programs that end it in front of a plain server. All use TLS 1.3
// with TLS_AES_128_GCM_SHA256, X25519 and a certificate of P-256. They need stunnel4
// and hitch too.
var tlsWorks = []work{
	{"tls, bulk, 1 flow", "tls", &terminators, []string{"Gbit/s", "processor ms a GB"}, 1, bulkOf(1)},
	{"tls, handshakes, 4 at once", "tls", &terminators, []string{"processor µs per handshake", "per second"}, 1, handshakes},
	{"tls, idle connections after 64 KiB each way", "tls", &terminators, []string{"bytes resident"}, 1, idleTLS},
}

var tlsClient = &tls.Config{
	InsecureSkipVerify: true, MinVersion: tls.VersionTLS13, CurvePreferences: []tls.CurveID{tls.X25519}, DynamicRecordSizingDisabled: true,
}

// certificate makes a file with a certificate and its key.
func (p *place) certificate() string {
	if err := compare.Build(filepath.Join(p.dir, "zocalo"), "cert", filepath.Join(p.dir, "certs"), "localhost"); err != nil {
		panic(err)
	}
	return filepath.Join(p.dir, "certs", "server.pem")
}

func endpoint(address string) string {
	_, text := cut(address)
	text, _, _ = strings.Cut(text, "/") // where a proxy is to go on to
	return text
}

var terminators = []program{
	{"zocalo", func(p *place) []string {
		return []string{filepath.Join(p.dir, "zocalo"), "relay", "-q", "--max-conns", "20000", "tls-listen:" + endpoint(p.from) + ",cert=" + p.certificate(), p.to}
	}},
	{"crypto/tls and io.Copy", func(p *place) []string {
		return []string{os.Args[0], "-be", "tls", "tcp:" + endpoint(p.from), p.to, p.certificate()}
	}},
	{"haproxy", func(p *place) []string {
		return []string{"haproxy", "-db", "-f", p.config("tls-haproxy.cfg", `global
	nbthread 1
	maxconn 6000
	ssl-default-bind-ciphersuites TLS_AES_128_GCM_SHA256
	ssl-default-bind-curves X25519
defaults
	mode tcp
	timeout connect 5s
	timeout client 60s
	timeout server 60s
frontend f
	bind `+endpoint(p.from)+` backlog 4096 ssl crt `+p.certificate()+`
	default_backend b
backend b
	server s `+endpoint(p.to)+"\n")}
	}},
	{"nginx", func(p *place) []string {
		cert := p.certificate()
		return []string{"nginx", "-p", p.dir, "-e", "stderr", "-c", p.config("tls-nginx.conf", `load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off;
user root;
pid nginx.pid;
error_log stderr error;
worker_processes 1;
worker_rlimit_nofile 20000;
events { worker_connections 20000; }
stream {
	server {
		listen `+endpoint(p.from)+` backlog=4096 ssl;
		ssl_certificate `+cert+`;
		ssl_certificate_key `+cert+`;
		ssl_protocols TLSv1.3;
		ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
		ssl_ecdh_curve X25519;
		proxy_pass `+endpoint(p.to)+`;
	}
}
`)}
	}},
	{"stunnel", func(p *place) []string {
		return []string{"stunnel4", p.config("tls-stunnel.conf", "foreground = yes\npid =\ndebug = err\n[tls]\naccept = "+endpoint(p.from)+"\nconnect = "+endpoint(p.to)+
			"\ncert = "+p.certificate()+"\nciphersuites = TLS_AES_128_GCM_SHA256\ncurves = X25519\n")}
	}},
	{"hitch", func(p *place) []string {
		host, port, _ := net.SplitHostPort(endpoint(p.to))
		return []string{"hitch", "--config=" + p.config("tls-hitch.conf", fmt.Sprintf("frontend = \"[%s]:%s\"\nbackend = \"[%s]:%s\"\npem-file = \"%s\"\ntls-protos = TLSv1.3\nciphersuites = \"TLS_AES_128_GCM_SHA256\"\nworkers = 1\ndaemon = off\nuser = \"nobody\"\nlog-level = 0\n",
			"127.0.0.1", p.port(), host, port, p.certificate()))}
	}},
}

// handshakes makes connections and resets them, without any data.
func handshakes(_ *world, p *place, r *running) ([]float64, error) {
	var running sync.WaitGroup
	var failed atomic.Pointer[error]
	var done atomic.Int64
	end := time.Now().Add(*duration)
	before, start := r.cpu(), time.Now()
	for range 4 {
		running.Go(func() {
			for time.Now().Before(end) {
				c, err := dial(p.from)
				if err != nil {
					failed.Store(&err)
					return
				}
				c.(*tls.Conn).NetConn().(*net.TCPConn).SetLinger(0)
				c.(*tls.Conn).NetConn().Close()
				done.Add(1)
			}
		})
	}
	running.Wait()
	if err := failed.Load(); err != nil {
		return nil, *err
	}
	n := float64(done.Load())
	return []float64{float64(r.cpu()-before) / 1e3 / n, n / time.Since(start).Seconds()}, nil
}

// idleTLS is resident memory for each connection that has carried something.
func idleTLS(_ *world, p *place, r *running) ([]float64, error) {
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	b := make([]byte, 64<<10)
	more := func(n int) error {
		for range n {
			c, err := dial(p.from)
			if err != nil {
				return err
			}
			conns = append(conns, c)
			go c.Write(b)
			if _, err := io.ReadFull(c, make([]byte, len(b))); err != nil {
				return err
			}
		}
		return nil
	}
	if err := more(100); err != nil {
		return nil, err
	}
	n := min(*idle, 1000)
	before := r.memory()
	if err := more(n); err != nil {
		return nil, err
	}
	time.Sleep(time.Second)
	return []float64{float64(r.memory()-before) / float64(n)}, nil
}

// dialTLS connects to "tls:ADDRESS".
func dialTLS(address string) (net.Conn, error) { return tls.Dial("tcp", address, tlsClient) }

func isTLS(address string) bool { return strings.HasPrefix(address, "tls:") }
