package proxy_test

import (
	"encoding/binary"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"zocalo"
	"zocalo/socket"
)

// Every client through every server that knows its protocol: nothing is lost of a
// server that speaks first, and each direction ends by itself.
func TestOnward(t *testing.T) {
	db := greeter(t)
	all := map[string]string{
		"proxy": running(t, "proxy-listen:127.0.0.1:0"), "socks": running(t, "socks-listen:127.0.0.1:0"),
		"socks5": running(t, "socks5-listen:127.0.0.1:0"), "socks4": running(t, "socks4a-listen:127.0.0.1:0"),
		"connect": running(t, "connect-listen:127.0.0.1:0"),
	}
	_, port, _ := net.SplitHostPort(db)
	for _, c := range []struct{ client, servers string }{
		{"socks", "proxy socks socks5"}, {"socks5", "proxy socks socks5"}, {"socks5h", "socks5"}, {"connect", "proxy connect"},
		{"socks4", "proxy socks socks4"}, {"socks4a", "proxy socks socks4"},
	} {
		for server := range strings.FieldsSeq(c.servers) {
			for _, host := range []string{"127.0.0.1", "localhost"} {
				t.Run(c.client+"/"+server+"/"+host, func(t *testing.T) {
					s := dial(t, c.client+":"+all[server]+",to="+net.JoinHostPort(host, port))
					if k := s.Kind(); k.Layers != "" {
						t.Errorf("the layer stays: %v", k)
					}
					converse(t, s)
				})
			}
		}
	}
	for text, want := range map[string]string{
		"socks4a:" + all["socks5"]: "socks4a: ", // which ends it, or resets it
		"socks5:" + all["connect"]: "socks5: ",
		"connect:" + all["socks"]:  "connect: ",
		"socks5:" + db:             `socks5: the answer is not SOCKS, it begins with "22"`,
		"connect:" + db:            `connect: the answer is not HTTP, it begins with "220 hola, who is there?\r\n`,
	} {
		t.Run(text, func(t *testing.T) { fails(t, text+",to=db:1,handshake-timeout=2", strings.TrimSuffix(want, `\r\n`)) })
	}
}

// The longest request there may be is served, and one byte more is refused.
func TestLongestRequest(t *testing.T) {
	db := greeter(t)
	for _, listen := range []string{"connect-listen:127.0.0.1:0", "proxy-listen:127.0.0.1:0"} {
		at := running(t, listen)
		for more, want := range []string{"HTTP/1.1 200 ", "HTTP/1.1 431 "} {
			c := dial(t, "tcp:"+at)
			request := "CONNECT " + db + " HTTP/1.1\r\nX: "
			request += strings.Repeat("x", 16<<10-len(request)-4+more) + "\r\n\r\n"
			if _, err := io.WriteString(c, request); err != nil {
				t.Fatal(err)
			}
			c.SetDeadline(time.Now().Add(patience))
			b := make([]byte, len(want))
			if _, err := io.ReadFull(c, b); err != nil || string(b) != want {
				t.Errorf("%s: %d bytes are answered by %q, %v", listen, len(request), b, err)
			}
			c.Close()
		}
	}
}

// An open proxy is warned of, whatever is beneath it.
func TestOpenProxyIsTold(t *testing.T) {
	for _, text := range []string{"socks:0.0.0.0:0", "socks+tls+tcp:0.0.0.0:0"} {
		l, err := zocalo.Listen(t.Context(), text)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Join(l.Notices(), "\n"); !strings.Contains(n, "an open proxy") {
			t.Errorf("%s: %q", text, n)
		}
		l.Close()
	}
}

// A chain of three, each of which looks the next one's name up.
func TestChain(t *testing.T) {
	db, one, two, three := greeter(t), running(t, "socks-listen:127.0.0.1:0"), running(t, "connect-listen:127.0.0.1:0"), running(t, "proxy-listen:127.0.0.1:0")
	local := func(at string) string { return strings.Replace(at, "127.0.0.1", "localhost", 1) }
	converse(t, dial(t, "socks5+connect+socks4a+tcp:"+one+",socks4a.to="+two+",connect.to="+local(three)+",socks5.to="+local(db)))
	converse(t, dial(t, "socks5+socks5+tcp:"+one+",to="+local(three)+",to="+db))
	fails(t, "socks5+socks5+tcp:"+one+",to="+three+",to="+nobody(t), "socks5: the proxy did not connect to")
}

