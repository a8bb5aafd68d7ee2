package quic_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"zocalo"
	"zocalo/address"
	"zocalo/layer/quic"
	"zocalo/socket/option"
)

// Of what a peer sends, this package reads the byte that begins a stream: all after it comes out as it
// went in, and nothing of a stream that begins otherwise.
func FuzzStream(f *testing.F) {
	for _, s := range []string{"", "z", "zhola", "x", "Z", "zz", "\x00z"} {
		f.Add([]byte(s))
	}
	l, err := zocalo.Listen(f.Context(), "quic:127.0.0.1:0")
	try(f, err)
	f.Cleanup(func() { l.Close() })
	c, err := bareClient(f, l.Addr(), nil, quic.Protocol)
	try(f, err)
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := c.OpenStreamSync(t.Context())
		try(t, err)
		go func() { // a stream that is refused takes no more
			s.Write(data)
			s.Close()
			s.CancelRead(0)
		}()
		served, err := l.Accept(t.Context())
		try(t, err)
		try(t, served.SetDeadline(time.Now().Add(patience)))
		got, err := io.ReadAll(served)
		want, begins := bytes.CutPrefix(data, []byte("z"))
		switch {
		case begins && (err != nil || !bytes.Equal(got, want)):
			t.Errorf("of %q came %q, %v", data, got, err)
		case !begins && (!errors.Is(err, syscall.ECONNRESET) || len(got) > 0):
			t.Errorf("of %q, which begins no stream, came %q, %v", data, got, err)
		}
		served.Close()
	})
}

// An address is refused in one line, or is the same once it is written and read again, and what its
// options say can be prepared.
func FuzzAddress(f *testing.F) {
	for _, s := range []string{
		"quic:h:1", "quic://h:1,alpn=h3,alpn=a,,b", "quic-listen:any:0,streams=100,idle-timeout=1s,keepalive=0", "quic:h:1,early,sni=x,verify=no",
		"quic-dgram-listen:[::1]:0,peer-idle=0", "quic-dgram:h:1,rcvbuf=1MiB,bind=:4433", "quic:h:1,idle-timeout=1ms", "quic:h:1,streams=0", "quic:h:1,alpn=",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := address.Parse(text)
		if err != nil {
			if m := err.Error(); m == "" || strings.ContainsAny(m, "\n\x00\x1b") {
				t.Fatalf("Parse(%q) fails with %q, which is not one line", text, m)
			}
			return
		}
		if !strings.HasPrefix(a.Scheme.Name, "quic") {
			return
		}
		again, err := address.Parse(a.String())
		if err != nil || again.String() != a.String() || len(again.Settings) != len(a.Settings) {
			t.Fatalf("%q is %v, and that is %v, %v", text, a, again, err)
		}
		for _, s := range a.Settings {
			if s.Spec.Phase == option.Naming && strings.Contains(s.Spec.Doc, "file") {
				return // it would be read
			}
		}
		for _, passive := range []bool{true, false} {
			zocalo.CheckAddress(a, passive)
		}
	})
}
