package tls_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	stdtls "crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"zocalo"
	"zocalo/layer/tls"
	"zocalo/socket"
)

// Who is believed, and what who is not is told.
func TestTrust(t *testing.T) {
	f, others := newFiles(t), newFiles(t)
	good := f.cert(t, soon, "localhost", "127.0.0.1")
	old := f.cert(t, time.Now().Add(-48*time.Hour), "localhost", "127.0.0.1")
	db := f.cert(t, soon, "db.example")
	ana := f.cert(t, soon, "ana@example.org")
	stranger := others.cert(t, soon, "stranger")
	nobody := "sha256:" + strings.Repeat("0", 64)
	for _, c := range []struct{ name, listen, dial, client, server string }{
		{"good", "cert=" + good, "ca=" + f.ca(), "", ""},
		{"without a key", "cert=" + good + ",key=" + good, "ca=" + f.ca(), "", ""},
		{"old", "cert=" + old, "ca=" + f.ca(), "tls: certificate of 127.0.0.1 expired on ", "expired certificate|bad certificate"},
		{"wrong name", "cert=" + db, "ca=" + f.ca(), "tls: certificate is for db.example, not 127.0.0.1: give sni= or ca=", "bad certificate"},
		{"another name", "cert=" + db, "sni=db.example,ca=" + f.ca(), "", ""},
		{"by name", "cert=" + good + ",cert=" + db, "sni=db.example,ca=" + f.ca(), "", ""},
		{"the system's", "cert=" + good, "", "tls: certificate of 127.0.0.1 is signed by an unknown authority: give ca=FILE, or pin=sha256:", "bad certificate"},
		{"of others", "cert=" + good, "ca=" + others.ca(), "tls: certificate of 127.0.0.1 is signed by an unknown authority", "bad certificate"},
		{"nobody's pin", "cert=" + good, "pin=" + nobody, "tls: the peer's public key is sha256:", "bad certificate"},
		{"pin and authority", "cert=" + old, "pin=" + nobody + ",ca=" + f.ca(), "tls: certificate of 127.0.0.1 expired on ", "."},
		{"pin and the system's", "cert=" + old, "pin=" + nobody + ",verify=yes", "expired on |signed by an unknown authority", "."},
		{"not verified", "cert=" + old, "verify=no", "", ""},
		{"mutual", "cert=" + good + ",client-ca=" + f.ca(), "ca=" + f.ca() + ",cert=" + ana, "", ""},
		{"mutual without", "cert=" + good + ",client-ca=" + f.ca(), "ca=" + f.ca(), "it requires a client certificate: give cert= and key=", "tls: the client presented no certificate, and client-ca= or pin= asks for"},
		{"mutual stranger", "cert=" + good + ",client-ca=" + f.ca(), "ca=" + f.ca() + ",cert=" + stranger, "does not trust the authority that signed our certificate|does not accept our certificate", "of client stranger is signed by an unknown authority"},
		{"mutual old", "cert=" + good + ",client-ca=" + f.ca(), "ca=" + f.ca() + ",cert=" + old, "has expired|does not accept our certificate", "expired on"},
		{"pinned client", "cert=" + good + ",pin=" + nobody, "ca=" + f.ca() + ",cert=" + ana, "does not accept our certificate", "not the pinned sha256:"},
		{"version", "cert=" + good + ",min=1.3", "ca=" + f.ca(), "", ""},
		{"protocol", "cert=" + good + ",alpn=a", "ca=" + f.ca() + ",alpn=b", "it supports none of the protocols in alpn=", "unsupported application protocols"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := server(t, "tls:127.0.0.1:0,"+c.listen, echo)
			said := make(chan string, 1)
			l.OnHandshake(func(_ *socket.Socket, err error) {
				if err != nil {
					said <- err.Error()
				}
			})
			s, err := zocalo.Dial(t.Context(), strings.TrimSuffix("tls:"+l.Name().String()+","+c.dial, ","))
			if err == nil {
				defer s.Close()
				s.SetDeadline(time.Now().Add(patience))
				_, err = s.Write([]byte("hola"))
				if err == nil {
					_, err = io.ReadFull(s, make([]byte, 4)) // where TLS 1.3 has a client learn of its refusal
				}
			}
			if !says(err, c.client) {
				t.Errorf("the client says %v", err)
			}
			if c.server == "" {
				return
			}
			select {
			case text := <-said:
				if !says(fmt.Errorf("%s", text), c.server) && c.server != "." {
					t.Errorf("the server says %s", text)
				}
			case <-time.After(patience):
				t.Error("the server says nothing")
			}
		})
	}
}