// Proxies over layers that stay cannot peek, and take no more either.
func TestOverTLS(t *testing.T) {
	db := greeter(t)
	ca, certificate := certificates(t)
	for _, layer := range []string{"socks5", "socks4a", "connect"} {
		at := running(t, layer+"+tls+tcp-listen:127.0.0.1:0,cert="+certificate)
		converse(t, dial(t, layer+"+tls+tcp:"+at+",ca="+ca+",sni=db.example,to="+db))
	}
}

// What TLS over a proxy verifies is where the proxy goes on to.
func TestTLSExpectsDestination(t *testing.T) {
	ca, certificate := certificates(t)
	web := running(t, "tls-listen:127.0.0.1:0,cert="+certificate, "tcp:"+greeter(t))
	_, port, _ := net.SplitHostPort(web)
	for _, layer := range []string{"connect", "socks5"} {
		at := running(t, "proxy-listen:127.0.0.1:0")
		fails(t, "tls+"+layer+"+tcp:"+at+",ca="+ca+",to="+web, "tls: ")
		fails(t, "tls+"+layer+"+tcp:"+at+",ca="+ca+",to=localhost:"+port, "localhost")
		converse(t, dial(t, "tls+"+layer+"+tcp:"+at+",ca="+ca+",sni=db.example,to="+web))
	}
}

// Why nothing was reached is told in the proxy's own words.
func TestAnswers(t *testing.T) {
	at := running(t, "proxy-listen:127.0.0.1:0,deny-to=*.forbidden,deny-to=localhost:9")
	for to, want := range map[string][3]string{
		nobody(t):            {"the connection was refused", `"502 Bad Gateway"`, "it failed without giving a reason"},
		"localhost:9":        {"its rules do not permit it", `"403 Forbidden"`, "it failed without giving a reason"},
		"169.254.169.254:80": {"its rules do not permit it", `"403 Forbidden"`, "it failed without giving a reason"},
		"0.0.0.0:80":         {"its rules do not permit it", `"403 Forbidden"`, "it failed without giving a reason"},
		"224.0.0.1:80":       {"its rules do not permit it", `"403 Forbidden"`, "it failed without giving a reason"},
		at:                   {"its rules do not permit it", `"403 Forbidden"`, "it failed without giving a reason"},
		"nobody.invalid:1":   {"the host is unreachable or unknown", `"502 Bad Gateway"`, "it failed without giving a reason"},
	} {
		for i, layer := range []string{"socks5", "connect", "socks4a"} {
			fails(t, layer+":"+at+",to="+to, layer+": the proxy did not connect to "+to+": ")
			fails(t, layer+":"+at+",to="+to, want[i])
		}
	}
}

// With allow-to= it is that which may be reached, and what is special only if named.
func TestAllowTo(t *testing.T) {
	db := greeter(t)
	_, port, _ := net.SplitHostPort(db)
	for rules, want := range map[string]string{
		"":                              "",
		",allow-to=127.0.0.0/8":         "",
		",allow-to=127.0.0.1:" + port:   "",
		",allow-to=*:" + port:           "",
		",allow-to=*:1-65535":           "",
		",allow-to=10.0.0.0/8":          "its rules do not permit it",
		",allow-to=0.0.0.0/0:1-1023":    "its rules do not permit it",
		",allow-to=localhost":           "its rules do not permit it", // it was asked for by address
		",deny-to=127.0.0.0/8":          "its rules do not permit it",
		",allow-to=*,deny-to=127.0.0.1": "its rules do not permit it",
		",allow-to=localhost,allow-to=127.0.0.1:" + port: "",
	} {
		text := "socks5:" + running(t, "socks-listen:127.0.0.1:0"+rules) + ",to=" + db
		if want == "" {
			converse(t, dial(t, text))
		} else {
			fails(t, text, want)
		}
	}
	fails(t, "socks5:"+running(t, "socks-listen:127.0.0.1:0,allow-to=0.0.0.0/0,allow-to=*")+",to=169.254.1.1:80", "its rules do not permit it")
}

