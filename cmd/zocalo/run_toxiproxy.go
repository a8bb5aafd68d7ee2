package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"zocalo/relay"
	"zocalo/service/admin"
	"zocalo/service/toxiproxy"
)

// toxic is toxiproxy's API of run.
type toxic struct {
	at     string // HOST:PORT, "" for none
	server *toxiproxy.Server
}

// serveToxiproxy serves the API until the func that it returns is called.
func (r *runRun) serveToxiproxy() (end func(), err error) {
	if r.toxic.at == "" {
		return func() {}, nil
	}
	l, err := listenFlag("--toxiproxy", r.toxic.at, fmt.Sprintf("127.0.0.1:%d", toxiproxy.Port))
	if err != nil {
		return nil, err
	}
	r.toxic.server = toxiproxy.New(toxiproxy.Config{Log: r.log})
	s := &http.Server{Handler: r.toxic.server, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: time.Minute,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)}
	if r.json {
		err = r.printJSON(map[string]string{"event": "toxiproxy", "address": l.Addr().String()})
	} else if !r.quiet {
		r.sayf("toxiproxy's API at %s", l.Addr())
	}
	if err != nil {
		l.Close()
		return nil, err
	}
	go func() {
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			r.log.Error("toxiproxy's API has stopped", "error", err)
		}
	}()
	return func() {
		s.Close()
		r.toxic.server.Close()
	}, nil
}

// toxicName is how the admin API names a proxy among the services.
func toxicName(p toxiproxy.Proxy) string { return "toxiproxy:" + p.Name }

// services are the proxies.
func (t *toxic) services() (all []admin.Service) {
	if t.server == nil {
		return nil
	}
	t.server.Each(func(p toxiproxy.Proxy, r *relay.Relay) {
		a := admin.Service{Name: toxicName(p), Verb: "relay", From: []string{p.Listen}, To: []string{p.Upstream}}
		if r == nil {
			a.State = "disabled"
		} else {
			a = counted(a, r)
		}
		all = append(all, a)
	})
	return all
}

// pairs are those of a proxy, nil if no proxy has the name.
func (t *toxic) pairs(name string) (pairs []admin.Pair) {
	if t.server == nil {
		return nil
	}
	t.server.Each(func(p toxiproxy.Proxy, r *relay.Relay) {
		if toxicName(p) != name {
			return
		}
		pairs = []admin.Pair{}
		if r != nil {
			pairs = adminPairs(r.Open())
		}
	})
	return pairs
}

// counted fills in what a relay has done.
func counted(s admin.Service, r *relay.Relay) admin.Service {
	s.Engine, s.Slower = r.Engine()
	t := r.Totals()
	s.Open, s.Ended, s.Reset, s.Failed, s.Refused, s.Dropped = t.Open, t.Ended, t.Reset, t.Failed, t.Refused, t.Dropped
	for side := range t.From {
		s.Bytes[side], s.Messages[side] = t.From[side].Bytes, t.From[side].Messages
	}
	return s
}