// says reports whether an error has one of the texts, divided by "|"; "" is none.
func says(err error, texts string) bool {
	if err == nil || texts == "" {
		return err == nil && texts == ""
	}
	for text := range strings.SplitSeq(texts, "|") {
		if strings.Contains(err.Error(), text) {
			return true
		}
	}
	return false
}

// A keylog that is no file of its own keeps the mode that it has.
func TestKeylogPipe(t *testing.T) {
	l := server(t, "tls:127.0.0.1:0", echo)
	path := filepath.Join(t.TempDir(), "keys")
	try(t, syscall.Mkfifo(path, 0o600))
	try(t, os.Chmod(path, 0o640))
	reader, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	try(t, err)
	defer reader.Close()
	converse(t, dial(t, l.Address()+",keylog="+path), "hola")
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("the pipe is %v, %v", info.Mode(), err)
	}
}

// What was agreed on is told: also that a session was resumed.
func TestFacts(t *testing.T) {
	f := newFiles(t)
	l := server(t, "tls:127.0.0.1:0,alpn=a,alpn=b,cert="+f.cert(t, soon, "localhost", "db.example")+",client-ca="+f.ca(), func(s *socket.Socket) {
		var b strings.Builder
		for _, f := range s.Facts() {
			fmt.Fprintf(&b, "%s %s=%s\n", f.Name, f.Variable, f.Value)
		}
		state, ok := tls.StateOf(s)
		if !ok || len(state.PeerCertificates) == 0 || state.PeerCertificates[0].Subject.CommonName != "ana@example.org" {
			t.Errorf("the state of the connection is %v, %+v", ok, state)
		}
		io.WriteString(s, b.String())
		s.CloseWrite()
		io.Copy(io.Discard, s)
	})
	keylog := filepath.Join(f.dir, "keys")
	at := "tls:" + l.Name().String() + ",sni=db.example,alpn=b,ca=" + f.ca() + ",cert=" + f.cert(t, soon, "ana@example.org", "ana") + ",keylog=" + keylog
	a := parse(t, at)
	for _, resumed := range []string{"Initial", "Resumed"} {
		s, err := zocalo.DialAddress(t.Context(), a)
		try(t, err)
		text, err := io.ReadAll(s)
		try(t, err)
		s.Close()
		for _, want := range []string{
			"version SSL_PROTOCOL=TLSv1.3", "alpn SSL_ALPN=b", "sni SSL_TLS_SNI=db.example", "cert =ana@example.org", "SSL_SESSION_RESUMED=" + resumed,
			"SSL_CLIENT_VERIFY=SUCCESS", "SSL_CLIENT_S_DN=CN=ana@example.org", "SSL_CLIENT_SAN_Email_0=ana@example.org", "SSL_CLIENT_SAN_DNS_0=ana",
		} {
			if !strings.Contains(string(text), want) {
				t.Errorf("%q is not among what the server knows:\n%s", want, text)
			}
		}
		if facts := s.Facts().String(); !strings.Contains(facts, "cert db.example") || !strings.HasPrefix(facts, "tls version TLSv1.3, cipher ") {
			t.Errorf("the client knows %s", facts)
		}
	}
	info, err := os.Stat(keylog)
	try(t, err)
	if text, _ := os.ReadFile(keylog); info.Mode().Perm() != 0o600 || !strings.Contains(string(text), "CLIENT_TRAFFIC_SECRET_0 ") {
		t.Errorf("the key log, of mode %v, has %q", info.Mode(), text)
	}
}

