package toxiproxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"zocalo"
	"zocalo/address"
	"zocalo/fault"
	"zocalo/internal/say"
	"zocalo/internal/units"
	"zocalo/relay"
	"zocalo/service/verb"
	"zocalo/socket"
)

// startPatience bounds how long a proxy may take to listen, which takes no time but for names.
const startPatience = 10 * time.Second

// A proxy is one of the API.
type proxy struct {
	server *Server
	name   string

	// mu makes changes one at a time.
	mu       sync.Mutex
	asked    string // listen as it was asked for
	listen   string // and what the system made of it
	upstream string
	from, to address.Address
	toxics   []placed
	made     int // toxics, ever

	running *running // nil where disabled
	removed bool     // it is not to start again
}

// placed is a toxic with its fault.
type placed struct {
	Toxic
	fault  string // its name in the plan
	handle *fault.Handle
}

// A running proxy is a relay.
type running struct {
	relay *relay.Relay
	plan  *fault.Plan
	stop  context.CancelFunc
	done  chan struct{} // closed when Run has returned
	err   error
}

// read reads the two addresses. A HOST:PORT is of TCP, as toxiproxy has it; other sockets
// are taken besides, but see [onlySockets].
func (p *proxy) read(listen, upstream string) (err error) {
	if p.from, err = verb.Read(listen, "tcp-listen"); err != nil {
		return err
	}
	if !p.from.Passive(true) {
		return fmt.Errorf("%s does not listen", listen)
	}
	if p.to, err = verb.Read(upstream, "tcp"); err != nil {
		return err
	}
	if once, _ := p.from.IsOnce(); once {
		return fmt.Errorf("%s takes one connection (once), and a proxy takes any number: omit it", listen)
	}
	for _, a := range []address.Address{p.from, p.to} {
		if err := onlySockets(a); err != nil {
			return err
		}
	}
	p.asked, p.listen, p.upstream = listen, listen, upstream
	return nil
}

// onlySockets refuses addresses that do more than talk over a network or a unix socket: the
// API has no authentication, so whoever reaches it could run programs, and read and write files,
// as the user of this process.
func onlySockets(a address.Address) error {
	carrier := a.Scheme
	if carrier.Carrier != nil {
		carrier = carrier.Carrier
	}
	for _, d := range carrier.Domains {
		if d != socket.Inet && d != socket.Inet6 && d != socket.Unix {
			return refused(a)
		}
	}
	if len(carrier.Domains) == 0 || carrier.Program || carrier.File || carrier.Inherited != nil {
		return refused(a)
	}
	for _, s := range a.Settings {
		if word := s.Spec.Value; strings.HasPrefix(word, "FILE") || strings.HasPrefix(word, "FOLDER") {
			return fmt.Errorf("the option %s names a file: this API takes no files, so write a service with faults in a file of zocalo run", s.Spec.Name)
		}
	}
	return nil
}

func refused(a address.Address) error {
	return fmt.Errorf("%v is not a socket of TCP, UDP or the unix domain: this API takes no others, so write a service with faults in a file of zocalo run", a)
}

// start makes the proxy listen. The caller holds mu.
func (p *proxy) start() error {
	if p.removed {
		return errNoProxy
	}
	if p.running != nil {
		return nil
	}
	r := &running{plan: fault.New(fault.DrawSeed()), done: make(chan struct{})}
	r.plan.Precise = true
	r.plan.Warn = func(text string) { p.server.log.Warn("toxic without effect", "proxy", p.name, "why", text) }
	for i := range p.toxics {
		h, err := r.plan.Add(p.toxics[i].Toxic.fault(p.toxics[i].fault))
		if err != nil {
			return err
		}
		p.toxics[i].handle = h
	}
	listening := make(chan string, 16)
	r.relay = &relay.Relay{Config: relay.Config{
		From: p.from, To: []address.Address{p.to}, Log: p.server.log.With("proxy", p.name),
		Hooks: relay.Hooks{
			Filter: r.plan.Filter,
			Listening: func(l *zocalo.Listener, _ address.Address) error {
				for _, s := range l.Sockets() {
					select {
					case listening <- s.Name().String():
					default:
					}
				}
				return nil
			},
		},
	}}
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	go func() {
		defer close(r.done)
		r.err = r.relay.Run(ctx)
	}()
	select {
	case p.listen = <-listening:
		p.keepPort()
		p.running = r
		return nil
	case <-r.done:
		stop()
		if r.err == nil {
			return errors.New("it does not listen")
		}
		return r.err
	case <-time.After(startPatience):
		r.end()
		return fmt.Errorf("listening on %s took longer than %s", p.asked, units.Set(startPatience))
	}
}

// keepPort makes the proxy keep the port that the system chose when it listens again.
func (p *proxy) keepPort() {
	host, isAny := strings.CutSuffix(p.from.Endpoint, ":0")
	if p.from.Endpoint == "0" {
		host, isAny = "", true
	}
	if _, port, err := net.SplitHostPort(p.listen); isAny && err == nil {
		p.from.Endpoint = strings.TrimPrefix(host+":"+port, ":")
	}
}

// stopped ends the proxy and its connections. The caller holds mu.
func (p *proxy) stopped() {
	if p.running != nil {
		p.running.end()
		p.running = nil
	}
	for i := range p.toxics {
		p.toxics[i].handle = nil
	}
}

func (r *running) end() {
	r.stop()
	r.relay.Abort()
	<-r.done
}

