package main

import (
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"zocalo/internal/accept"
	"zocalo/internal/control"
	"zocalo/iso"
	"zocalo/relay/join"
	"zocalo/relay/outcome"
	"zocalo/socket"
	"zocalo/socket/option"
	"zocalo/xns"
)

// controlPatience is how long the end of a command waits for its control socket to be
// made, which on a hung file system may take for ever.
const controlPatience = 100 * time.Millisecond

// trackUserSpace makes the sockets known that the kernel knows nothing of.
func trackUserSpace() { socket.Track(iso.Domain, iso.Domain6, xns.Domain) }

// tell opens the control socket of this command, by which list and ctl learn what it holds:
// its pairs and its sockets in user space. A failure here is never the command's failure.
// The func that it returns removes the socket.
func (a *app) tell(verb string, pairs func() []control.Row) (end func()) {
	s := &control.Server{Verb: verb, Rows: func(r *control.Request) (rows []control.Row) {
		if r.Wants("iso") || r.Wants("ns") {
			rows = userSpaceRows()
		}
		if pairs != nil && r.Wants("pair") { // of which there may be thousands
			rows = append(rows, pairs()...)
		}
		return rows
	}}
	var mu sync.Mutex
	over, open := false, false
	done := make(chan struct{})
	go func() {
		defer close(done)
		err := s.Open()
		if err != nil {
			a.log.Debug("no control socket, so list does not show what this command holds", "error", err)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if open = !over; over {
			s.Close()
		}
	}()
	forget := atExit(func() {
		select {
		case <-done:
			within(controlPatience, s.Remove)
		default:
		}
	})
	return func() {
		defer forget()
		within(controlPatience, func() { <-done })
		within(controlPatience, func() {
			mu.Lock()
			defer mu.Unlock()
			if over = true; open {
				s.Close()
			}
		})
	}
}

// within runs f, and waits for its end for no longer than that.
func within(patience time.Duration, f func()) {
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(patience):
	}
}

// userSpaceRows are the sockets that the kernel knows nothing of.
func userSpaceRows() (rows []control.Row) {
	for _, s := range socket.Tracked() {
		kind := "iso"
		if s.Domain() == xns.Domain {
			kind = "ns"
		}
		status, _ := s.Status()
		rows = append(rows, control.Row{
			Kind: kind, Type: s.Type().String(), State: status.State, Local: s.Name().String(), Peer: s.Peer().String(),
			Received: int64(status.Received), Sent: int64(status.Unsent),
		})
	}
	slices.SortFunc(rows, func(a, b control.Row) int {
		return slices.Compare([]string{a.Kind, a.Local, a.Peer}, []string{b.Kind, b.Local, b.Peer})
	})
	return rows
}

// addressText is a name as an address of that scheme; any other text stays as it is.
func addressText(scheme string, n socket.Name, text string) string {
	if n.IsZero() {
		return text
	}
	return scheme + ":" + n.String()
}

// held are the pairs that a verb has, each a socket and its peer.
type held struct {
	mu     sync.Mutex
	pairs  map[*heldPair]struct{}
	last   int64    // the number of the latest
	ended  int64    // how many are over,
	passed [2]int64 // and what was received on these, and sent
}

type heldPair struct {
	number int64
	peer   string // who it is, for people
	row    control.Row
	passed func() (sent, received int64, known bool)
}

// add notes a pair until over is called.
func (h *held) add(s *socket.Socket, passed func() (sent, received int64, known bool)) (over func()) {
	scheme := s.Kind().String()
	p := &heldPair{peer: accept.PeerText(s), passed: passed, row: control.Row{
		Kind: "pair", Type: s.Type().String(), State: "established", Began: time.Now(),
		Local: addressText(scheme, s.Name(), scheme), Peer: addressText(scheme, s.Peer(), accept.PeerText(s)),
	}}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.pairs == nil {
		h.pairs = make(map[*heldPair]struct{})
	}
	h.last++
	p.number = h.last
	h.pairs[p] = struct{}{}
	return func() {
		sent, received, _ := passed()
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.pairs, p)
		h.ended++
		h.passed[0] += received
		h.passed[1] += sent
	}
}

// rows are the pairs as they stand, the oldest first.
func (h *held) rows() (rows []control.Row) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for p := range h.pairs {
		row, known := p.row, false
		row.Sent, row.Received, known = p.passed()
		row.Unknown = !known
		rows = append(rows, row)
	}
	slices.SortFunc(rows, func(a, b control.Row) int { return a.Began.Compare(b.Began) })
	return rows
}

// passedBy counts what has passed in a join whose first end is this side's.
func passedBy(p *join.Progress) func() (sent, received int64, known bool) {
	return func() (sent, received int64, known bool) {
		sent, _ = p.From(outcome.A)
		received, _ = p.From(outcome.B)
		return sent, received, true
	}
}

// countedByTCP asks the kernel what has passed over a connection that a program holds.
func countedByTCP(s *socket.Socket) func() (sent, received int64, known bool) {
	return func() (sent, received int64, known bool) {
		info, err := option.ConnectionInfo.Get(s)
		return int64(info.BytesAcknowledged), int64(info.BytesReceived), err == nil
	}
}

// rows are the open pairs of a relay. One whose TO is not reached yet has no peer.
func (r *relayRun) rows() (rows []control.Row) {
	scheme := r.From.Scheme
	for _, p := range r.Open() {
		row := control.Row{Kind: "pair", Type: scheme.Type.String(), State: "established", Local: cameFrom(strings.TrimSuffix(scheme.Name, "-listen"), p.Peer), Peer: p.Target, Began: p.Began,
			Sent: p.Result.From[outcome.A].Bytes, Received: p.Result.From[outcome.B].Bytes}
		if p.Target == "" {
			row.State = "connecting"
		}
		rows = append(rows, row)
	}
	return rows
}

// cameFrom is who came, as an address where the text for people is a name.
func cameFrom(scheme, text string) string {
	if _, err := netip.ParseAddrPort(text); err == nil || strings.HasPrefix(text, "/") || strings.HasPrefix(text, "@") {
		return scheme + ":" + text
	}
	return text
}