// A pinned key says who has it, and not that the names beside it are theirs.
func TestPinProvesNoName(t *testing.T) {
	f := newFiles(t)
	mine := f.cert(t, soon, "ana")
	pin := sha256.Sum256(leaf(t, mine).RawSubjectPublicKeyInfo)
	l := server(t, "tls:127.0.0.1:0,cert="+f.cert(t, soon, "localhost")+",pin=sha256:"+hex.EncodeToString(pin[:]), func(s *socket.Socket) {
		for _, f := range s.Facts() {
			fmt.Fprintf(s, "%s %s=%s\n", f.Name, f.Variable, f.Value)
		}
		s.CloseWrite()
	})
	s := dial(t, "tls:"+l.Name().String()+",sni=localhost,ca="+f.ca()+",cert="+mine)
	text, err := io.ReadAll(s)
	if got := string(text); err != nil || !strings.Contains(got, "unverified-cert =ana\n") || strings.Contains(got, "\ncert =") || !strings.Contains(got, "SSL_CLIENT_VERIFY=GENEROUS") {
		t.Errorf("the server knows\n%s, %v", got, err)
	}
}

// leaf is the first certificate in a file.
func leaf(t *testing.T, path string) *x509.Certificate {
	pair, err := stdtls.LoadX509KeyPair(path, path)
	try(t, err)
	return pair.Leaf
}

// A file that changes is read again; what makes no sense is not used.
func TestReload(t *testing.T) {
	f := newFiles(t)
	one, two := f.cert(t, soon, "one"), f.cert(t, soon.Add(time.Minute), "two")
	path := filepath.Join(f.dir, "served.pem")
	put := func(from string) {
		text, err := os.ReadFile(from)
		try(t, err)
		try(t, os.WriteFile(path+".new", text, 0o600))
		try(t, os.Rename(path+".new", path))
	}
	put(one)
	l := server(t, "tls:127.0.0.1:0,cert="+path, echo)
	serves := func(name string) bool {
		s, err := zocalo.Dial(t.Context(), "tls:"+l.Name().String()+",ca="+f.ca()+",sni="+name)
		if err == nil {
			s.Close()
		}
		return err == nil
	}
	if !serves("one") || serves("two") {
		t.Error("the first certificate is not served")
	}
	put(f.ca()) // without a key
	time.Sleep(1100 * time.Millisecond)
	if !serves("one") {
		t.Error("the old certificate was not kept")
	}
	put(two)
	for end := time.Now().Add(patience); !serves("two"); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the new certificate is not served")
		}
	}
}

// Protocols that begin without TLS.
func TestStartTLS(t *testing.T) {
	f := newFiles(t)
	cert := f.cert(t, soon, "localhost", "127.0.0.1")
	pair, err := stdtls.LoadX509KeyPair(cert, cert)
	try(t, err)
	for protocol, script := range map[string][]string{
		// What the server says, and what the client has to.
		"smtp":     {"220-mail\r\n220 mail at your service\r\n", "EHLO localhost\r\n", "250-mail\r\n250 STARTTLS\r\n", "STARTTLS\r\n", "220 go\r\n"},
		"imap":     {"* OK imap\r\n", "a STARTTLS\r\n", "* BYE is a joke\r\na OK go\r\n"},
		"pop3":     {"+OK pop\r\n", "STLS\r\n", "+OK go\r\n"},
		"postgres": {"", "\x00\x00\x00\x08\x04\xd2\x16\x2f", "S"},
	} {
		t.Run(protocol, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			try(t, err)
			defer l.Close()
			done := make(chan struct{})
			go func() {
				defer close(done)
				for refuses := range 2 {
					c, err := l.Accept()
					if err != nil {
						t.Error(err)
						return
					}
					c.SetDeadline(time.Now().Add(patience))
					r := bufio.NewReader(io.LimitReader(c, 1<<20))
					for i, line := range script {
						if i%2 == 1 {
							got := make([]byte, len(line))
							if _, err := io.ReadFull(r, got); err != nil || string(got) != line {
								t.Errorf("the client says %q, %v", got, err)
							}
							continue
						}
						if refuses == 1 && i == len(script)-1 {
							line = "No.\r\n"
						}
						io.WriteString(c, line)
					}
					if refuses == 0 {
						s := stdtls.Server(c, &stdtls.Config{Certificates: []stdtls.Certificate{pair}})
						io.Copy(s, s)
						s.Close()
					}
					c.Close()
				}
			}()
			at := "tls:" + l.Addr().String() + ",starttls=" + protocol + ",ca=" + f.ca()
			if got := converse(t, dial(t, at), "hola"); got != "hola" {
				t.Errorf("after STARTTLS came %q", got)
			}
			_, err = zocalo.Dial(t.Context(), at)
			if !says(err, "tls: starttls="+protocol+": the server answered") {
				t.Errorf("refused, the client says %v", err)
			}
			<-done
		})
	}
}

