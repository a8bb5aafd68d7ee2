package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"zocalo/internal/units"
	"zocalo/xns"
)

// xnsVerb has the questions that an XNS network answers.
func (a *app) xnsVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "xns",
		Short: "Ask an XNS network who is there and what time it is",
		Long: `xns asks the hosts on an XNS network. --link says which network, like the option
link of an address: local (the default, or what ` + xns.LinkVariable + ` says),
hub:HOST:PORT, eth:INTERFACE, udp:HOST:PORT.`,
		Args: unknownVerb,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.xnsTimeVerb(), a.xnsWhoVerb())
	return cmd
}

// xnsQuestion is what the questions have in common.
type xnsQuestion struct {
	*app
	link    string
	timeout time.Duration
}

func (q *xnsQuestion) flags(cmd *cobra.Command, timeout time.Duration) {
	f := cmd.Flags()
	f.StringVar(&q.link, "link", "", "the network's `LINK`: local, hub:HOST:PORT, eth:INTERFACE, udp:HOST:PORT (default local, or what "+xns.LinkVariable+" says)")
	f.Var(value(&q.timeout, timeout, someTime), "timeout", "how long to wait for answers")
}

// open takes part in the network.
func (q *xnsQuestion) open(ctx context.Context) (*xns.Host, error) {
	if q.link != "" {
		if err := xns.CheckLink(q.link); err != nil {
			return nil, usagef("--link: %w", err)
		}
	}
	h, err := xns.OpenHost(ctx, q.link, xns.HostID{})
	if canceled(ctx, err) {
		return nil, interruption(ctx)
	}
	return h, err
}

// xnsTime is the verb xns time.
type xnsTime struct {
	xnsQuestion
	all, serve bool
}

func (a *app) xnsTimeVerb() *cobra.Command {
	x := &xnsTime{xnsQuestion: xnsQuestion{app: a}}
	cmd := &cobra.Command{
		Use:   "time [SERVER]",
		Short: "Ask the network's time servers what time it is, or be one",
		Long: `time asks a time server, as machines on an XNS network do when they start: the
SERVER given (net#host, or net#host#socket), or else all hosts, printing the first
answer. --all prints every answer that arrives within --timeout. Exit status 1
means that no host answered.

--serve runs a time server, for a network of emulators that has none: it gives this
machine's time, in its time zone (TZ), until interrupted.`,
		Example: `  zocalo xns time --link hub:localhost:3333
  zocalo xns time 0#2-852-151-014
  zocalo xns time --serve --link hub:localhost:3333`,
		Args: arguments(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if x.serve {
				if err := refuse(cmd, "cannot be used with --serve", "all", "timeout"); err != nil {
					return err
				}
			}
			if len(args) > 0 && (x.serve || x.all) {
				return usagef("%s: --serve and --all take no server: omit it", args[0])
			}
			server := xns.Addr{}
			if len(args) > 0 {
				var err error
				if server, err = xns.ParseAddr(args[0]); err != nil {
					return usageError{err}
				}
				if server.Host.IsZero() {
					return usagef("%q names no host: write net#host, such as 0#2608C123456", args[0])
				}
				if server.Socket == 0 {
					server.Socket = xns.SocketTime
				}
			}
			return x.run(cmd.Context(), server)
		},
	}
	x.flags(cmd, 3*time.Second)
	cmd.Flags().BoolVar(&x.all, "all", false, "print every server that answers")
	cmd.Flags().BoolVar(&x.serve, "serve", false, "be a time server")
	return cmd
}

func (x *xnsTime) run(ctx context.Context, server xns.Addr) error {
	ctx, stop := interruptible(ctx)
	defer stop()
	h, err := x.open(ctx)
	if err != nil {
		return err
	}
	defer h.Close()
	if x.serve {
		return x.answer(ctx, h)
	}
	var answers []xns.ServerTime
	if x.all {
		answers, err = h.Times(ctx, x.timeout)
	} else {
		asking, cancel := context.WithTimeout(ctx, x.timeout)
		defer cancel()
		var one xns.ServerTime
		if one, err = h.Time(asking, server); err == nil {
			answers = append(answers, one)
		}
	}
	switch {
	case ctx.Err() != nil:
		return interruption(ctx)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%v is not a time server: 'zocalo xns who' lists those that are", server)
	case err != nil && !isTimeout(err):
		return err
	case len(answers) == 0:
		who := "no host answered"
		if !server.Host.IsZero() {
			who = fmt.Sprintf("host %v did not answer", server.Host)
		}
		return fmt.Errorf("%s within %s: 'zocalo xns who' lists the hosts, and 'zocalo xns time --serve' runs a time server", who, units.Set(x.timeout))
	}
	for _, t := range answers {
		if err := x.printTime(t); err != nil {
			return err
		}
	}
	return nil
}

// isTimeout reports whether an error says that nobody answered.
func isTimeout(err error) bool {
	t, ok := err.(interface{ Timeout() bool })
	return ok && t.Timeout()
}

