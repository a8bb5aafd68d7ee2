package socks_test

import (
	"testing"

	"zocalo/internal/testenv"
	"zocalo/layer/internal/layertest"
	_ "zocalo/layer/socks"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// Whatever a peer asks, it is refused, or what it says after it is left.
func FuzzServer(f *testing.F) {
	for _, seed := range []string{
		"\x05\x01\x00\x05\x01\x00\x03\x02db\x15\x38more", "\x05\x02\x00\x02\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x50",
		"\x05\x01\x00\x05\x01\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x50",
		"\x05\x01\x00\x05\x03\x00\x01\x00\x00\x00\x00\x00\x00", "\x04\x01\x00\x50\x7f\x00\x00\x01me\x00more", "\x04\x01\x00\x50\x00\x00\x00\x01\x00db\x00",
		"\x05\xff", "\x05\x01\x02", "\x04", "",
	} {
		f.Add([]byte(seed))
	}
	p := layertest.Prepared(f, "socks", true)
	f.Fuzz(func(t *testing.T, what []byte) { layertest.Server(t, p, what, 9) })
}

// Whatever a proxy answers, it is an error, or what comes after it is left.
func fuzzClient(f *testing.F, layer string, seeds ...string) {
	for _, seed := range seeds {
		f.Add([]byte(seed))
	}
	p := layertest.Prepared(f, layer, false, "to", "db:5432")
	f.Fuzz(func(t *testing.T, what []byte) { layertest.Client(t, p, what, 8) })
}

func FuzzClient5(f *testing.F) {
	fuzzClient(f, "socks5", "\x05\x00\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00220 hola", "\x05\x00\x05\x00\x00\x03\x02db\x00\x50", "\x05\x00\x05\x05", "\x05\xff", "HTTP/1.1 400", "")
}

func FuzzClient4(f *testing.F) {
	fuzzClient(f, "socks4a", "\x00\x5a\x00\x00\x00\x00\x00\x00220 hola", "\x00\x5b\x00\x00\x00\x00\x00\x00", "\x05\x00", "")
}
