package admin

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"
)

// tick is how often a stream tells what has changed, and beat how often it says something
// where nothing has, so that both ends notice a dead one.
const (
	tick = 500 * time.Millisecond
	beat = 15 * time.Second
)

// pairsAtOnce are the pairs of an event, so that a page can show the first ones before it
// has read all of them.
const pairsAtOnce = 500

// events streams what changes: the services, and the pairs of the one that the query
// names, as Server-Sent Events. The first of each kind tells all there is.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	select {
	case s.streams <- struct{}{}:
		defer func() { <-s.streams }()
	default:
		fail(w, http.StatusServiceUnavailable, fmt.Sprintf("%d pages are open already: close one", mostStreams))
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	out := &stream{out: bufio.NewWriter(w), control: http.NewResponseController(w)}
	out.control.SetReadDeadline(time.Time{}) // that of the request would end the stream
	out.send("hello", s.now().head())
	f := follower{server: s, out: out, service: r.URL.Query().Get("service")}
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		f.tell()
		if out.flush() != nil {
			return
		}
		select {
		case <-ticker.C:
		case <-r.Context().Done():
			return
		case <-s.ending.Done():
			return
		}
	}
}

// head is a status without what changes.
func (s Status) head() Status {
	s.Services = []Service{}
	return s
}

// A stream is the answer that events are written to. A client that does not read is left
// after a while; what it has not read meanwhile is not kept.
type stream struct {
	out     *bufio.Writer
	control *http.ResponseController
	said    time.Time
}

func (s *stream) send(event string, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		data = []byte("null") // none of ours
	}
	s.control.SetWriteDeadline(time.Now().Add(patience))
	fmt.Fprintf(s.out, "event: %s\ndata: %s\n\n", event, data)
	s.said = time.Now()
}

func (s *stream) flush() error {
	if time.Since(s.said) > beat {
		s.control.SetWriteDeadline(time.Now().Add(patience))
		io.WriteString(s.out, ": still here\n\n")
		s.said = time.Now()
	}
	if err := s.out.Flush(); err != nil {
		return err
	}
	return s.control.Flush()
}

// A follower remembers what one stream was told.
type follower struct {
	server  *Server
	out     *stream
	service string // whose pairs it follows, "" for none

	services map[string][]byte // as they were told
	order    []string
	pairs    map[int64]told
	line     int64 // the last of the log
	call     int64
}

// told is what changes of a pair.
type told struct {
	target   string
	bytes    [2]int64
	messages [2]int64
}

// tell sends what has changed.
func (f *follower) tell() {
	f.tellServices()
	f.tellPairs()
	if l := f.server.config.Log; l != nil {
		lines, last := l.kept.after(f.line)
		if f.line = last; len(lines) > 0 {
			f.out.send("log", lines)
		}
	}
	if c := f.server.config.Calls; c != nil {
		calls, last := c.kept.after(f.call)
		if f.call = last; len(calls) > 0 {
			f.out.send("calls", calls)
		}
	}
}

// A serviceChange is the data of the event "services".
type serviceChange struct {
	Time    int64             `json:"time"`            // of these figures, Unix, in milliseconds
	Order   []string          `json:"order,omitempty"` // of all services, where that has changed
	Changed []json.RawMessage `json:"changed"`
}

func (f *follower) tellServices() {
	first := f.services == nil
	if first {
		f.services = make(map[string][]byte)
	}
	change := serviceChange{Time: time.Now().UnixMilli(), Changed: []json.RawMessage{}}
	var order []string
	for _, s := range f.server.config.Source.Services() {
		order = append(order, s.Name)
		text, err := json.Marshal(s)
		if err == nil && !bytes.Equal(text, f.services[s.Name]) {
			f.services[s.Name] = text
			change.Changed = append(change.Changed, text)
		}
	}
	if first || !slices.Equal(order, f.order) {
		f.order, change.Order = order, order
		for name := range f.services {
			if !slices.Contains(order, name) {
				delete(f.services, name)
			}
		}
	}
	if first || len(change.Changed) > 0 || change.Order != nil {
		f.out.send("services", change)
	}
}

// A pairChange is the data of the event "pairs". Pairs are arrays, of which there may be
// thousands: new ones number, peer, target, began (Unix, in milliseconds), bytes from the
// peer and to it, messages from it and to it; changed ones number, target, and these four
// counts.
type pairChange struct {
	Service string  `json:"service"`
	First   bool    `json:"first,omitempty"` // these are all there are, with the events that follow
	New     [][]any `json:"new,omitempty"`
	Changed [][]any `json:"changed,omitempty"`
	Gone    []int64 `json:"gone,omitempty"`
	LeftOut int     `json:"left_out,omitempty"`
}

func (f *follower) tellPairs() {
	if f.service == "" {
		return
	}
	first := f.pairs == nil
	if first {
		f.pairs = make(map[int64]told)
	}
	all := f.server.config.Source.Pairs(f.service)
	left := max(len(all)-mostPairs, 0)
	change := pairChange{Service: f.service, First: first, LeftOut: left}
	send := func() {
		if change.First || len(change.New) > 0 || len(change.Changed) > 0 || len(change.Gone) > 0 {
			f.out.send("pairs", change)
			change = pairChange{Service: f.service, LeftOut: left}
		}
	}
	if first {
		send() // so that the page is there before the pairs are
		f.out.flush()
	}
	here := make(map[int64]struct{}, len(all)-left)
	for _, p := range all[:len(all)-left] {
		here[p.Number] = struct{}{}
		now := told{target: p.Target, bytes: p.Bytes, messages: p.Messages}
		was, known := f.pairs[p.Number]
		if known && was == now {
			continue
		}
		f.pairs[p.Number] = now
		if known {
			change.Changed = append(change.Changed, []any{p.Number, p.Target, p.Bytes[0], p.Bytes[1], p.Messages[0], p.Messages[1]})
		} else {
			change.New = append(change.New, []any{p.Number, p.Peer, p.Target, p.Began.UnixMilli(), p.Bytes[0], p.Bytes[1], p.Messages[0], p.Messages[1]})
		}
		if len(change.New) == pairsAtOnce {
			send()
		}
	}
	for n := range f.pairs {
		if _, is := here[n]; !is {
			delete(f.pairs, n)
			change.Gone = append(change.Gone, n)
		}
	}
	send()
}
