package main

import (
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"

	"github.com/spf13/cobra"

	"zocalo/relay"
	"zocalo/relay/outcome"
	"zocalo/service/admin"
	"zocalo/socket"
)

// A livePage is the page of one command, --page.
type livePage struct {
	asked bool // --page
	keeps bool // the log is remembered: for --page, and for the admin server of run
	log   *admin.Log
	calls *admin.Calls

	mu   sync.Mutex
	from []string // where the command listens
}

func (p *livePage) listens(at string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.from = append(p.from, at)
}

func (p *livePage) listening() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.from)
}

// pageFlag declares --page.
func (a *app) pageFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&a.page.asked, "page", false, "show what happens on a local web page, and print its URL")
}

// begin remembers what the page is to show of the log, and of socket calls where those are
// asked for.
func (p *livePage) begin(h slog.Handler) slog.Handler {
	if !p.asked && !p.keeps {
		return h
	}
	p.log = admin.NewLog(h)
	return p.log
}

// trace makes the page see socket calls, beside hook where that is not nil.
func (p *livePage) trace(hook func(socket.Call)) {
	p.calls = admin.NewCalls()
	socket.SetTrace(func(c socket.Call) {
		p.calls.See(c)
		if hook != nil {
			hook(c)
		}
	})
}

// show serves the page of a verb, if it is asked for, until the func that it returns is
// called.
func (a *app) showPage(source admin.Source) (end func(), err error) {
	if !a.page.asked {
		return func() {}, nil
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("--page: %w", err)
	}
	token := admin.NewToken()
	s := admin.New(admin.Config{
		Source: source, Token: token, Log: a.page.log, Calls: a.page.calls, Version: version,
		Controls: admin.Controls{Explain: admin.Explain},
	})
	err = a.sayPage(fmt.Sprintf("http://%s/#token=%s", l.Addr(), token))
	if err != nil {
		l.Close()
		return nil, err
	}
	go s.Serve(l)
	return s.Close, nil
}

// sayPage says where a page is.
func (a *app) sayPage(url string) error {
	if a.json {
		return a.printJSON(struct {
			Event string `json:"event"`
			URL   string `json:"url"`
		}{"page", url})
	}
	a.sayf("page at %s", url)
	return nil
}

// The page of a relay.

// Services are the one relay.
func (r *relayRun) Services() []admin.Service {
	s := admin.Service{Name: "relay", Verb: "relay", From: r.page.listening()}
	if len(s.From) == 0 {
		s.From = []string{r.From.String()} // which does not listen
	}
	for _, to := range r.To {
		s.To = append(s.To, to.String())
	}
	return []admin.Service{counted(s, &r.Relay)}
}

// Pairs are the open ones.
func (r *relayRun) Pairs(service string) []admin.Pair {
	if service != "relay" {
		return nil
	}
	return adminPairs(r.Open())
}

func adminPairs(open []relay.Pair) []admin.Pair {
	pairs := make([]admin.Pair, len(open))
	for i, p := range open {
		a, b := p.Result.From[outcome.A], p.Result.From[outcome.B]
		pairs[i] = admin.Pair{Number: p.Number, Peer: p.Peer, Target: p.Target, Began: p.Began,
			Bytes: [2]int64{a.Bytes, b.Bytes}, Messages: [2]int64{int64(a.Messages), int64(b.Messages)}}
	}
	return pairs
}

// heldPage is the page of a verb that holds connections of its own, as echo.
type heldPage struct {
	*held
	verb string
	page *livePage
}

// Services are the one that the verb is.
func (h *heldPage) Services() []admin.Service {
	s := admin.Service{Name: h.verb, Verb: h.verb, From: h.page.listening(), Engine: "join"}
	h.mu.Lock()
	defer h.mu.Unlock()
	s.Open, s.Ended, s.Bytes = len(h.pairs), h.ended, h.passed
	for p := range h.pairs {
		sent, received, _ := p.passed()
		s.Bytes[0] += received
		s.Bytes[1] += sent
	}
	return []admin.Service{s}
}

// Pairs are the connections, in the order in which they came.
func (h *heldPage) Pairs(service string) []admin.Pair {
	if service != h.verb {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	pairs := []admin.Pair{}
	for p := range h.pairs {
		sent, received, _ := p.passed()
		pairs = append(pairs, admin.Pair{Number: p.number, Peer: p.peer, Target: h.verb, Began: p.row.Began, Bytes: [2]int64{received, sent}})
	}
	slices.SortFunc(pairs, func(a, b admin.Pair) int { return int(a.Number - b.Number) })
	return pairs
}
