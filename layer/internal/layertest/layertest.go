// Package layertest is for tests of layers: of those that step aside by their own calls, of
// all by listeners and connections that are opened by an address.
package layertest

import (
	"context"
	"io"
	"testing"
	"time"

	"zocalo/socket"
	"zocalo/socket/option"
	"zocalo/socket/scheme"
)

// Prepared is a layer of an address of tcp with those options, each with its value.
func Prepared(t testing.TB, name string, passive bool, options ...string) *scheme.PreparedLayer {
	t.Helper()
	l, _ := scheme.LookupLayer(name)
	tcp, _ := scheme.Lookup("tcp")
	target := scheme.LayerTarget{Passive: passive, Carrier: tcp}
	for i := 0; i < len(options); i += 2 {
		for _, spec := range l.Options {
			if spec.Name == options[i] {
				v, err := spec.Parse(options[i+1])
				if err != nil {
					t.Fatal(err)
				}
				target.Settings = append(target.Settings, option.Setting{Spec: spec, Value: v})
			}
		}
	}
	p, err := l.Prepare(target)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Server tries a server with all that a peer says, which then ends: it must be refused,
// or ask for something by at least as many bytes and leave the others.
func Server(t *testing.T, p *scheme.PreparedLayer, what []byte, least int) {
	s := try(t, what, least, func(ctx context.Context, lower *socket.Socket) (*socket.Socket, error) {
		return p.Server(ctx, lower, func() {})
	})
	if s == nil {
		return
	}
	q, ok := socket.As[socket.Requester](s)
	if !ok || q.Requested().Target == "" {
		t.Fatalf("%q asks for nothing", what)
	}
	q.Answer(socket.Name{}, nil)
}

// Client tries a client with all that a proxy says: that must be an error, or at least so
// many bytes, and the others are left.
func Client(t *testing.T, p *scheme.PreparedLayer, what []byte, least int) {
	try(t, what, least, p.Client)
}

func try(t *testing.T, what []byte, least int, begin func(context.Context, *socket.Socket) (*socket.Socket, error)) *socket.Socket {
	if len(what) > 4096 {
		return nil
	}
	a, b, err := socket.Pair(socket.Unix, socket.Stream, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	b.Write(what)
	b.Shutdown(socket.ShutdownWrite)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	s, err := begin(ctx, a)
	if err != nil {
		return nil
	}
	rest, _ := io.ReadAll(s)
	if len(rest) > len(what)-least || string(rest) != string(what[len(what)-len(rest):]) {
		t.Fatalf("of %q is left %q", what, rest)
	}
	return s
}
