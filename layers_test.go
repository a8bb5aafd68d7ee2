package zocalo_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"zocalo"
	"zocalo/address"
	"zocalo/codec"
	"zocalo/socket"
	"zocalo/socket/option"
	"zocalo/socket/scheme"
)

// Two layers of tests. shift adds a number to every byte of a stream, and
// says hello as a prefix layer does: HELLO, a word, and a line's end.
var (
	shiftBy = option.New(option.Spec{Name: "by", Phase: option.Naming, Doc: "a number to add", Default: "1"}, codec.Integer, nil, nil)
	shiftTo = option.New(option.Spec{Name: "word", Phase: option.Naming, Doc: "nothing", Default: "none"}, codec.Text.Or("WORD"), nil, nil)
	helloTo = option.New(option.Spec{Name: "to", Phase: option.Naming, Doc: "where to go on to", Default: "none"}, codec.Text.Or("PLACE"), nil, nil)
	word    = option.New(option.Spec{Name: "word", Phase: option.Naming, Doc: "what to say", Default: "HELLO"}, codec.Text.Or("WORD"), nil, nil)

	shift = &scheme.Layer{
		LayerKind: socket.LayerKind{Name: "shift"}, Doc: "adds to bytes", Short: "tcp",
		Options: []*option.Spec{shiftBy.Spec, shiftTo.Spec},
		Needs: func(p socket.Properties) string {
			if !p.Reliable || !p.Connected {
				return "it needs every byte, in order"
			}
			return ""
		},
	}
	hello = &scheme.Layer{LayerKind: socket.LayerKind{Name: "hello", Prefix: true}, Doc: "says hello", Options: []*option.Spec{helloTo.Spec, word.Spec}}
)

func init() {
	shift.Prepare = prepareShift
	hello.Prepare = prepareHello
	scheme.RegisterLayer(shift)
	scheme.RegisterLayer(hello)
}

// prepared counts calls of Prepare.
var prepared struct {
	sync.Mutex
	n            int
	destinations []string
}

func prepareShift(t scheme.LayerTarget) (*scheme.PreparedLayer, error) {
	prepared.Lock()
	prepared.n++
	prepared.destinations = append(prepared.destinations, t.Destination)
	prepared.Unlock()
	by, _ := shiftBy.In(t.Settings)
	if by == 13 {
		return nil, errors.New("13 brings bad luck: take another")
	}
	over := func(_ context.Context, lower *socket.Socket) (*socket.Socket, error) {
		return shift.Wrap(&shifted{Endpoint: lower, by: byte(max(by, 1))}, lower), nil
	}
	return &scheme.PreparedLayer{
		Client: over,
		Server: func(ctx context.Context, lower *socket.Socket, heard func()) (*socket.Socket, error) {
			return over(ctx, lower)
		},
	}, nil
}

// shifted is the endpoint of the layer shift.
type shifted struct {
	socket.Endpoint
	by byte
}

func (s *shifted) Lower() socket.Endpoint { return s.Endpoint }

func (s *shifted) Read(b []byte) (int, error) {
	n, err := s.Endpoint.Read(b)
	for i := range b[:n] {
		b[i] -= s.by
	}
	return n, err
}

func (s *shifted) Write(b []byte) (int, error) {
	c := make([]byte, len(b))
	for i := range b {
		c[i] = b[i] + s.by
	}
	return s.Endpoint.Write(c)
}

func prepareHello(t scheme.LayerTarget) (*scheme.PreparedLayer, error) {
	to, _ := helloTo.In(t.Settings)
	say := "HELLO " + t.Destination + "\n"
	return &scheme.PreparedLayer{
		Destination: to,
		Client: func(_ context.Context, lower *socket.Socket) (*socket.Socket, error) {
			_, err := io.WriteString(lower, say)
			return lower, err
		},
		Server: func(ctx context.Context, lower *socket.Socket, heard func()) (*socket.Socket, error) {
			defer context.AfterFunc(ctx, func() { lower.SetReadDeadline(time.Unix(1, 0)) })()
			var b [1]byte
			for line := ""; !strings.HasSuffix(line, "\n"); line += string(b[:]) {
				if _, err := lower.Read(b[:]); err != nil {
					return nil, err
				}
				heard()
				if len(line) == 5 && line != "HELLO" {
					return nil, fmt.Errorf("%q is no hello", line)
				}
			}
			return lower, nil
		},
		Notices: func(listening string) []string { return []string{"say hello to " + listening} },
	}, nil
}

