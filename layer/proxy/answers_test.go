package proxy_test

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// answering is a proxy that answers each client's first words with the same bytes, as
// often as the client reads them, then resets or ends the connection.
func answering(t *testing.T, answers []string, more string, reset bool) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-served })
	serve := func(c net.Conn) {
		defer c.Close()
		c.SetDeadline(time.Now().Add(patience))
		for _, a := range answers {
			if _, err := c.Read(make([]byte, 4096)); err != nil {
				return
			}
			io.WriteString(c, a)
		}
		for endless := bytes.Repeat([]byte(more), 1000); more != ""; {
			if _, err := c.Write(endless); err != nil {
				return
			}
		}
		if reset {
			c.(*net.TCPConn).SetLinger(0)
		}
	}
	go func() {
		defer close(served)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serve(c)
		}
	}()
	return l.Addr().String()
}

// Proxies that answer nonsense, too much, too little or nothing: each has an error that
// says so, and none is waited for without end.
func TestBadAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		layer   string
		answers []string
		more    string // without end
		reset   bool
		want    string
	}{
		"ends at once":           {"socks5", []string{""}, "", false, "socks5: the peer closed the connection during the handshake"},
		"resets":                 {"socks5", []string{""}, "", true, "socks5: the peer reset the connection during the handshake"},
		"http ends":              {"connect", []string{"HTTP/1.1 200 OK\r\n"}, "", false, "connect: the peer closed the connection during the handshake"},
		"http resets":            {"connect", []string{"HTTP/1.1 200 OK\r\n"}, "", true, "connect: the peer reset the connection during the handshake"},
		"other protocol":         {"socks5", []string{"SSH-2.0-x\r\n"}, "", false, `socks5: the answer is not SOCKS, it begins with "SS"`},
		"other protocol to http": {"connect", []string{"SSH-2.0-x\r\n\r\n"}, "", false, `connect: the answer is not HTTP, it begins with "SSH-2.0-x`},
		"endless zeros":          {"socks5", []string{""}, "\x00", false, `socks5: the answer is not SOCKS, it begins with "\x00\x00"`},
		"endless line":           {"connect", []string{"HTTP/1.1 200 "}, "x", false, "connect: the peer sent more than 16384 bytes"},
		"endless headers":        {"connect", []string{"HTTP/1.1 200 OK\r\n"}, "A: b\r\n", false, "connect: the peer sent more than 16384 bytes"},
		"endless promises":       {"connect", []string{""}, "HTTP/1.1 100 Continue\r\n\r\n", false, "connect: the proxy sent more than 10 interim answers"},
		"endless refusal":        {"connect", []string{"HTTP/1.1 503 No\x1b[31m\r\n\r\n"}, "no ", false, `it answered "503 No\x1b[31m": "no no no`},
		"wants a password":       {"socks5", []string{"\x05\x02"}, "", false, "the proxy requires authentication: add user= and password-file="},
		"wants what is unknown":  {"socks5", []string{"\x05\x01"}, "", false, "the proxy chose the authentication method 1, which was not offered"},
		"cut within the address": {"socks5", []string{"\x05\x00", "\x05\x00\x00\x01\x7f"}, "", false, "the peer closed the connection during the handshake"},
		"address of no type":     {"socks5", []string{"\x05\x00", "\x05\x00\x00\x09\x7f"}, "", false, "the message has an unknown address type: 9"},
		"unknown code":           {"socks5", []string{"\x05\x00", "\x05\x63\x00"}, "", false, "it answered with the unknown code 99"},
		"unknown code of 4":      {"socks4a", []string{"\x00\x00\x00\x00\x00\x00\x00\x00"}, "", false, "it answered with the unknown code 0"},
		"ident":                  {"socks4a", []string{"\x00\x5d\x00\x00\x00\x00\x00\x00"}, "", false, "it could not verify user= by the ident protocol (code 93)"},
	} {
		t.Run(name, func(t *testing.T) {
			fails(t, c.layer+":"+answering(t, c.answers, c.more, c.reset)+",to=db:1", c.want)
		})
	}
}

// A proxy that says nothing is waited for as long as handshake-timeout= says.
func TestSilentProxy(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for layer := range strings.FieldsSeq("socks4 socks5 connect") {
		fails(t, layer+":"+l.Addr().String()+",to=127.0.0.1:1,handshake-timeout=50ms", layer+": the peer did not finish the handshake within 50 ms")
	}
}
