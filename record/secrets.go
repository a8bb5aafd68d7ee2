package record

import (
	"bytes"
	"context"
	"encoding/hex"
	"strings"
	"time"

	"zocalo/internal/pcapng"
	"zocalo/layer/tls"
)

// A secrets is what is to come of a connection of TLS. Its packets are held until then, since
// secrets decrypt nothing that stands before them in a file; its times are those at
// which they passed. It is guarded by the mutex of the sink.
type secrets struct {
	hello  []byte // what the client has sent, until its random number is known
	random string
	lines  []byte
	held   []pcapng.Packet
	size   int
	given  bool // nothing is held any more
}

const (
	// mostHeld is how many bytes wait for secrets: a handshake has less.
	mostHeld = 64 << 10

	// mostHello is where a client's first message is looked for: behind what other layers say
	// first, as the PROXY protocol.
	mostHello = 4 << 10

	randomAt, randomSize = 11, 32 // in a record that begins with a ClientHello (RFC 8446, section 4.1.2)
)

// listen has the recorder hear of secrets, from the first call on.
func (r *Recorder) listen() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.listens == nil {
		r.hellos = map[string]*Pair{}
		r.listens = tls.OnSecrets(r.heard)
	}
}

// heard takes a line of a key log to the connection that it is of: they share the client's random
// number.
func (r *Recorder) heard(line []byte) {
	fields := strings.Fields(string(line))
	if len(fields) != 3 {
		return
	}
	r.mu.Lock()
	p := r.hellos[fields[1]]
	r.mu.Unlock()
	if p == nil {
		return
	}
	p.sink.mu.Lock()
	defer p.sink.mu.Unlock()
	s := p.secrets
	s.lines = append(bytes.TrimRight(append(s.lines, line...), "\n"), '\n')
	if fields[0] == "CLIENT_RANDOM" || fields[0] == "SERVER_TRAFFIC_SECRET_0" { // the last of TLS 1.2, and of 1.3
		s.release(p)
	}
}

// expect has a pair hold its packets until its secrets are there.
func (p *Pair) expect() { p.secrets = &secrets{} }

// holds keeps a packet until the secrets are there, or reports that it need not wait. The caller holds
// the sink's mu.
func (s *secrets) holds(p *Pair, k *pcapng.Packet) bool {
	if s.given {
		return false
	}
	if s.random == "" && len(k.Data) > 0 && p.isFromClient(k) {
		s.look(p, k.Data)
	}
	k2 := *k
	k2.Header, k2.Data = bytes.Clone(k.Header), bytes.Clone(k.Data)
	k2.Time = time.Now()
	s.held = append(s.held, k2)
	if s.size += len(k.Data) + 100; s.size > mostHeld {
		s.release(p)
	}
	return true
}

// isFromClient reports whether a packet is from who began.
func (p *Pair) isFromClient(k *pcapng.Packet) bool {
	return (k.Direction == pcapng.Inbound) == (p.inbound == p.info.Client)
}

// look looks for the random number in what a client sends.
func (s *secrets) look(p *Pair, data []byte) {
	s.hello = append(s.hello, data...)
	for i := range s.hello {
		b := s.hello[i:]
		if len(b) < randomAt+randomSize {
			break
		}
		if b[0] == 0x16 && b[1] == 3 && b[5] == 1 && b[9] == 3 { // handshake, ClientHello
			s.random = hex.EncodeToString(b[randomAt : randomAt+randomSize])
			s.hello = nil
			p.r.mu.Lock()
			p.r.hellos[s.random] = p
			p.r.mu.Unlock()
			return
		}
	}
	if len(s.hello) > mostHello {
		s.release(p)
	}
}

// release writes the secrets that have come, and then what was held. The caller holds
// the sink's mu.
func (s *secrets) release(p *Pair) {
	if len(s.lines) > 0 {
		p.fixtures = append(p.fixtures, p.sink.fix(pcapng.AppendSecrets(nil, pcapng.TLSKeyLog, s.lines)))
		s.lines = nil
	}
	if s.given {
		return
	}
	s.given = true
	for i := range s.held {
		p.sink.packet(context.Background(), p.iface, &s.held[i])
	}
	s.held, s.hello = nil, nil
}

// forget drops a connection from those of which secrets are heard.
func (p *Pair) forget() {
	if p.secrets != nil && p.secrets.random != "" {
		p.r.mu.Lock()
		defer p.r.mu.Unlock()
		delete(p.r.hellos, p.secrets.random)
	}
}
