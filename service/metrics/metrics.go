package metrics

import (
	"maps"
	"net/http"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"zocalo/relay"
	"zocalo/service/upstream"
)

// A State is what a [Source] says at a scrape.
type State struct {
	Services []ServiceState

	Reloads         int64     // of the configuration, that were done
	ReloadsRefused  int64     // and that were not
	Reloaded        time.Time // when one was done last; zero for none
	ReloadSucceeded bool      // the last one that was tried was done

	// Lost are lines that logs did not take, by the log: "journal", "access".
	Lost map[string]int64

	// Version is the program's; "" is what the Go toolchain knows of it.
	Version string
}

// A ServiceState is what a service has done and is.
type ServiceState struct {
	Name   string
	Verb   string // relay, serve or echo
	Up     bool   // it accepts
	Totals relay.Totals
	Pool   *upstream.Status // nil without
}

// A Source says what there is.
type Source func() State

// A Registry has the figures of all services. It is an [http.Handler], which answers GET
// and HEAD on whatever path it is given.
type Registry struct {
	source Source

	mu       sync.Mutex
	services map[string]*Service
}

// New makes one; source may be nil for a registry of pairs alone.
func New(source Source) *Registry {
	if source == nil {
		source = func() State { return State{} }
	}
	return &Registry{source: source, services: map[string]*Service{}}
}

// results are how pairs end, as the label says it.
var results = [...]string{relay.Finished: "finished", relay.Reset: "reset", relay.Idle: "idle", relay.Lifetime: "lifetime", relay.Cancelled: "cancelled", relay.Failed: "failed"}

// A Service counts the pairs of a service. Its methods may be called from many
// goroutines at once.
type Service struct {
	ended   [len(results)]atomic.Int64
	lasted  *histogram
	reached *histogram
	refused atomic.Int64 // attempts that failed
}

// Service returns that of a name, a new one where there is none.
func (r *Registry) Service(name string) *Service {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.services[name]
	if s == nil {
		s = &Service{lasted: newHistogram(pairBounds), reached: newHistogram(reachBounds)}
		r.services[name] = s
	}
	return s
}

// Remove forgets a service that is no longer there: its series end.
func (r *Registry) Remove(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.services, name)
}

// Names are those of the services that there are.
func (r *Registry) Names() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(maps.Keys(r.services))
}

// Ended is for [relay.Hooks] Ended, which must hear of all pairs.
func (s *Service) Ended(p relay.Pair) {
	s.ended[min(int(p.Result.How), len(results)-1)].Add(1)
	s.lasted.observe(p.Result.Duration)
}

// Reached is for [relay.Hooks] Reached.
func (s *Service) Reached(_ int64, a relay.Attempt) {
	if a.Err != nil {
		s.refused.Add(1)
		return
	}
	s.reached.observe(a.Took)
}

// ServeHTTP writes the figures.
func (r *Registry) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	if q.Method != http.MethodGet && q.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "metrics are read, by GET", http.StatusMethodNotAllowed)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	w.Write(r.Append(nil))
}

// Append appends the figures as text.
func (r *Registry) Append(b []byte) []byte {
	state := r.source()
	p := &page{b: b}
	r.pairs(p)
	p.totals(&state)
	p.upstreams(&state)
	p.program(&state)
	p.process()
	return p.b
}

// pairs are the figures that are told.
func (r *Registry) pairs(p *page) {
	r.mu.Lock()
	services := maps.Clone(r.services)
	r.mu.Unlock()
	names := slices.Sorted(maps.Keys(services))
	p.start("zocalo_connections_total", counter, "Finished connections and datagram sessions, by how they ended.")
	for _, name := range names {
		for how, word := range results {
			p.int(services[name].ended[how].Load(), "service", name, "result", word)
		}
	}
	p.start("zocalo_connection_seconds", "histogram", "How long finished connections lasted.")
	for _, name := range names {
		p.histogram(services[name].lasted, "service", name)
	}
	p.start("zocalo_connect_seconds", "histogram", "How long it took to reach the target of a connection.")
	for _, name := range names {
		p.histogram(services[name].reached, "service", name)
	}
	p.start("zocalo_connect_failures_total", counter, "Failed attempts to reach the target of a connection.")
	for _, name := range names {
		p.int(services[name].refused.Load(), "service", name)
	}
}

// The directions, from where the peer sits, as the command's JSON has them.
const sent, received = "sent", "received"