// A client's first words are put together over any segments, and one that never ends
// them keeps nobody out.
func TestClientHello(t *testing.T) {
	f := newFiles(t)
	l := server(t, "tls:127.0.0.1:0,cert="+f.cert(t, soon, "localhost"), echo)
	var hello []byte
	catch, err := net.Listen("tcp", "127.0.0.1:0")
	try(t, err)
	go func() {
		c, err := stdtls.Dial("tcp", catch.Addr().String(), &stdtls.Config{InsecureSkipVerify: true})
		if err == nil {
			c.Close()
		}
	}()
	c, err := catch.Accept()
	try(t, err)
	hello = make([]byte, 4096)
	n, err := c.Read(hello)
	try(t, err)
	hello = hello[:n]
	c.Close()
	catch.Close()

	for at := range len(hello) {
		c, err := net.Dial("tcp", l.Addr().String())
		try(t, err)
		_, err = c.Write(hello[:at])
		try(t, err)
		if at%50 != 0 {
			c.Close() // cut
			continue
		}
		try(t, c.SetDeadline(time.Now().Add(patience)))
		time.Sleep(2 * time.Millisecond)
		_, err = c.Write(hello[at:])
		try(t, err)
		if b := make([]byte, 5); at > 0 {
			if _, err := io.ReadFull(c, b); err != nil || b[0] != 22 {
				t.Errorf("cut in two at %d, it is answered %x, %v", at, b, err)
			}
		}
		c.Close()
	}
	if got := converse(t, dial(t, "tls:"+l.Name().String()+",sni=localhost,ca="+f.ca()), "hola"); got != "hola" {
		t.Errorf("after all these came %q", got)
	}
}

// Handshakes that stall cost the others nothing: so many as ZOCALO_STALLED says.
func TestStalledHandshakes(t *testing.T) {
	stalled := 3000
	if testing.Short() {
		stalled = 300
	}
	if n, err := strconv.Atoi(os.Getenv("ZOCALO_STALLED")); err == nil {
		stalled = n
	}
	f := newFiles(t)
	l := server(t, "tls:127.0.0.1:0,handshake-timeout=1m,cert="+f.cert(t, soon, "localhost"), echo)
	a := parse(t, "tls:"+l.Name().String()+",sni=localhost,ca="+f.ca())
	for i := range stalled {
		c, err := net.Dial("tcp", l.Addr().String())
		try(t, err)
		defer c.Close()
		if i%2 == 1 {
			c.Write([]byte{22, 3, 1, 2, 0, 1})
		}
		if i%100 != 0 {
			continue
		}
		s, err := zocalo.DialAddress(t.Context(), a)
		try(t, err)
		try(t, s.SetDeadline(time.Now().Add(patience)))
		if got := converse(t, s, "hola"); got != "hola" {
			t.Errorf("beside %d that stall came %q", i, got)
		}
		s.Close()
	}
}

// The end of a context ends a handshake at once, and leaves nothing.
func TestHandshakeEnds(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	try(t, err)
	defer silent.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := zocalo.Dial(ctx, "tls:"+silent.Addr().String()); err == nil || !strings.Contains(err.Error(), "deadline") {
		t.Errorf("a handshake with nobody: %v", err)
	}
	_, err = zocalo.Dial(t.Context(), "tls:"+silent.Addr().String()+",handshake-timeout=50ms")
	if !says(err, "tls: the peer did not finish the handshake within 50 ms: handshake-timeout=TIME allows more") {
		t.Errorf("a handshake with nobody: %v", err)
	}
	plain := server(t, "tcp:127.0.0.1:0", func(s *socket.Socket) { io.WriteString(s, "220 hello\r\n"); io.Copy(io.Discard, s) })
	_, err = zocalo.Dial(t.Context(), "tls:"+plain.Addr().String())
	if !says(err, `tls: the peer does not speak TLS: it sent "220 h"`) {
		t.Errorf("a handshake with a peer without TLS: %v", err)
	}
}
