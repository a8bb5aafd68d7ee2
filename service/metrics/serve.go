package metrics

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// The bounds of a server of metrics: scrapers are few, and whoever else comes must not
// use up descriptors that are for pairs.
const (
	maxScrapers = 32
	headerTime  = 5 * time.Second
	writeTime   = 30 * time.Second
	idleTime    = 2 * time.Minute // longer than the pauses of scrapers
	maxHeader   = 16 << 10
)

// Serve answers at /metrics to those who come to l, until ctx ends. It closes l.
func (r *Registry) Serve(ctx context.Context, l net.Listener) error {
	mux := http.NewServeMux()
	mux.Handle("/metrics", r)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		io.WriteString(w, "zocalo: the metrics are at /metrics\n")
	})
	s := &http.Server{
		Handler: mux, ReadHeaderTimeout: headerTime, WriteTimeout: writeTime, IdleTimeout: idleTime, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo),
	}
	// A scrape that is cut is missed once: that is not worth waiting for.
	defer context.AfterFunc(ctx, func() { s.Close() })()
	err := s.Serve(&bounded{Listener: l, places: make(chan struct{}, maxScrapers)})
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("the metrics listener failed: %w", err)
}

// bounded is a listener of which so many connections are open at most; others wait.
type bounded struct {
	net.Listener
	places chan struct{}
}

func (b *bounded) Accept() (net.Conn, error) {
	b.places <- struct{}{}
	c, err := b.Listener.Accept()
	if err != nil {
		<-b.places
		return nil, err
	}
	return &placed{Conn: c, leave: b.places}, nil
}

type placed struct {
	net.Conn
	leave chan struct{}
	once  sync.Once
}

func (p *placed) Close() error {
	err := p.Conn.Close()
	p.once.Do(func() { <-p.leave })
	return err
}