// toldTime is what --json prints of an answer.
type toldTime struct {
	Server      string    `json:"server"`
	Time        time.Time `json:"time"`
	Ahead       float64   `json:"ahead_seconds"` // of this machine's clock
	SummerFirst int       `json:"summer_time_first_day,omitempty"`
	SummerLast  int       `json:"summer_time_last_day,omitempty"`
	Accurate    bool      `json:"accurate"`
	Error       uint32    `json:"error,omitempty"`
}

func (x *xnsTime) printTime(t xns.ServerTime) error {
	ahead := t.Time.Sub(time.Now().Truncate(time.Second)) // the time told is cut to a second, too
	if x.json {
		return x.printJSON(toldTime{t.Server.String(), t.Time, ahead.Seconds(), t.First, t.Last, t.Accurate, t.Error})
	}
	beside := "same as this machine"
	switch {
	case ahead > time.Second:
		beside = fmt.Sprintf("%s ahead of this machine", units.Set(ahead.Round(time.Second)))
	case ahead < -time.Second:
		beside = fmt.Sprintf("%s behind this machine", units.Set(-ahead.Round(time.Second)))
	}
	return x.print(fmt.Sprintf("%s  %v, %s\n", t.Time.Format("2006-01-02 15:04:05 -07:00"), t.Server, beside))
}

// answer is a time server until ctx ends.
func (x *xnsTime) answer(ctx context.Context, h *xns.Host) error {
	s, err := h.Respond(xns.SocketTime, func(from xns.Addr, client uint16, request []byte) []byte {
		reply := xns.AnswerTime(from, client, request)
		x.log.Debug("asked", "by", from, "answered", reply != nil)
		return reply
	})
	if err != nil {
		return err
	}
	defer s.Close()
	if err := x.sayWhere("serving the time on", "idp", "idp", s.Addr().String()); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return nil
	case <-s.Done():
		return fmt.Errorf("%v: the link closed", h)
	}
}

// xnsWho is the verb xns who.
type xnsWho struct{ xnsQuestion }

func (a *app) xnsWhoVerb() *cobra.Command {
	x := &xnsWho{xnsQuestion{app: a}}
	cmd := &cobra.Command{
		Use:   "who",
		Short: "List the hosts on the network that answer, with what they serve",
		Long: `who asks all hosts on the network for an Echo, the time, the Clearinghouse (a
broadcast for servers) and their routes (RIP), and lists the hosts that answer any
of these within --timeout. The host that asks is not listed. Exit status 1 means
that no host answered.`,
		Example: `  zocalo xns who
  zocalo xns who --link eth:eth0 --json | jq -r .host`,
		Args: arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return x.run(cmd.Context()) },
	}
	x.flags(cmd, 2*time.Second)
	return cmd
}

// presentHost is what is printed of a host.
type presentHost struct {
	Network       string         `json:"network"`
	Host          string         `json:"host"`
	Echo          float64        `json:"echo_seconds,omitempty"` // the round trip; left away if there was no answer to Echo
	Time          bool           `json:"time,omitempty"`
	Clearinghouse bool           `json:"clearinghouse,omitempty"`
	Routes        []presentRoute `json:"routes,omitempty"`
}

type presentRoute struct {
	Network string `json:"network"`
	Hops    int    `json:"hops"`
}

func (x *xnsWho) run(ctx context.Context) error {
	ctx, stop := interruptible(ctx)
	defer stop()
	h, err := x.open(ctx)
	if err != nil {
		return err
	}
	defer h.Close()
	found, err := h.Survey(ctx, x.timeout)
	switch {
	case ctx.Err() != nil:
		return interruption(ctx)
	case err != nil:
		return err
	case len(found) == 0:
		return fmt.Errorf("no host answered within %s: choose the network with --link or %s", units.Set(x.timeout), xns.LinkVariable)
	}
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NETWORK\tHOST\tECHO\tSERVES")
	for _, s := range found {
		p := presentHost{Network: networkText(s.Net), Host: s.Host.String(), Echo: s.Echo.Seconds(), Time: s.Time, Clearinghouse: s.Clearinghouse}
		for _, r := range s.Routes {
			p.Routes = append(p.Routes, presentRoute{networkText(r.Net), r.Hops})
		}
		if x.json {
			if err := x.printJSON(p); err != nil {
				return err
			}
			continue
		}
		echo := "-"
		if p.Echo > 0 {
			echo = units.Time(s.Echo)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", p.Network, p.Host, echo, cmp.Or(p.serves(), "-"))
	}
	if x.json {
		return nil
	}
	table.Flush()
	return x.print(text.String())
}

// serves says in words what the host does for others.
func (p *presentHost) serves() string {
	var words []string
	if p.Time {
		words = append(words, "time")
	}
	if p.Clearinghouse {
		words = append(words, "clearinghouse")
	}
	for _, r := range p.Routes {
		words = append(words, fmt.Sprintf("network %s (%d hops)", r.Network, r.Hops))
	}
	return strings.Join(words, ", ")
}

// networkText writes a network's number as addresses have it.
func networkText(n uint32) string {
	text, _, _ := strings.Cut(xns.Addr{Net: n}.String(), "#")
	return text
}