// A Proxy is a proxy as the API shows it.
type Proxy struct {
	Name     string  `json:"name"`
	Listen   string  `json:"listen"`
	Upstream string  `json:"upstream"`
	Enabled  bool    `json:"enabled"`
	Toxics   []Toxic `json:"toxics"`
}

// shown is the proxy as it stands. The caller holds mu.
func (p *proxy) shown() Proxy {
	s := Proxy{p.name, p.listen, p.upstream, p.running != nil, []Toxic{}}
	for _, t := range p.toxics {
		s.Toxics = append(s.Toxics, t.Toxic)
	}
	return s
}

func (p *proxy) show() Proxy {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.shown()
}

// same reports whether the proxy has these two ends already. The caller holds mu.
func (p *proxy) same(listen, upstream string) bool {
	return (listen == p.asked || listen == p.listen) && upstream == p.upstream
}

// change gives the proxy other ends, which drops its connections, and enables or disables it.
func (p *proxy) change(listen, upstream string, enabled bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.same(listen, upstream) {
		other := &proxy{}
		if err := other.read(listen, upstream); err != nil {
			return &apiError{say.Error(err), http.StatusBadRequest}
		}
		p.stopped()
		p.from, p.to, p.asked, p.listen, p.upstream = other.from, other.to, other.asked, other.listen, other.upstream
	}
	if !enabled {
		p.stopped()
		return nil
	}
	return p.start()
}

// find is the place of a toxic, -1 if no toxic has the name. The caller holds mu.
func (p *proxy) find(name string) int {
	return slices.IndexFunc(p.toxics, func(t placed) bool { return t.Name == name })
}

// A toxicRequest is a toxic as a client sends it.
type toxicRequest struct {
	Name       string          `json:"name"`
	Type       string          `json:"type"`
	Stream     string          `json:"stream"`
	Toxicity   *float32        `json:"toxicity"`
	Attributes json.RawMessage `json:"attributes"`
}

// add adds a toxic at the end of the chain, for connections that are open too.
func (p *proxy) add(r toxicRequest) (Toxic, error) {
	stream := strings.ToLower(r.Stream)
	if stream == "" {
		stream = "downstream"
	}
	if _, is := directions[stream]; !is {
		return Toxic{}, errStream
	}
	if _, is := kinds[r.Type]; !is {
		return Toxic{}, errType
	}
	if r.Name == "" {
		r.Name = r.Type + "_" + stream
	}
	t := newToxic(r.Name, r.Type, stream)
	if err := p.fill(&t, r); err != nil {
		return Toxic{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.find(t.Name) >= 0 {
		return Toxic{}, errToxicExists
	}
	if len(p.toxics) >= mostToxics {
		return Toxic{}, &apiError{fmt.Sprintf("a proxy has at most %d toxics", mostToxics), 400}
	}
	p.made++
	added := placed{Toxic: t, fault: fmt.Sprintf("toxic %d", p.made)}
	if p.running != nil {
		h, err := p.running.plan.Add(t.fault(added.fault))
		if err != nil {
			return Toxic{}, badRequest(err)
		}
		added.handle = h
	}
	p.toxics = append(p.toxics, added)
	return t, nil
}

// fill takes from a request what may change of a toxic.
func (p *proxy) fill(t *Toxic, r toxicRequest) error {
	if r.Toxicity != nil {
		t.Toxicity = *r.Toxicity
	}
	unknown, err := t.setAttributes(r.Attributes)
	if err != nil {
		return badRequest(err)
	}
	if len(unknown) > 0 {
		p.server.log.Warn("attributes that the toxic does not have", "proxy", p.name, "type", t.Type, "attributes", strings.Join(unknown, ","))
	}
	return nil
}

// set changes a toxic, for connections that are open too.
func (p *proxy) set(name string, r toxicRequest) (Toxic, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := p.find(name)
	if i < 0 {
		return Toxic{}, errNoToxic
	}
	t := p.toxics[i].Toxic
	if err := p.fill(&t, r); err != nil {
		return Toxic{}, err
	}
	if h := p.toxics[i].handle; h != nil {
		if err := h.Set(t.fault(p.toxics[i].fault)); err != nil {
			return Toxic{}, badRequest(err)
		}
	}
	p.toxics[i].Toxic = t
	return t, nil
}

// remove removes a toxic: what it held goes on.
func (p *proxy) remove(name string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := p.find(name)
	if i < 0 {
		return errNoToxic
	}
	if h := p.toxics[i].handle; h != nil {
		h.Remove()
	}
	p.toxics = slices.Delete(p.toxics, i, i+1)
	return nil
}

// reset removes all toxics, and enables the proxy.
func (p *proxy) reset() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.toxics {
		if t.handle != nil {
			t.handle.Remove()
		}
	}
	p.toxics = nil
	return p.start()
}

// discard is what is done with a log that nobody asked for.
func discard(l *slog.Logger) *slog.Logger {
	if l == nil {
		return slog.New(slog.DiscardHandler)
	}
	return l
}

// Each calls f for each proxy, by name, with the relay that serves it, nil where it is disabled.
func (s *Server) Each(f func(p Proxy, r *relay.Relay)) {
	for _, p := range s.all() {
		p.mu.Lock()
		shown, running := p.shown(), p.running
		p.mu.Unlock()
		if running == nil {
			f(shown, nil)
		} else {
			f(shown, running.relay)
		}
	}
}