// layered listens and dials, and has a word pass each way.
func layered(t *testing.T, listen, dial string) (client, server *socket.Socket) {
	t.Helper()
	l, err := zocalo.Listen(t.Context(), listen)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	got := make(chan *socket.Socket, 1)
	go func() {
		s, err := l.Accept(t.Context())
		if err != nil {
			t.Errorf("Accept: %v", err)
		}
		got <- s
	}()
	client, err = zocalo.Dial(t.Context(), strings.ReplaceAll(dial, "AT", l.Name().String()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	if server = <-got; server == nil {
		t.FailNow()
	}
	t.Cleanup(func() { server.Close() })
	b := make([]byte, 16)
	for _, d := range [][2]*socket.Socket{{client, server}, {server, client}} {
		if _, err := io.WriteString(d[0], "hola"); err != nil {
			t.Fatal(err)
		}
		if n, err := io.ReadFull(d[1], b[:4]); string(b[:n]) != "hola" || err != nil {
			t.Fatalf("%q, %v", b[:n], err)
		}
	}
	return client, server
}

func TestLayers(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct{ listen, dial, kind string }{
		{"shift+tcp:127.0.0.1:0", "shift+tcp:AT", "shift+tcp"},
		{"shift+tcp-listen:127.0.0.1:0", "shift+tcp-connect:AT", "shift+tcp"},
		{"shift-listen:127.0.0.1:0,by=3", "shift:AT,shift.by=3", "shift+tcp"},
		{"shift+unix:" + dir + "/a", "shift+unix:AT", "shift+unix"},
		{"shift+shift+tcp:127.0.0.1:0,by=1,by=2", "shift+tcp:AT,by=3", "shift+tcp"},
		{"hello+tcp:127.0.0.1:0", "hello+tcp:AT", "tcp"},
		{"shift+hello+tcp:127.0.0.1:0", "shift+hello+tcp:AT,to=there,hello.word=x", "shift+tcp"},
		{"hello+shift+tcp:localhost:0,by=7", "hello+shift+tcp:AT,by=7", "shift+tcp"},
	} {
		t.Run(c.dial, func(t *testing.T) {
			client, server := layered(t, c.listen, c.dial)
			if k := client.Kind().String(); k != c.kind {
				t.Errorf("the kind is %s, want %s", k, c.kind)
			}
			_, bare := socket.As[socket.Descriptor](server)
			if bare != (c.kind == "tcp") {
				t.Errorf("found a descriptor: %v", bare)
			}
			if err := option.NoDelay.Set(client, true); err != nil && client.Domain() != socket.Unix {
				t.Errorf("an option of the socket beneath: %v", err)
			}
			if p := client.Properties(); (p.Urgent == 0) != strings.Contains(c.kind, "shift") || p.Bounded || !p.Reliable {
				t.Errorf("properties %+v", p)
			}
		})
	}
}

// Layers are prepared once for an address, and told where the connection goes.
func TestLayersPrepared(t *testing.T) {
	l, err := zocalo.Listen(t.Context(), "hello+tcp:127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if got := l.Notices(); len(got) != 1 || got[0] != "say hello to hello+tcp:"+l.Name().String() {
		t.Errorf("Notices = %q", got)
	}
	a, err := address.Parse("shift+hello+tcp:" + l.Name().String() + ",to=db:5432")
	if err != nil {
		t.Fatal(err)
	}
	prepared.n, prepared.destinations = 0, nil
	for range 3 {
		s, err := zocalo.DialAddress(t.Context(), a)
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
	}
	if prepared.n != 1 || prepared.destinations[0] != "db:5432" {
		t.Errorf("prepared %d times, for %v", prepared.n, prepared.destinations)
	}
	if again, err := address.Parse(a.String()); err != nil || again.String() != a.String() {
		t.Errorf("%v is read as %v, %v", a, again, err)
	}
}

// One peer that is silent, and one that is wrong, cost the others nothing.
func TestLayersHandshakes(t *testing.T) {
	l, err := zocalo.Listen(t.Context(), "hello+tcp:127.0.0.1:0,handshake-timeout=50ms")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	failed := make(chan string, 2)
	l.OnHandshake(func(_ *socket.Socket, err error) {
		if err != nil {
			failed <- err.Error()
		}
	})
	accepted := make(chan *socket.Socket)
	go func() {
		s, _ := l.Accept(context.Background())
		accepted <- s
	}()
	silent, err := net.Dial("tcp", l.Name().String())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	wrong, err := net.Dial("tcp", l.Name().String())
	if err != nil {
		t.Fatal(err)
	}
	defer wrong.Close()
	io.WriteString(wrong, "GET / HTTP/1.0\n")
	right, err := zocalo.Dial(t.Context(), "hello+tcp:"+l.Name().String())
	if err != nil {
		t.Fatal(err)
	}
	defer right.Close()
	if s := <-accepted; s.RemoteAddr().String() != right.LocalAddr().String() {
		t.Errorf("accepted %v, want %v", s.RemoteAddr(), right.LocalAddr())
	} else {
		s.Close()
	}
	all := <-failed + " " + <-failed
	for _, want := range []string{`hello: "GET /" is no hello`, "hello: the peer did not finish the handshake within 50 ms"} {
		if !strings.Contains(all, want) {
			t.Errorf("%s: no %q", all, want)
		}
	}
}

func TestLayersErrors(t *testing.T) {
	for text, want := range map[string]string{
		"shif+tcp:h:1":                `unknown layer "shif": did you mean shift?`,
		"tcp+tcp:h:1":                 `address "tcp": it is not a layer: layers come first, and what carries them last, as in tls+tcp:`,
		"shift+tpc:h:1":               `unknown scheme "tpc": did you mean tcp?`,
		"shift+udp:h:1":               "shift: it cannot go over udp: it needs every byte, in order",
		"hello:h:1":                   "hello: write what it goes over: hello+tcp:ENDPOINT",
		"shift+hello+tcp:h:1,word=x":  "option word of shift+hello+tcp: several have one of that name: write shift.word= or hello.word=",
		"shift+tcp:h:1,by=1,by=2":     `option by of shift+tcp: it is given twice, as "1" and "2": omit one`,
		"shift+tcp:127.0.0.1:1,by=13": "shift+tcp:127.0.0.1:1,by=13: shift: 13 brings bad luck: take another",
		"tcp:127.0.0.1:1,by=13":       "tcp takes no option by, which is for shift",
		"tls+tcp:h:1":                 "layer tls is not supported here: it needs the package zocalo/layer/tls, imported by the program",
		"tls:h:1":                     "layer tls is not supported here: it needs the package zocalo/layer/tls, imported by the program",
	} {
		_, err := zocalo.Dial(t.Context(), text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}
