package websocket_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"zocalo"
	"zocalo/address"
	"zocalo/socket"
)

var localURL, _ = url.Parse("ws://localhost/")

// What a listener refuses gets an HTTP answer that says why, and clients show it.
func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		listen, options, status string // 101 for what is served
	}{
		{"", "", "101"},
		{"/chat", "", "101"},
		{"/chat", ",path=/other", "404 Not Found"},
		{"/chat?room=1", "", "101"},
		{"", ",subprotocol=mqtt", "the server accepted none of subprotocol=mqtt"},
		{",subprotocol=mqtt", ",subprotocol=amqp", "400 Bad Request"},
		{",subprotocol=mqtt,subprotocol=amqp", ",subprotocol=wamp,subprotocol=amqp", "101"},
		{",subprotocol=mqtt", "", "101"},
		{"", ",origin=https://example.org", "403 Forbidden"},
		{",origin=https://example.org", ",origin=https://Example.org", "101"},
		{",origin=https://example.org", ",origin=http://example.org", "403 Forbidden"},
		{",origin=https://example.org", "", "101"},
		{",origin=*", ",origin=null", "101"},
		{"", ",origin=null", "403 Forbidden"},
		{"", ",origin=http://OWN", "101"},
		{"", ",origin=http://127.0.0.1.evil.example", "403 Forbidden"},
		{"", ",header=Sec-WebSocket-Version: 13", "101"},
	} {
		t.Run(c.listen+" "+c.options, func(t *testing.T) {
			at := c.listen
			if !strings.HasPrefix(at, "/") {
				at = "/" + at
			}
			l := server(t, "ws:127.0.0.1:0"+at, echo)
			to := "ws:" + l.Addr().String() + strings.ReplaceAll(c.options, "OWN", l.Addr().String())
			if strings.HasPrefix(c.listen, "/") && !strings.Contains(c.options, "path=") {
				to = "ws:" + l.Addr().String() + c.listen + c.options
			}
			s, err := zocalo.Dial(t.Context(), to)
			if err == nil {
				defer s.Close()
			}
			if c.status == "101" && err != nil || c.status != "101" && (err == nil || !strings.Contains(err.Error(), c.status)) {
				t.Errorf("Dial: %v; want %s", err, c.status)
			}
		})
	}
}

// A page elsewhere that has a browser take this machine for its host does not get in.
func TestRebinding(t *testing.T) {
	l := server(t, "ws:127.0.0.1:0", echo)
	for host, want := range map[string]int{"evil.example": 403, "localhost": 101, "127.0.0.1": 101} {
		conn, err := net.Dial("tcp", l.Addr().String())
		try(t, err)
		defer conn.Close()
		fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s:80\r\nOrigin: http://%[1]s\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", host)
		r, err := http.ReadResponse(bufio.NewReader(conn), nil)
		try(t, err)
		if r.StatusCode != want {
			t.Errorf("Host and Origin %s: %s; want %d", host, r.Status, want)
		}
		if got := r.Header.Get("Sec-WebSocket-Accept"); want == 101 && got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
			t.Errorf("Sec-WebSocket-Accept is %q", got)
		}
	}
}

// Who asks for a page is told that there is none.
func TestPlainHTTP(t *testing.T) {
	l := server(t, "ws:127.0.0.1:0/chat", echo)
	if r, err := http.Get("http://" + l.Addr().String() + "/other"); err != nil || r.StatusCode != http.StatusNotFound {
		t.Errorf("another path: %v, %v", r, err)
	} else {
		r.Body.Close()
	}
	for _, method := range []string{"GET", "POST"} {
		q, err := http.NewRequest(method, "http://"+l.Addr().String()+"/chat", strings.NewReader("body"))
		try(t, err)
		r, err := http.DefaultTransport.RoundTrip(q)
		try(t, err)
		body, err := io.ReadAll(r.Body)
		r.Body.Close()
		if r.StatusCode != http.StatusUpgradeRequired || err != nil || !strings.Contains(string(body), "WebSocket") || r.Header.Get("Upgrade") != "websocket" {
			t.Errorf("%s: %s, %q, %v", method, r.Status, body, err)
		}
	}
}

// A client sends what its options say, and shows what a server that refuses says.
func TestClient(t *testing.T) {
	asked := make(chan *http.Request, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r
		switch r.URL.Path {
		case "/moved":
			http.Redirect(w, r, "https://elsewhere.example/", http.StatusMovedPermanently)
		case "/secret":
			http.Error(w, "who are you?", http.StatusUnauthorized)
		case "/page":
			fmt.Fprint(w, "<html><head><title>x</title></head><body><h1>Hola</h1> mundo</body></html>")
		case "/wrong":
			w.Header().Set("Upgrade", "websocket")
			w.Header().Set("Connection", "Upgrade")
			w.Header().Set("Sec-WebSocket-Accept", "AAAAAAAAAAAAAAAAAAAAAAAAAAA=")
			w.WriteHeader(http.StatusSwitchingProtocols)
		}
	}))
	defer s.Close()
	file := filepath.Join(t.TempDir(), "password")
	try(t, os.WriteFile(file, []byte("secreto\nmore\n"), 0o600))
	at := strings.TrimPrefix(s.URL, "http:")
	for path, want := range map[string]string{
		"/moved": `"301 Moved Permanently": "Moved Permanently ."`, "/secret": "give user= and password-file=", "/page": `"200 OK": "Hola mundo"`, "/wrong": "Sec-WebSocket-Accept",
	} {
		_, err := zocalo.Dial(t.Context(), "ws:"+at+path+"?x=1,header=X-One: 1,header=x-two:2,user=ana,password-file="+file+",origin=https://here.example,subprotocol=a,subprotocol=b")
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secreto") {
			t.Errorf("%s: %v; want %q in it", path, err, want)
		}
		r := <-asked
		user, password, _ := r.BasicAuth()
		for name, want := range map[string]string{
			"X-One": "1", "X-Two": "2", "Origin": "https://here.example", "Sec-Websocket-Protocol": "a, b", "Sec-Websocket-Version": "13", "Connection": "Upgrade", "Upgrade": "websocket",
		} {
			if got := r.Header.Get(name); got != want {
				t.Errorf("%s: header %s is %q; want %q", path, name, got, want)
			}
		}
		if user != "ana" || password != "secreto" || r.URL.RawQuery != "x=1" || "//"+r.Host != at {
			t.Errorf("%s: asked for %v of %s by %s, %s", path, r.URL, r.Host, user, password)
		}
	}
}

