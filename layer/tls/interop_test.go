package tls_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"zocalo"
	"zocalo/internal/testenv"
	"zocalo/socket"
)

// run runs a program that somebody else wrote, with what it is to read.
func run(t *testing.T, input string, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c := exec.CommandContext(ctx, testenv.Program(t, name), args...)
	c.Stdin = strings.NewReader(input)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Errorf("%v: %v\n%s", c, err, out)
	}
	return string(out)
}

// Clients that nobody here wrote, of both versions, with a certificate of their own.
func TestClientsOfOthers(t *testing.T) {
	f := newFiles(t)
	mine := f.cert(t, soon, "ana@example.org")
	l := server(t, "tls:127.0.0.1:0,cert="+f.cert(t, soon, "localhost", "127.0.0.1")+",client-ca="+f.ca(), func(s *socket.Socket) {
		b := make([]byte, 5)
		io.ReadFull(s, b)
		fmt.Fprintf(s, "%s said %s\n", s.Facts().String(), b)
		s.CloseWrite()
	})
	at := l.Addr().String()
	port := at[strings.LastIndexByte(at, ':')+1:]
	for _, version := range []string{"1.2", "1.3"} {
		want := "tls version TLSv" + version
		t.Run("openssl "+version, func(t *testing.T) {
			got := run(t, "hola\n", "openssl", "s_client", "-connect", at, "-quiet", "-verify_return_error", "-CAfile", f.ca(),
				"-cert", mine, "-key", mine, "-tls"+strings.Replace(version, ".", "_", 1))
			if !strings.Contains(got, want) || !strings.Contains(got, "cert ana@example.org") || !strings.Contains(got, "said hola") {
				t.Errorf("openssl heard\n%s", got)
			}
		})
		t.Run("gnutls "+version, func(t *testing.T) {
			got := run(t, "hola\n", "gnutls-cli", "--x509cafile", f.ca(), "--x509certfile", mine, "--x509keyfile", mine, "-p", port,
				"--priority", "NORMAL:-VERS-ALL:+VERS-TLS"+version, "localhost")
			if !strings.Contains(got, want) || !strings.Contains(got, "said hola") {
				t.Errorf("gnutls-cli heard\n%s", got)
			}
		})
	}
}

// A server of HTTPS, and curl.
func TestCurl(t *testing.T) {
	f := newFiles(t)
	l, err := zocalo.Listen(t.Context(), "tls:127.0.0.1:0,cert="+f.cert(t, soon, "localhost"))
	try(t, err)
	web := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, strings.Repeat("x", 1<<20), r.Host)
	})}
	done := make(chan struct{})
	go func() { defer close(done); web.Serve(l.NetListener()) }()
	defer func() { web.Close(); <-done }()
	at := l.Addr().String()
	url := "https://localhost:" + at[strings.LastIndexByte(at, ':')+1:]
	if got := run(t, "", "curl", "-sS", "--cacert", f.ca(), url); !strings.HasSuffix(got, "x"+strings.TrimPrefix(url, "https://")) {
		t.Errorf("curl got %d bytes", len(got))
	}
}

// start starts a server that somebody else wrote, and waits until it listens.
func start(t *testing.T, at, name string, args ...string) {
	t.Helper()
	c := exec.Command(testenv.Program(t, name), args...)
	var said bytes.Buffer
	c.Stdout, c.Stderr = &said, &said
	in, err := c.StdinPipe() // which openssl reads
	try(t, err)
	try(t, c.Start())
	t.Cleanup(func() {
		in.Close()
		c.Process.Kill()
		c.Wait()
		if t.Failed() {
			t.Logf("%s said\n%s", name, &said)
		}
	})
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if s, err := net.Dial("tcp", at); err == nil {
			s.Close()
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s does not listen: %s", name, &said)
		}
	}
}

// free is an address without a listener for the moment.
func free(t *testing.T) (at, port string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	try(t, err)
	defer l.Close()
	at = l.Addr().String()
	return at, at[strings.LastIndexByte(at, ':')+1:]
}