func TestUsers(t *testing.T) {
	db := greeter(t)
	at := running(t, "proxy-listen:127.0.0.1:0,users="+file(t, "# who may\nana:se:creto\nbea:x\n"))
	right, wrong, other := file(t, "se:creto\n"), file(t, "secreto\nse:creto\n"), file(t, "x")
	for _, layer := range []string{"socks5", "connect"} {
		converse(t, dial(t, layer+":"+at+",user=ana,password-file="+right+",to="+db))
		converse(t, dial(t, layer+":"+at+",user=bea,password-file="+other+",to="+db))
		fails(t, layer+":"+at+",to="+db, "the proxy requires authentication")
		for user, password := range map[string]string{"ana": wrong, "bea": right, "eva": other} {
			want := "the proxy did not accept the password of"
			if layer == "connect" {
				want = `"407 Proxy Authentication Required"`
			}
			fails(t, layer+":"+at+",to="+db+",user="+user+",password-file="+password, want)
		}
	}
	fails(t, "socks4a:"+at+",user=ana,to="+db, "it failed without giving a reason")
	fails(t, "socks5:"+at+",user=ana,to="+db, "add password-file=")
	fails(t, "socks5:"+at+",password-file="+right+",to="+db, "password-file= without user=")
	fails(t, "socks4:"+at+",user=ana,password-file="+right+",to="+db, "SOCKS 4 has no passwords")
	fails(t, "socks5:"+at, "to=HOST:PORT")
	fails(t, "socks4:"+at+",to=[::1]:80", "SOCKS 4 does not support IPv6")
}

// Where TO is fixed, or the verb is another than relay, who asks is there.
func TestFixed(t *testing.T) {
	converse(t, dial(t, "socks5:"+running(t, "socks-listen:127.0.0.1:0", "tcp:"+greeter(t))+",to=whatever:1"))
	fails(t, "connect:"+running(t, "connect-listen:127.0.0.1:0", "tcp:"+nobody(t))+",to=whatever:1", "502 Bad Gateway")
}

// One listener asks once.
func TestAskedTwice(t *testing.T) {
	_, err := zocalo.Listen(t.Context(), "socks5+connect+tcp:127.0.0.1:0")
	if err == nil || !strings.Contains(err.Error(), "socks5: a layer beneath already asks peers") {
		t.Errorf("%v", err)
	}
	l, err := zocalo.Listen(t.Context(), "proxy-listen:0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if n := l.Notices(); len(n) != 1 || !strings.Contains(n[0], "an open proxy") {
		t.Errorf("%q", n)
	}
}

// requests are some, in whole.
func requests(to string) map[string][]byte {
	_, port, _ := net.SplitHostPort(to)
	d, _ := net.LookupPort("tcp", port)
	bytes := binary.BigEndian.AppendUint16(nil, uint16(d))
	return map[string][]byte{
		"socks4":  append(append([]byte{4, 1}, bytes...), "\x7f\x00\x00\x01me\x00"...),
		"socks4a": append(append([]byte{4, 1}, bytes...), "\x00\x00\x00\x01me\x00localhost\x00"...),
		"socks5":  append([]byte("\x05\x01\x00\x05\x01\x00\x03\x09localhost"), bytes...),
		"connect": []byte("CONNECT localhost:" + port + " HTTP/1.1\r\nHost: db\r\n\r\n"),
	}
}

