package record_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"zocalo/record"

	_ "zocalo/layer/proxyproto"
	_ "zocalo/layer/tls"
	_ "zocalo/layer/websocket"
)

// web is a server of HTTP, and what it answers.
func web(t *testing.T) (at string) {
	l := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "the answer to "+r.URL.Path) })}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return "tcp:" + l.Addr().String()
}

// get asks for a page over a connection.
func get(t *testing.T, s net.Conn, path string) {
	t.Helper()
	must[int](t)(io.WriteString(s, "GET "+path+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
	r := must[*http.Response](t)(http.ReadResponse(bufio.NewReader(s), nil))
	if body := must[[]byte](t)(io.ReadAll(r.Body)); string(body) != "the answer to "+path {
		t.Errorf("the page is %q", body)
	}
}

// The secrets of a client are there before what a server sends with its first words.
func TestWireSecretsOfClient(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "the answer to "+r.URL.Path) }))
			s.TLS = &tls.Config{MaxVersion: version}
			s.StartTLS()
			defer s.Close()
			at := s.Listener.Addr().String()
			r := listening(t, "tcp-listen:127.0.0.1:0", record.Options{Secrets: true}, "tls:"+at+",verify=no")
			c := dial(t, r.at)
			get(t, c, "/dos")
			c.Close()
			r.ended(1)
			r.end()
			same(t, tshark(t, r.file, "_ws.malformed || tcp.checksum.status == 0", "frame.number"))
			decodeAs = "tcp.port==" + port2(at) + ",tls"
			defer func() { decodeAs = "tcp.port==1,tpkt" }()
			same(t, tshark(t, r.file, "http && tls", "http.request.uri", "http.response.code"), "/dos|", "|200")
			same(t, tshark(t, r.file, "frame.comment contains \"side=TO\"", "ip.src"), "127.0.0.1")
		})
	}
}

// Beneath TLS is what the wire has, which tshark decrypts by the secrets in the file.
func TestWireSecrets(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, prefix := range []string{"", "pp+"} {
			t.Run(prefix+tls.VersionName(version), func(t *testing.T) {
				r := listening(t, "tls+"+prefix+"tcp-listen:127.0.0.1:0", record.Options{Secrets: true}, web(t))
				plain := must[net.Conn](t)(net.Dial("tcp", r.at[strings.Index(r.at, "127."):]))
				if prefix != "" {
					io.WriteString(plain, "PROXY TCP4 192.0.2.1 192.0.2.2 5000 443\r\n")
				}
				s := tls.Client(plain, &tls.Config{InsecureSkipVerify: true, MaxVersion: version})
				get(t, s, "/uno")
				s.Close()
				r.ended(1)
				r.end()
				same(t, tshark(t, r.file, "_ws.malformed || tcp.checksum.status == 0", "frame.number"))
				// Of FROM what the wire has, of TO what is said.
				port := r.at[strings.LastIndexByte(r.at, ':')+1:]
				decodeAs = "tcp.port==" + port + ",tls"
				got := tshark(t, r.file, "http.request && tls && tcp.dstport == "+port, "http.request.uri")
				same(t, got, "/uno")
				decodeAs = "tcp.port==" + port2(r.To[0].Endpoint) + ",http"
				same(t, tshark(t, r.file, "http.request && !tls", "http.request.uri"), "/uno")
				decodeAs = "tcp.port==1,tpkt"
				b := must[[]byte](t)(os.ReadFile(r.file))
				if strings.Count(string(b), "GET /uno") != 1 {
					t.Errorf("in plain text %d times", strings.Count(string(b), "GET /uno"))
				}
			})
		}
	}
}