// Servers that nobody here wrote: those in front of an echo answer all that they were
// asked, after the client's half-close where they know of such.
func TestServersOfOthers(t *testing.T) {
	f := newFiles(t)
	cert := f.cert(t, soon, "localhost", "127.0.0.1")
	options := ",ca=" + f.ca() + ",cert=" + f.cert(t, soon, "ana")
	behind := server(t, "tcp:127.0.0.1:0", echo).Addr().String()
	config := func(text string) string {
		path := filepath.Join(t.TempDir(), "config")
		try(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	t.Run("openssl", func(t *testing.T) {
		for _, version := range []string{"-tls1_2", "-tls1_3"} {
			at, _ := free(t)
			start(t, at, "openssl", "s_server", "-accept", at, "-cert", cert, "-key", cert, "-CAfile", f.ca(), "-Verify", "1", "-verify_return_error", "-rev", "-quiet", version)
			s := dial(t, "tls:"+at+options)
			_, err := io.WriteString(s, "hola\n")
			try(t, err)
			b := make([]byte, 5)
			if _, err := io.ReadFull(s, b); err != nil || string(b) != "aloh\n" {
				t.Errorf("openssl answered %q, %v", b, err)
			}
		}
	})
	long := strings.Repeat("0123456789", 300_000)
	answers := func(t *testing.T, at string) {
		s := dial(t, "tls:"+at+options)
		go func() {
			io.WriteString(s, long)
			s.CloseWrite()
		}()
		if b, err := io.ReadAll(s); string(b) != long || err != nil {
			t.Errorf("%d bytes came back of %d, %v", len(b), len(long), err)
		}
	}
	t.Run("haproxy", func(t *testing.T) {
		at, _ := free(t)
		start(t, at, "haproxy", "-db", "-f", config(fmt.Sprintf(`defaults
 mode tcp
 timeout connect 5s
 timeout client 60s
 timeout server 60s
listen tls
 bind %s ssl crt %s ca-file %s verify required
 server behind %s
`, at, cert, f.ca(), behind)))
		answers(t, at)
	})
	t.Run("stunnel", func(t *testing.T) {
		// It now and then drops the end of an answer after the client's half-close, as it
		// says itself ("2934784 bytes sent to TLS"), so that this comes last.
		at, _ := free(t)
		start(t, at, "stunnel4", config(fmt.Sprintf("foreground = yes\npid =\n[tls]\naccept = %s\nconnect = %s\ncert = %s\nCAfile = %s\nverifyChain = yes\nrequireCert = yes\n", at, behind, cert, f.ca())))
		s := dial(t, "tls:"+at+options)
		go io.WriteString(s, long)
		b := make([]byte, len(long))
		if n, err := io.ReadFull(s, b); string(b) != long || err != nil {
			t.Errorf("%d bytes came back of %d, %v", n, len(long), err)
		}
		try(t, s.CloseWrite())
		if b, err := io.ReadAll(s); len(b) > 0 || err != nil {
			t.Errorf("the end: %q, %v", b, err)
		}
	})
	t.Run("nginx", func(t *testing.T) {
		at, _ := free(t)
		dir := t.TempDir()
		start(t, at, "nginx", "-p", dir, "-e", dir+"/error.log", "-c", config(fmt.Sprintf(`daemon off;
master_process off;
pid %s/pid;
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
events {}
stream { server { listen %s ssl; ssl_certificate %s; ssl_certificate_key %s; ssl_client_certificate %s; ssl_verify_client on; proxy_pass %s; } }
`, dir, at, cert, cert, f.ca(), behind)))
		s := dial(t, "tls:"+at+options)
		go io.WriteString(s, long) // it loses the answer to a half-close
		b := make([]byte, len(long))
		if _, err := io.ReadFull(s, b); string(b) != long || err != nil {
			t.Errorf("nginx answered otherwise, %v", err)
		}
	})
}

// A plain client behind stunnel, whose server is ours.
func TestStunnelClient(t *testing.T) {
	f := newFiles(t)
	l := server(t, "tls:127.0.0.1:0,cert="+f.cert(t, soon, "localhost", "127.0.0.1"), echo)
	at, _ := free(t)
	path := filepath.Join(f.dir, "stunnel")
	try(t, os.WriteFile(path, fmt.Appendf(nil, "foreground = yes\npid =\n[tls]\nclient = yes\naccept = %s\nconnect = %s\nCAfile = %s\nverifyChain = yes\ncheckHost = localhost\n", at, l.Addr(), f.ca()), 0o600))
	start(t, at, "stunnel4", path)
	s := dial(t, "tcp:"+at)
	if got := converse(t, s, "hola"); got != "hola" {
		t.Errorf("through stunnel came %q", got)
	}
}
