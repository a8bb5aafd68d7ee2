package connect_test

import (
	"testing"

	"zocalo/internal/testenv"
	_ "zocalo/layer/connect"
	"zocalo/layer/internal/layertest"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// Whatever a peer asks, it is refused, or what it says after it is left.
func FuzzServer(f *testing.F) {
	for _, seed := range []string{
		"CONNECT db:5432 HTTP/1.1\r\nHost: db\r\n\r\nmore", "CONNECT [::1]:1 HTTP/1.0\n\n", "GET / HTTP/1.1\r\n\r\n", "CONNECT  HTTP/1.1\n\n", "C", "",
	} {
		f.Add([]byte(seed))
	}
	p := layertest.Prepared(f, "connect", true)
	f.Fuzz(func(t *testing.T, what []byte) { layertest.Server(t, p, what, 9) })
}

// Whatever a proxy answers, it is an error, or what comes after it is left.
func FuzzClient(f *testing.F) {
	for _, seed := range []string{
		"HTTP/1.1 200 OK\r\n\r\n220 hola", "HTTP/1.0 200\n\n", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
		"HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\n<p>no</p>", "HTTP/1.1 502 Bad\r\n\r\n<html><body>no<", "SSH-2.0\r\n", "",
	} {
		f.Add([]byte(seed))
	}
	p := layertest.Prepared(f, "connect", false, "to", "db:5432")
	f.Fuzz(func(t *testing.T, what []byte) { layertest.Client(t, p, what, 8) })
}