// Requests come in any pieces, with what the client says next in the last of them;
// and one that is cut short costs the others nothing.
func TestPieces(t *testing.T) {
	db := greeter(t)
	at := running(t, "proxy-listen:127.0.0.1:0")
	for name, request := range requests(db) {
		for cut := range len(request) + 1 {
			c := plain(t, at)
			c.Write(request[:cut])
			if cut%4 == 0 {
				time.Sleep(2 * time.Millisecond)
			}
			c.Write(append(request[cut:len(request):len(request)], "question"...))
			c.(*net.TCPConn).CloseWrite()
			all, err := io.ReadAll(c)
			if !strings.HasSuffix(string(all), greeting+"questionadios") || err != nil {
				t.Fatalf("%s cut at %d: %q, %v", name, cut, all, err)
			}
			c.Close()

			c = plain(t, at)
			c.Write(request[:cut])
			if cut%2 == 0 {
				c.(*net.TCPConn).SetLinger(0)
			}
			c.Close()
		}
	}
	converse(t, dial(t, "socks5:"+at+",to="+db))
}

// plain connects without a layer.
func plain(t testing.TB, at string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { c.Close() })
	return c
}

// What is too much, or nothing that a proxy knows, is answered or ended, and never waited
// for.
func TestNonsense(t *testing.T) {
	at := running(t, "proxy-listen:127.0.0.1:0")
	for sent, want := range map[string]string{
		"GET http://example.org/ HTTP/1.1\r\n\r\n": "HTTP/1.1 405 Method Not Allowed",
		"CONNECT db HTTP/1.1\r\n\r\n":              "HTTP/1.1 400 Bad Request",
		"CONNECT d/b:1 HTTP/1.1\r\n\r\n":           "HTTP/1.1 400 Bad Request",
		"HELO me\r\n\r\n":                          "HTTP/1.1 400 Bad Request",
		"CONNECT db:1 HTTP/1.1\r\nA: " + strings.Repeat("a", 1<<15) + "\r\n\r\n": "HTTP/1.1 431 Request Header Fields Too Large",
		"\x05\x02\x01\x02": "\x05\xff",
		"\x05\x01\x00\x05\x02\x00\x01\x7f\x00\x00\x01\x00\x01":         "\x05\x00\x05\x07\x00\x01\x00\x00\x00\x00\x00\x00",
		"\x05\x01\x00\x05\x01\x00\x09":                                 "\x05\x00\x05\x08\x00\x01\x00\x00\x00\x00\x00\x00",
		"\x05\x01\x00\x05\x01\x00\x03\x02a\n\x00\x01":                  "\x05\x00\x05\x04\x00\x01\x00\x00\x00\x00\x00\x00",
		"\x04\x02\x00\x01\x7f\x00\x00\x01\x00":                         "\x00\x5b\x00\x00\x00\x00\x00\x00",
		"\x04\x01\x00\x01\x7f\x00\x00\x01" + strings.Repeat("u", 1000): "",
		"\x16\x03\x01\x00\x00":                                         "",
		"\x05":                                                         "",
	} {
		c := plain(t, at)
		io.WriteString(c, sent)
		c.(*net.TCPConn).CloseWrite()
		got, _ := io.ReadAll(c)
		if !strings.HasPrefix(string(got), want) || want == "" && len(got) > 0 {
			t.Errorf("%.60q is answered by %q, want %q", sent, got, want)
		}
	}
}

// Who says nothing takes no place of one who does.
func TestStalled(t *testing.T) {
	db := greeter(t)
	at := running(t, "socks-listen:127.0.0.1:0,handshake-timeout=60")
	n := 1200 // more than there are places
	if testing.Short() {
		n = 50
	}
	var files syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files) == nil {
		n = min(n, int(files.Cur/4))
	}
	for i := range n {
		c := plain(t, at)
		if i%2 == 0 {
			c.Write([]byte{5, 1})
		}
		if i%100 == 99 {
			converse(t, dial(t, "socks5:"+at+",to="+db))
		}
	}
	converse(t, dial(t, "socks5:"+at+",to="+db))
}

// A listener of another kind is a proxy too.
func TestOverUnix(t *testing.T) {
	path := t.TempDir() + "/proxy"
	running(t, "proxy+unix-listen:"+path)
	s := dial(t, "socks5+unix:"+path+",to="+greeter(t))
	if s.Domain() != socket.Unix {
		t.Errorf("it is %v", s.Kind())
	}
	converse(t, s)
}
