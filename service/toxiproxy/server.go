package toxiproxy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"zocalo/internal/say"
)

// Port is the one on which toxiproxy listens where nobody says otherwise.
const Port = 8474

// Version is that of the API, as toxiproxy's clients know it.
const Version = "2.12.0"

// The bounds.
const (
	mostBody    = 1 << 20 // bytes of a request
	mostProxies = 10_000
	mostToxics  = 1000 // of a proxy
)

// A Config says what a [Server] tells whom.
type Config struct {
	// Log is told of toxics without effect, unknown attributes and failed pairs; nil
	// discards that.
	Log *slog.Logger

	// Metrics answers GET /metrics; nil is 404, as in toxiproxy without its flag.
	Metrics http.Handler

	// Hosts are names by which clients may call the server, as HOST or HOST:PORT, besides
	// IP addresses, localhost and names without a dot, as those of containers.
	Hosts []string
}

// A Server is an http.Handler that answers the API.
type Server struct {
	config Config
	log    *slog.Logger
	mux    *http.ServeMux

	mu      sync.Mutex
	proxies map[string]*proxy
	closed  bool
}

// New returns a Server without proxies.
func New(c Config) *Server {
	s := &Server{config: c, log: discard(c.Log), mux: http.NewServeMux(), proxies: make(map[string]*proxy)}
	handle := func(pattern string, f func(r *http.Request) (any, int, error)) {
		s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			value, status, err := f(r)
			answer(w, value, status, err)
		})
	}
	handle("POST /reset", s.reset)
	handle("GET /proxies", s.list)
	handle("POST /proxies", s.create)
	handle("POST /populate", s.populate)
	handle("GET /proxies/{proxy}", s.of(func(p *proxy, _ *http.Request) (any, int, error) { return p.show(), 200, nil }))
	handle("POST /proxies/{proxy}", s.of(update))
	handle("PATCH /proxies/{proxy}", s.of(update))
	handle("DELETE /proxies/{proxy}", s.remove)
	handle("GET /proxies/{proxy}/toxics", s.of(func(p *proxy, _ *http.Request) (any, int, error) { return p.show().Toxics, 200, nil }))
	handle("POST /proxies/{proxy}/toxics", s.of(addToxic))
	handle("GET /proxies/{proxy}/toxics/{toxic}", s.of(showToxic))
	handle("POST /proxies/{proxy}/toxics/{toxic}", s.of(setToxic))
	handle("PATCH /proxies/{proxy}/toxics/{toxic}", s.of(setToxic))
	handle("DELETE /proxies/{proxy}/toxics/{toxic}", s.of(func(p *proxy, r *http.Request) (any, int, error) {
		return nil, http.StatusNoContent, p.remove(r.PathValue("toxic"))
	}))
	handle("GET /version", func(*http.Request) (any, int, error) {
		return map[string]string{"version": Version}, 200, nil
	})
	if c.Metrics != nil {
		s.mux.Handle("GET /metrics", c.Metrics)
	}
	return s
}

// Close ends all proxies and their connections.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	all := s.sorted()
	clear(s.proxies)
	s.mu.Unlock()
	for _, p := range all {
		p.mu.Lock()
		p.removed = true
		p.stopped()
		p.mu.Unlock()
	}
}

// Proxies are the proxies as they stand, by name.
func (s *Server) Proxies() (all []Proxy) {
	for _, p := range s.all() {
		all = append(all, p.show())
	}
	return all
}

func (s *Server) all() []*proxy {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sorted()
}

func (s *Server) sorted() []*proxy {
	var all []*proxy
	for _, p := range s.proxies {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b *proxy) int { return strings.Compare(a.name, b.name) })
	return all
}

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.HasPrefix(r.UserAgent(), "Mozilla/"):
		answer(w, nil, 0, &apiError{"User agent not allowed", http.StatusForbidden})
	case !s.isHost(r.Host):
		answer(w, nil, 0, &apiError{fmt.Sprintf("host %q is not this server's: it is asked by an IP address, localhost or a name without a dot", r.Host), http.StatusForbidden})
	default:
		r.Body = http.MaxBytesReader(w, r.Body, mostBody)
		s.mux.ServeHTTP(w, r)
	}
}