// A server that refuses by HTTP/1.0, as Python's does, is understood too.
func TestOldRefusal(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	try(t, err)
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		http.ReadRequest(bufio.NewReader(c))
		io.WriteString(c, "HTTP/1.0 404 File not found\r\nContent-Type: text/html\r\n\r\n<p>nothing here")
	}()
	if _, err := zocalo.Dial(t.Context(), "ws:"+l.Addr().String()); err == nil || !strings.Contains(err.Error(), `"404 File not found": "nothing here"`) {
		t.Errorf("Dial: %v", err)
	}
}

// The frames of a server that speaks first come with its answer.
func TestServerSpeaksFirst(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	try(t, err)
	defer l.Close()
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		var answer strings.Builder
		if _, err := (ws.Upgrader{}).Upgrade(struct {
			io.Reader
			io.Writer
		}{conn, &answer}); err != nil {
			t.Error(err)
			return
		}
		ws.WriteFrame(&answer, text("hola"))
		ws.WriteFrame(&answer, bye)
		io.WriteString(conn, answer.String())
		io.Copy(io.Discard, conn)
	}()
	s := dial(t, "ws:"+l.Addr().String())
	read(t, s, "hola")
	readEnd(t, s, io.EOF)
}

// A message goes out as the peer's last came, or as type= says.
func TestType(t *testing.T) {
	b, s := accepted(t, "")
	for _, send := range []ws.Frame{text("a"), binary("b"), text("c")} {
		b.send(send)
		read(t, s, string(send.Payload))
		write(t, s, "answer")
		if f, _ := b.read(); f.Header.OpCode != send.Header.OpCode {
			t.Errorf("%v was answered by %v", send.Header.OpCode, f.Header.OpCode)
		}
	}
	write(t, s, "\xff")
	if f, _ := b.read(); f.Header.OpCode != ws.OpBinary {
		t.Error("what is no text went out as one")
	}
	b, s = accepted(t, ",type=text")
	if _, err := s.Write([]byte("\xff")); err == nil {
		t.Error("type=text sends what is no text")
	}
	write(t, s, "texto")
	if f, _ := b.read(); f.Header.OpCode != ws.OpText || string(f.Payload) != "texto" {
		t.Errorf("came %v", f)
	}
}

func TestFacts(t *testing.T) {
	client, server := pair(t, "ws:127.0.0.1:0,subprotocol=mqtt,deflate", ",subprotocol=mqtt,deflate,path=/chat?room=1")
	for s, want := range map[*socket.Socket]string{
		client: "ws subprotocol mqtt, deflate on", server: "ws path /chat?room=1, subprotocol mqtt, deflate on",
	} {
		if got := s.Facts().String(); got != want {
			t.Errorf("the facts are %q; want %q", got, want)
		}
	}
}

// URLs are read as they are.
func TestURLs(t *testing.T) {
	for from, to := range map[string]string{
		"ws://host/chat?room=1&x=y":      "ws+tcp:host:80,path=/chat?room=1&x=y",
		"wss://host":                     "ws+tls+tcp:host:443",
		"wss://[::1]/x":                  "ws+tls+tcp:[::1]:443,path=/x",
		"ws:[::1]:8080":                  "ws+tcp:[::1]:8080",
		"WSS://Host:1":                   "ws+tls+tcp:Host:1",
		"ws-listen:8080/chat":            "ws+tcp-listen:8080,path=/chat",
		"wss-stream:host/a,,b,ping=3":    "ws-stream+tls+tcp:host:443,path=/a,,b,ping=3s",
		"ws+unix:/run/x.sock,path=/chat": "ws+unix:/run/x.sock,path=/chat",
		"wss+unix:/run/x.sock":           "ws+tls+unix:/run/x.sock",
		"ws://ana:secreto@host/":         "!user=NAME,password-file=FILE",
		"ws:host/a b":                    "!not the path",
		"ws:host/,path=/b":               "!given twice",
		"ws+udp:host:1":                  "!reliable",
	} {
		a, err := address.Parse(from)
		switch want, fails := strings.CutPrefix(to, "!"); {
		case fails && (err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secreto")):
			t.Errorf("%s: %v; want %q", from, err, want)
		case !fails && (err != nil || a.String() != to):
			t.Errorf("%s is %v, %v; want %s", from, a, err, to)
		}
	}
}
