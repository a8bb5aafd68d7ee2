package upstream

import (
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"zocalo/internal/testenv"
	"zocalo/layer/tls"

	stdtls "crypto/tls"
)

// checkOnce checks an address as its servers are, after what a Config makes of the check.
func checkOnce(t *testing.T, text string, c Check) error {
	t.Helper()
	if c.Timeout == 0 {
		c.Timeout = patience
	}
	p := newPool(t, Config{Members: members(t, text), Check: c})
	return p.config.Check.once(t.Context(), p.servers()[0].check)
}

func says(t *testing.T, err error, text string) {
	t.Helper()
	if text == "" && err != nil || text != "" && (err == nil || !strings.Contains(reason(err), text)) {
		t.Errorf("the check says %v, want %q", err, text)
	}
}

// A check that connects, sends and expects says what it found.
func TestCheckOnce(t *testing.T) {
	good := newEchoing(t, "READY ")
	dead := newEchoing(t, "x")
	dead.die()
	silent := newEchoing(t, "")
	closing := newEchoing(t, "")
	closing.serves(func(c net.Conn) { c.Read(make([]byte, 1)) })
	chatty := newEchoing(t, strings.Repeat("x", mostExpected))
	for _, c := range []struct {
		what, at string
		c        Check
		says     string
	}{
		{"connects", good.address(), Check{}, ""},
		{"refused", dead.address(), Check{}, "connection refused"},
		{"expects", good.address(), Check{Expect: "READY"}, ""},
		{"sends and expects", good.address(), Check{Send: "ping", Expect: "READY ping"}, ""},
		{"another answer", good.address(), Check{Send: "ping", Expect: "pong", Timeout: 100 * time.Millisecond}, `its answer "READY ping" has no "pong"`},
		{"no answer", silent.address(), Check{Expect: "x", Timeout: 50 * time.Millisecond}, `no answer in time, but "x" was expected`},
		{"closed", closing.address(), Check{Send: "x", Expect: "y"}, "it closed the connection"},
		{"too much", chatty.address(), Check{Expect: "y"}, "the first 65536 bytes"},
	} {
		t.Run(c.what, func(t *testing.T) {
			c.c.Kind = CheckConnect
			says(t, checkOnce(t, c.at, c.c), c.says)
		})
	}
	t.Run("another port", func(t *testing.T) {
		_, port, _ := net.SplitHostPort(good.at)
		n, err := net.LookupPort("tcp", port)
		try(t, err)
		says(t, checkOnce(t, "tcp:127.0.0.1:1", Check{Kind: CheckConnect, Port: n}), "")
	})
}

// A server of datagrams is asked by what is sent to it.
func TestCheckOfDatagrams(t *testing.T) {
	at, die := udpEchoing(t, "pong", "127.0.0.1:0")
	c := Check{Kind: CheckConnect, Send: "ping", Expect: "pong"}
	says(t, checkOnce(t, at, c), "")
	c.Expect = ""
	says(t, checkOnce(t, at, c), "")
	c.Expect, c.Timeout = "nothing", 50*time.Millisecond
	says(t, checkOnce(t, at, c), "has no")
	die()
	says(t, checkOnce(t, at, c), "connection refused")
	c.Expect, c.Timeout = "", patience
	says(t, checkOnce(t, at, c), "connection refused")
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	try(t, err)
	defer silent.Close()
	c.Timeout = 50 * time.Millisecond
	says(t, checkOnce(t, "udp:"+silent.LocalAddr().String(), c), "")
}