// isHost reports whether a request names a host that no stranger can have made to
// resolve here.
func (s *Server) isHost(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.Trim(hostport, "[]")
	}
	if _, err := netip.ParseAddr(host); err == nil || !strings.Contains(host, ".") {
		return true
	}
	return slices.Contains(s.config.Hosts, host) || slices.Contains(s.config.Hosts, hostport)
}

// An apiError is an error with toxiproxy's text and status.
type apiError struct {
	text   string
	status int
}

func (e *apiError) Error() string { return e.text }

var (
	errNoProxy     = &apiError{"proxy not found", http.StatusNotFound}
	errExists      = &apiError{"proxy already exists", http.StatusConflict}
	errNoToxic     = &apiError{"toxic not found", http.StatusNotFound}
	errToxicExists = &apiError{"toxic already exists", http.StatusConflict}
	errType        = &apiError{"invalid toxic type", http.StatusBadRequest}
	errStream      = &apiError{"stream was invalid, can be either upstream or downstream", http.StatusBadRequest}
)

func badRequest(err error) error {
	return &apiError{"bad request body: " + say.Error(err), http.StatusBadRequest}
}

func missing(field string) error {
	return &apiError{"missing required field: " + field, http.StatusBadRequest}
}

// A failure is the body of an error.
type failure struct {
	Error  string `json:"error"`
	Status int    `json:"status"`

	Proxies *[]Proxy `json:"proxies,omitempty"` // of populate: those that were made
}

func failureOf(err error) failure {
	var known *apiError
	if errors.As(err, &known) {
		return failure{Error: known.text, Status: known.status}
	}
	return failure{Error: say.Error(err), Status: http.StatusInternalServerError}
}

