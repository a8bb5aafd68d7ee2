package admin

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"zocalo/internal/control"
)

// The bounds of a server.
const (
	mostClients = 64       // connections at once
	mostStreams = 16       // of these, that follow what changes
	mostBody    = 64 << 10 // bytes of a request
	patience    = 10 * time.Second
	answerTime  = time.Minute // for a reload, too; streams have their own
	idle        = 2 * time.Minute
)

// A Config says what a [Server] shows and who may ask. Source is needed.
type Config struct {
	Source Source
	Controls

	// Token is what requests must carry, except over unix sockets. "" refuses all of them.
	Token string

	// Hosts are further names of the server, as HOST:PORT, for a listener on an address
	// other than that which clients use.
	Hosts []string

	Log   *Log   // what is remembered of the log; nil is nothing
	Calls *Calls // of socket calls; nil is nothing

	Version string
}

// A Server answers on any number of listeners.
type Server struct {
	config  Config
	began   time.Time
	streams chan struct{}

	ending context.Context
	end    context.CancelFunc

	mu     sync.Mutex
	https  []*http.Server
	closed bool
}

// New returns a Server that does not listen yet.
func New(c Config) *Server {
	s := &Server{config: c, began: time.Now(), streams: make(chan struct{}, mostStreams)}
	s.ending, s.end = context.WithCancel(context.Background())
	return s
}

// Serve answers on a listener until [Server.Close], and then returns nil.
func (s *Server) Serve(l net.Listener) error {
	g := &guard{next: s.handler(), token: sha256.Sum256([]byte(s.config.Token))}
	if u, is := l.(*net.UnixListener); is {
		l = ownUser{u}
	} else {
		for _, h := range append(hostsOf(l.Addr()), s.config.Hosts...) {
			g.hosts = append(g.hosts, canonical(h))
		}
		if s.config.Token == "" {
			l.Close()
			return errors.New("an admin server that is not on a unix socket needs a token")
		}
	}
	h := &http.Server{
		Handler: g, ReadHeaderTimeout: patience, ReadTimeout: patience, WriteTimeout: answerTime, IdleTimeout: idle, MaxHeaderBytes: 16 << 10,
		ErrorLog:    slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context { return s.ending },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, isPlaced{}, c) },
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return l.Close()
	}
	s.https = append(s.https, h)
	s.mu.Unlock()
	if err := h.Serve(&bounded{Listener: l}); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Close ends all listeners and connections.
func (s *Server) Close() {
	s.end()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, h := range s.https {
		h.Close()
	}
}

// ownUser accepts connections of this user and of root.
type ownUser struct{ *net.UnixListener }

func (l ownUser) Accept() (net.Conn, error) {
	for {
		c, err := l.AcceptUnix()
		if err != nil {
			return nil, err
		}
		if uid, _, err := control.Peer(c); err == nil && (uid == os.Geteuid() || uid == 0) {
			return c, nil
		}
		c.Close()
	}
}

// bounded holds so many connections at most. A further one takes the place of the oldest of
// which no request was let through, so that whoever has no token keeps nobody out; where all were
// let through it is turned away.
type bounded struct {
	net.Listener
	mu   sync.Mutex
	open []*placed // the oldest first
}

func (l *bounded) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if p := l.place(c); p != nil {
			return p, nil
		}
		c.Close()
	}
}

// place returns the connection with its place, nil if there is none.
func (l *bounded) place(c net.Conn) *placed {
	l.mu.Lock()
	var gives *placed
	if len(l.open) >= mostClients {
		i := slices.IndexFunc(l.open, func(p *placed) bool { return !p.known.Load() })
		if i < 0 {
			l.mu.Unlock()
			return nil
		}
		gives = l.open[i]
		l.open = slices.Delete(l.open, i, i+1)
	}
	p := &placed{Conn: c, of: l}
	l.open = append(l.open, p)
	l.mu.Unlock()
	if gives != nil {
		gives.Conn.Close() // its server closes it again
	}
	return p
}

// A placed connection has a place of a bounded.
type placed struct {
	net.Conn
	of    *bounded
	known atomic.Bool // a request was let through
}

func (p *placed) Close() error {
	p.of.mu.Lock()
	if i := slices.Index(p.of.open, p); i >= 0 {
		p.of.open = slices.Delete(p.of.open, i, i+1)
	}
	p.of.mu.Unlock()
	return p.Conn.Close()
}

// isPlaced is the key of a request's connection in its context.
type isPlaced struct{}

// letThrough notes that a request's connection is somebody's who may ask.
func letThrough(r *http.Request) {
	if p, is := r.Context().Value(isPlaced{}).(*placed); is {
		p.known.Store(true)
	}
}