// totals are what services have done, pairs that are open included.
func (p *page) totals(state *State) {
	each := func(name, kind, help string, add func(*ServiceState)) {
		p.start(name, kind, help)
		for i := range state.Services {
			add(&state.Services[i])
		}
	}
	each("zocalo_service_up", gauge, "Whether the service accepts (1) or does not (0).", func(s *ServiceState) {
		p.value(yes(s.Up), "service", s.Name, "verb", s.Verb)
	})
	each("zocalo_connections_open", gauge, "Open connections and sessions.", func(s *ServiceState) {
		p.int(int64(s.Totals.Open), "service", s.Name)
	})
	each("zocalo_bytes_total", counter, "Bytes passed on: sent by peers, and received by them.", func(s *ServiceState) {
		p.int(s.Totals.From[relay.A].Bytes, "service", s.Name, "direction", sent)
		p.int(s.Totals.From[relay.B].Bytes, "service", s.Name, "direction", received)
	})
	each("zocalo_messages_total", counter, "Messages passed on, on kinds with messages: sent by peers, and received by them.", func(s *ServiceState) {
		p.int(s.Totals.From[relay.A].Messages, "service", s.Name, "direction", sent)
		p.int(s.Totals.From[relay.B].Messages, "service", s.Name, "direction", received)
	})
	each("zocalo_datagrams_dropped_total", counter, "Datagrams dropped on the way through.", func(s *ServiceState) {
		p.int(s.Totals.Dropped, "service", s.Name)
	})
	each("zocalo_messages_refused_total", counter, "Messages too long for the other side.", func(s *ServiceState) {
		p.int(s.Totals.Refused, "service", s.Name)
	})
}

// upstreams are the servers of pools.
func (p *page) upstreams(state *State) {
	each := func(name, kind, help string, add func(labels []string, s *upstream.ServerStatus)) {
		p.start(name, kind, help)
		for _, service := range state.Services {
			if service.Pool == nil {
				continue
			}
			for i := range service.Pool.Servers {
				s := &service.Pool.Servers[i]
				if s.Other && s.Health != upstream.Up && s.Total == 0 {
					continue // it cannot be reached from here, and is no concern of anybody's
				}
				add([]string{"service", service.Name, "upstream", s.Address}, s)
			}
		}
	}
	each("zocalo_upstream_up", gauge, "Whether the upstream is used (1), or is down, ejected or off (0).", func(l []string, s *upstream.ServerStatus) {
		p.value(yes(s.Health == upstream.Up), l...)
	})
	each("zocalo_upstream_connections_open", gauge, "Open connections to the upstream.", func(l []string, s *upstream.ServerStatus) {
		p.int(s.Open, l...)
	})
	each("zocalo_upstream_connections_total", counter, "Connections for which the upstream was reached.", func(l []string, s *upstream.ServerStatus) {
		p.int(s.Total, l...)
	})
	each("zocalo_upstream_failures_total", counter, "Attempts to reach the upstream that failed, and connections that it cut before an answer.", func(l []string, s *upstream.ServerStatus) {
		p.int(s.Failed, l...)
	})
	each("zocalo_upstream_bytes_total", counter, "Bytes of finished connections: sent to the upstream, and received from it.", func(l []string, s *upstream.ServerStatus) {
		p.int(s.Sent, append(l, "direction", sent)...)
		p.int(s.Received, append(l, "direction", received)...)
	})
	each("zocalo_upstream_weight_ratio", gauge, "The share of its weight that the upstream has: below 1 while it starts slowly, 0 while it is not up.", func(l []string, s *upstream.ServerStatus) {
		p.value(s.Share, l...)
	})
	each("zocalo_upstream_check_duration_seconds", gauge, "How long the last check of the upstream took.", func(l []string, s *upstream.ServerStatus) {
		if !s.LastCheck.IsZero() {
			p.value(s.LastCheckTook.Seconds(), l...)
		}
	})
	p.start("zocalo_upstream_lookup_failing", gauge, "Whether the last look-up of an upstream's name failed (1).")
	for _, service := range state.Services {
		if service.Pool == nil {
			continue
		}
		for _, member := range slices.Sorted(maps.Keys(service.Pool.Unresolved)) {
			p.int(1, "service", service.Name, "upstream", member)
		}
	}
}

// program is what concerns all services.
func (p *page) program(state *State) {
	p.start("zocalo_reloads_total", counter, "Reloads of the configuration, by result.")
	p.int(state.Reloads, "result", "done")
	p.int(state.ReloadsRefused, "result", "refused")
	p.start("zocalo_reload_last_success_timestamp_seconds", gauge, "When the configuration was last reloaded, 0 for never.")
	at := 0.0
	if !state.Reloaded.IsZero() {
		at = float64(state.Reloaded.UnixMilli()) / 1000
	}
	p.value(at)
	p.start("zocalo_reload_last_successful", gauge, "Whether the last requested reload succeeded (1), or none was requested (1).")
	p.value(yes(state.ReloadSucceeded || state.Reloads+state.ReloadsRefused == 0))
	p.start("zocalo_log_lines_lost_total", counter, "Lines that a log did not take in time, by the log.")
	for _, name := range slices.Sorted(maps.Keys(state.Lost)) {
		p.int(state.Lost[name], "log", name)
	}
	version := state.Version
	if info, ok := debug.ReadBuildInfo(); ok && version == "" {
		version = strings.Trim(info.Main.Version, "()")
	}
	p.start("zocalo_build_info", gauge, "What this program is, as labels; always 1.")
	p.int(1, "version", version, "goversion", runtime.Version(), "goos", runtime.GOOS, "goarch", runtime.GOARCH)
}

func yes(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