// A TLS check shakes hands, expects the certificate of the member's own host, and finds one
// that is for another.
func TestCheckTLS(t *testing.T) {
	dir := t.TempDir()
	authority, err := tls.NewAuthority(time.Now().Add(time.Hour))
	try(t, err)
	ca := filepath.Join(dir, "ca.pem")
	try(t, os.WriteFile(ca, authority.Certificate(), 0o600))
	server := func(name string) string {
		text, err := authority.Issue(time.Now().Add(time.Hour), name)
		try(t, err)
		path := filepath.Join(dir, name)
		try(t, os.WriteFile(path, text, 0o600))
		pair, err := stdtls.LoadX509KeyPair(path, path)
		try(t, err)
		l, err := stdtls.Listen("tcp", "127.0.0.1:0", &stdtls.Config{Certificates: []stdtls.Certificate{pair}})
		try(t, err)
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					io.Copy(c, c)
					c.Close()
				}()
			}
		}()
		_, port, _ := net.SplitHostPort(l.Addr().String())
		return port
	}
	local, other := server("localhost"), server("other.example")
	plain := newEchoing(t, "no TLS here")
	is := func(what, at string, c Check, want string) {
		t.Helper()
		c.Timeout = patience
		// As servers are: by an address, with the name of the member.
		p := newPool(t, Config{Members: members(t, at), Check: c})
		m := p.members[0]
		names, err := net.DefaultResolver.LookupNetIP(t.Context(), "ip4", "localhost")
		try(t, err)
		if !names[0].IsLoopback() {
			t.Skip("localhost is not this host")
		}
		a := m.check
		a.Endpoint = "127.0.0.1" + a.Endpoint[strings.LastIndexByte(a.Endpoint, ':'):]
		if err := p.config.Check.once(t.Context(), a); want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", what, err, want)
		}
	}
	withCA := Check{Kind: CheckTLS, Options: "ca=" + ca}
	is("the right name", "tcp:localhost:"+local, withCA, "")
	is("the right name, of an address with TLS", "tls+tcp:localhost:"+local+",ca="+ca, Check{Kind: CheckConnect}, "")
	is("TLS is there", "tls+tcp:localhost:"+local+",ca="+ca, Check{Kind: CheckTLS}, "")
	is("another name", "tcp:localhost:"+other, withCA, "other.example")
	is("sni", "tcp:localhost:"+other, Check{Kind: CheckTLS, Options: "sni=other.example,ca=" + ca, Send: "x", Expect: "x"}, "")
	is("nobody vouches", "tcp:localhost:"+local, Check{Kind: CheckTLS}, "certificate")
	is("no need to", "tcp:localhost:"+local, Check{Kind: CheckTLS, Options: "verify=0"}, "")
	is("no TLS", "tcp:localhost:"+plain.at[strings.LastIndexByte(plain.at, ':')+1:], withCA, "TLS")
}

// Checks of a pool that runs: a real Redis dies and comes back.
func TestChecksOfRedis(t *testing.T) {
	program := testenv.Program(t, "redis-server")
	socket := filepath.Join(t.TempDir(), "redis")
	start := func() (stop func()) {
		ctx, cancel := context.WithCancel(context.Background())
		c := exec.CommandContext(ctx, program, "--port", "0", "--unixsocket", socket, "--save", "", "--dir", t.TempDir())
		try(t, c.Start())
		return func() {
			cancel()
			c.Wait()
			os.Remove(socket)
		}
	}
	stop := start()
	var j journal
	at := "unix:" + socket
	p := newPool(t, Config{Members: members(t, at), Log: j.Logger(), Check: Check{
		Kind: CheckConnect, Send: "PING\r\n", Expect: "+PONG", Interval: 5 * time.Millisecond,
	}})
	run(t, p)
	await(t, "it answers", func() bool {
		s := statusOf(t, p, at)
		return s.Health == Up && s.LastCheckError == "" && !s.LastCheck.IsZero()
	})
	stop()
	await(t, "it is down", func() bool { return statusOf(t, p, at).Health == Down })
	defer start()()
	await(t, "it is up", func() bool { return statusOf(t, p, at).Health == Up })
	if s := j.String(); !strings.Contains(s, "upstream is down") || !strings.Contains(s, "in a row succeeded") {
		t.Errorf("the log is\n%s", s)
	}
}
