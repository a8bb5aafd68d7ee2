package admin

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"zocalo/internal/control"
)

// The bounds of a server.
const (
	mostClients = 64       // connections at once; more wait
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
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return l.Close()
	}
	s.https = append(s.https, h)
	s.mu.Unlock()
	if err := h.Serve(bounded{l, make(chan struct{}, mostClients)}); !errors.Is(err, http.ErrServerClosed) {
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

// bounded accepts a connection once there is a place for it.
type bounded struct {
	net.Listener
	places chan struct{}
}

func (l bounded) Accept() (net.Conn, error) {
	l.places <- struct{}{}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.places
		return nil, err
	}
	return &placed{Conn: c, leave: sync.OnceFunc(func() { <-l.places })}, nil
}

type placed struct {
	net.Conn
	leave func()
}

func (c *placed) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