func answer(w http.ResponseWriter, value any, status int, err error) {
	if err != nil {
		f := failureOf(err)
		if done, is := value.([]Proxy); is {
			f.Proxies = &done
		}
		value, status = f, f.Status
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if status != http.StatusNoContent {
		json.NewEncoder(w).Encode(value)
	}
}

// read reads the body of a request. An empty one leaves value as it is.
func read(r *http.Request, value any) error {
	if err := json.NewDecoder(r.Body).Decode(value); err != nil && !errors.Is(err, io.EOF) {
		return badRequest(err)
	}
	return nil
}

// of finds the proxy that a request names.
func (s *Server) of(f func(*proxy, *http.Request) (any, int, error)) func(*http.Request) (any, int, error) {
	return func(r *http.Request) (any, int, error) {
		s.mu.Lock()
		p := s.proxies[r.PathValue("proxy")]
		s.mu.Unlock()
		if p == nil {
			return nil, 0, errNoProxy
		}
		return f(p, r)
	}
}

func (s *Server) reset(*http.Request) (any, int, error) {
	for _, p := range s.all() {
		if err := p.reset(); err != nil {
			return nil, 0, err
		}
	}
	return nil, http.StatusNoContent, nil
}

func (s *Server) list(*http.Request) (any, int, error) {
	all := make(map[string]Proxy)
	for _, p := range s.all() {
		all[p.name] = p.show()
	}
	return all, 200, nil
}

// A proxyRequest is a proxy as a client sends it. What is left out stays as it is.
type proxyRequest struct {
	Name     string `json:"name"`
	Listen   string `json:"listen"`
	Upstream string `json:"upstream"`
	Enabled  *bool  `json:"enabled"`
}

func (r *proxyRequest) enabled() bool { return r.Enabled == nil || *r.Enabled }

func (r *proxyRequest) check() error {
	switch {
	case r.Name == "":
		return missing("name")
	case r.Upstream == "":
		return missing("upstream")
	}
	if r.Listen == "" {
		r.Listen = "localhost:0"
	}
	return nil
}

func (s *Server) create(r *http.Request) (any, int, error) {
	var asked proxyRequest
	if err := read(r, &asked); err != nil {
		return nil, 0, err
	}
	if err := asked.check(); err != nil {
		return nil, 0, err
	}
	p, err := s.add(asked)
	if err != nil {
		return nil, 0, err
	}
	return p.show(), http.StatusCreated, nil
}

// add makes a proxy. It is known only once it listens, so that a failure leaves nothing.
func (s *Server) add(asked proxyRequest) (*proxy, error) {
	p := &proxy{server: s, name: asked.Name}
	if err := p.read(asked.Listen, asked.Upstream); err != nil {
		return nil, &apiError{say.Error(err), http.StatusBadRequest}
	}
	p.mu.Lock() // until it is whole
	defer p.mu.Unlock()
	s.mu.Lock()
	switch {
	case s.closed:
		s.mu.Unlock()
		return nil, errors.New("the server is closing")
	case s.proxies[p.name] != nil:
		s.mu.Unlock()
		return nil, errExists
	case len(s.proxies) >= mostProxies:
		s.mu.Unlock()
		return nil, &apiError{fmt.Sprintf("there are already %d proxies, the maximum", mostProxies), http.StatusBadRequest}
	}
	s.proxies[p.name] = p
	s.mu.Unlock()
	if !asked.enabled() {
		return p, nil
	}
	if err := p.start(); err != nil {
		s.mu.Lock()
		if s.proxies[p.name] == p {
			delete(s.proxies, p.name)
		}
		s.mu.Unlock()
		return nil, err
	}
	return p, nil
}

// populate makes many. Those that are there with the same ends stay as they are.
func (s *Server) populate(r *http.Request) (any, int, error) {
	var asked []proxyRequest
	done := []Proxy{}
	if err := read(r, &asked); err != nil {
		return done, 0, err
	}
	for i := range asked {
		if err := asked[i].check(); err != nil {
			return done, 0, &apiError{fmt.Sprintf("%v at proxy %d", err, i+1), http.StatusBadRequest}
		}
	}
	for _, one := range asked {
		s.mu.Lock()
		p := s.proxies[one.Name]
		s.mu.Unlock()
		var err error
		if p == nil {
			p, err = s.add(one)
		} else {
			err = p.change(one.Listen, one.Upstream, one.enabled())
		}
		if err != nil {
			return done, 0, err
		}
		done = append(done, p.show())
	}
	return struct {
		Proxies []Proxy `json:"proxies"`
	}{done}, http.StatusCreated, nil
}

func update(p *proxy, r *http.Request) (any, int, error) {
	now := p.show()
	asked := proxyRequest{Listen: now.Listen, Upstream: now.Upstream, Enabled: &now.Enabled}
	if err := read(r, &asked); err != nil {
		return nil, 0, err
	}
	if err := p.change(asked.Listen, asked.Upstream, asked.enabled()); err != nil {
		return nil, 0, err
	}
	return p.show(), 200, nil
}

func (s *Server) remove(r *http.Request) (any, int, error) {
	name := r.PathValue("proxy")
	s.mu.Lock()
	p := s.proxies[name]
	delete(s.proxies, name)
	s.mu.Unlock()
	if p == nil {
		return nil, 0, errNoProxy
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.removed = true // for a request that has found it already
	p.stopped()
	return nil, http.StatusNoContent, nil
}

func addToxic(p *proxy, r *http.Request) (any, int, error) {
	var asked toxicRequest
	if err := read(r, &asked); err != nil {
		return nil, 0, err
	}
	t, err := p.add(asked)
	return t, 200, err
}

func showToxic(p *proxy, r *http.Request) (any, int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := p.find(r.PathValue("toxic"))
	if i < 0 {
		return nil, 0, errNoToxic
	}
	return p.toxics[i].Toxic, 200, nil
}

func setToxic(p *proxy, r *http.Request) (any, int, error) {
	var asked toxicRequest
	if err := read(r, &asked); err != nil {
		return nil, 0, err
	}
	t, err := p.set(r.PathValue("toxic"), asked)
	return t, 200, err
}
