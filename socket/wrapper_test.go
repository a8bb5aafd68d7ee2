package socket_test

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"zocalo/socket"
	"zocalo/socket/option"
)

// A guard is a wrapper with something to end besides the socket.
type guard struct {
	socket.Endpoint
	ended int
}

func (g *guard) Unwrap() socket.Endpoint { return g.Endpoint }

func (g *guard) Close() error {
	g.ended++
	return g.Endpoint.Close()
}

// Nothing ends a socket behind the back of what wraps it, and an abort is a
// reset all the same.
func TestWrapperEnds(t *testing.T) {
	for _, inSocket := range []bool{false, true} {
		a, b := tcp.pair(t)
		released := false
		g := &guard{Endpoint: a.Unwrap()}
		if inSocket {
			a.OnClose(func() { released = true })
			g.Endpoint = a
		}
		s := socket.Wrap(g, a.Kind())
		if fd, err := s.Detach(); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("Detach gave %d, %v", fd, err)
		}
		if _, ok := socket.As[socket.Descriptor](s); !ok {
			t.Error("the wrapper hides the descriptor")
		}
		check(t, s.Abort())
		if g.ended != 1 || released != inSocket {
			t.Errorf("Abort closed the wrapper %d times, and ran OnClose: %v", g.ended, released)
		}
		_, err := b.Read(make([]byte, 1))
		wantError(t, "Read", err, syscall.ECONNRESET)
		wantError(t, "Abort again", s.Abort(), net.ErrClosed)
	}
}

// Every wrapper and layer of the tree says itself how it is aborted, unless
// there is nothing to reset.
func TestWrappersAbort(t *testing.T) {
	connectionless := map[string]bool{"iso.datagram": true}
	declares := map[string]map[string]bool{} // methods, by package and type
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || d.Name() == "peers"):
			return fs.SkipDir
		case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || f.Recv == nil {
				continue
			}
			of := f.Recv.List[0].Type
			if star, ok := of.(*ast.StarExpr); ok {
				of = star.X
			}
			name, ok := of.(*ast.Ident)
			if !ok {
				continue
			}
			method := f.Name.Name
			if method == "Unwrap" || method == "Lower" {
				if !returnsEndpoint(f) {
					continue
				}
				method = "reaches beneath"
			}
			key := file.Name.Name + "." + name.Name
			if declares[key] == nil {
				declares[key] = map[string]bool{}
			}
			declares[key][method] = true
		}
		return nil
	})
	check(t, err)
	found := 0
	for key, methods := range declares {
		if !methods["reaches beneath"] {
			continue
		}
		found++
		if !methods["Close"] || !methods["Abort"] && !connectionless[key] {
			t.Errorf("%s is a wrapper or layer without a Close and an Abort of its own", key)
		}
	}
	if found < 4 {
		t.Errorf("only %d wrappers and layers were found", found)
	}
}

func returnsEndpoint(f *ast.FuncDecl) bool {
	if f.Type.Results == nil || len(f.Type.Results.List) != 1 {
		return false
	}
	switch r := f.Type.Results.List[0].Type.(type) {
	case *ast.Ident:
		return r.Name == "Endpoint"
	case *ast.SelectorExpr:
		return r.Sel.Name == "Endpoint"
	}
	return false
}

// What OnClose was given never runs once the descriptor was handed on: not by a
// Close that comes afterwards, nor by one that loses the race.
func TestDetachNeverReleases(t *testing.T) {
	for range 200 {
		s := unixStream.open(t)
		released := false
		s.OnClose(func() { released = true })
		closed := make(chan error)
		go func() { closed <- s.Close() }()
		fd, err := s.Detach()
		errClose := <-closed
		if detached := err == nil; detached {
			check(t, syscall.Close(fd))
			wantError(t, "Close", errClose, net.ErrClosed)
			s.OnClose(func() { released = true })
			wantError(t, "Close again", s.Close(), net.ErrClosed)
			if released {
				t.Fatal("OnClose ran after Detach")
			}
		} else if check(t, errClose); !released {
			t.Fatal("OnClose did not run after Close")
		}
	}
}

func TestPeerCredentialsOfNobody(t *testing.T) {
	connected, _ := tcp.pair(t)
	for name, s := range map[string]*socket.Socket{"unconnected": unixStream.open(t), "tcp": connected} {
		if who, err := option.PeerCredentials.Get(s); !errors.Is(err, errors.ErrUnsupported) || who != (socket.Credentials{}) {
			t.Errorf("%s: %v, %v", name, who, err)
		}
	}
}

// A connection that lingers drops what comes, and its answer arrives whole.
func TestCloseLingering(t *testing.T) {
	for _, k := range []testKind{tcp, unixStream} {
		a, b := k.pair(t)
		write(t, b, "a question that nobody reads")
		write(t, a, "the answer")
		done := make(chan error)
		go func() { done <- a.CloseLingering() }()
		wantRead(t, b, "the answer")
		write(t, b, "more")
		_, err := b.Read(make([]byte, 1))
		wantError(t, "Read", err, io.EOF)
		write(t, b, "and more")
		check(t, b.Close())
		check(t, <-done)
	}
	a, _ := tcp.pair(t)
	done := make(chan error)
	go func() { done <- a.CloseLingering() }()
	if err := a.Abort(); err != nil && !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
	<-done
}
