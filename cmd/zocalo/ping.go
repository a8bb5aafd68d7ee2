package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/spf13/cobra"

	"zocalo"
	"zocalo/address"
	"zocalo/codec"
	"zocalo/internal/units"
	"zocalo/socket"
	"zocalo/xns"
)

// pinging are the flags of talk --ping.
type pinging struct {
	on                 bool
	interval, patience time.Duration
	size               int
}

func (p *pinging) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&p.on, "ping", false, "measure round trips with the kind's own Echo (idp)")
	f.VarP(value(&p.interval, xns.DefaultPingInterval, codec.AtLeast(aTime, time.Millisecond)), "interval", "i", "with --ping: time between requests")
	f.Var(value(&p.patience, xns.DefaultPingPatience, someTime), "reply-timeout", "with --ping: count a later reply as lost")
	f.Var(value(&p.size, 56, inRange(xns.PingOverhead, xns.MaxPacket-xns.HeaderSize-2)), "size", fmt.Sprintf("with --ping: bytes of data in a request, at least %d", xns.PingOverhead))
}

// check refuses what makes no sense.
func (p *pinging) check(cmd *cobra.Command) error {
	if !p.on {
		return refuse(cmd, "needs --ping", "interval", "reply-timeout", "size")
	}
	return refuse(cmd, "cannot be used with --ping", append([]string{"probe", "wait"}, talkFlags...)...)
}

// pingAddress returns the address to ask; its socket is Echo's, unless it
// says another.
func pingAddress(a address.Address) (address.Address, error) {
	if a.Scheme.Type != socket.Datagram || !slices.Contains(a.Scheme.Domains, xns.Domain) {
		instead := "use 'zocalo talk --probe' to see whether anything answers, or 'zocalo bench' to measure round trips"
		if a.Scheme.Type == socket.Raw {
			instead = "use ping(8)"
		}
		return a, usagef("--ping: %s has no Echo, as idp does: %s", a.Scheme.Name, instead)
	}
	at, err := xns.ParseAddr(a.Endpoint)
	if err != nil {
		return a, usageError{err}
	}
	if at.Socket == 0 {
		at.Socket = xns.SocketEcho
		a.Endpoint = at.String()
	}
	return a, nil
}

// pinged is what --json prints of a request.
type pinged struct {
	Event     string  `json:"event"` // "reply", "lost" or "error"
	Number    int     `json:"number"`
	From      string  `json:"from,omitempty"`
	Bytes     int     `json:"bytes,omitempty"`
	Seconds   float64 `json:"seconds,omitempty"`
	Duplicate bool    `json:"duplicate,omitempty"`
	Error     string  `json:"error,omitempty"`
}

// pingSummary is what is printed at the end.
type pingSummary struct {
	Event      string  `json:"event"` // "summary"
	Address    string  `json:"address"`
	Sent       int     `json:"sent"`
	Received   int     `json:"received"` // requests that somebody replied to
	Duplicates int     `json:"duplicates"`
	Loss       float64 `json:"loss"` // share of 1

	RoundTrips *pingTimes `json:"round_trips_seconds,omitempty"`
}

type pingTimes struct {
	Min    float64 `json:"min"`
	Median float64 `json:"median"`
	P99    float64 `json:"p99"`
	Max    float64 `json:"max"`
}

// pingReport counts, and prints what it counts.
type pingReport struct {
	*app
	summary pingSummary
	times   *hdrhistogram.Histogram // of nanoseconds, to three digits
	least   time.Duration
	most    time.Duration
	err     error // of standard output
}

// ping asks as the flags say, and prints what comes.
func (t *talk) ping(ctx context.Context, a address.Address) error {
	a, err := pingAddress(a)
	if err != nil {
		return err
	}
	d := zocalo.Dialer{Timeout: t.connectTimeout}
	s, err := d.DialAddress(ctx, a)
	if err != nil {
		if canceled(ctx, err) {
			return interruption(ctx)
		}
		return wrongUsage(err)
	}
	defer s.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := &pingReport{app: t.app, times: hdrhistogram.New(1, int64(10*time.Minute), 3)}
	r.summary = pingSummary{Event: "summary", Address: "idp:" + s.Peer().String()}
	p := xns.Ping{Count: t.count, Interval: t.pinging.interval, Patience: t.pinging.patience, Size: t.pinging.size}
	if !t.quiet && !t.json {
		t.sayf("pinging %v with %d bytes", s.Peer(), t.pinging.size)
	}
	err = p.Run(ctx, s, func(e xns.PingEvent) {
		if r.see(e); r.err != nil {
			cancel()
		}
	})
	if r.err != nil {
		return r.err
	}
	if r.summary.Sent > 0 {
		if err := r.print(); err != nil {
			return err
		}
	}
	switch {
	case errors.Is(err, syscall.EMSGSIZE):
		return fmt.Errorf("--size %d: %w: add mtu=%d to the address, if the link allows it", t.pinging.size, err, t.pinging.size+2)
	case err != nil && !canceled(ctx, err):
		return err
	case err != nil && p.Count > 0: // cut short
		return interruption(ctx)
	case r.summary.Received == 0:
		return statusError(statusFailed)
	}
	return nil
}

// see takes in an event, and prints it.
func (r *pingReport) see(e xns.PingEvent) {
	s := &r.summary
	s.Sent = max(s.Sent, e.Number)
	line, p := "", pinged{Number: e.Number}
	switch {
	case e.Err != nil:
		p.Event, p.Error = "error", oneLine(e.Err)
		line = fmt.Sprintf("request %d: %s", e.Number, p.Error)
	case e.Lost:
		p.Event = "lost"
		line = fmt.Sprintf("request %d: no reply", e.Number)
	default:
		p.Event, p.From, p.Bytes, p.Seconds, p.Duplicate = "reply", e.From.String(), e.Size, e.Took.Seconds(), e.Duplicate
		line = fmt.Sprintf("%d bytes from %v: request %d, %v", e.Size, e.From, e.Number, units.Time(e.Took))
		if e.Duplicate {
			s.Duplicates++
			line += ", duplicate"
		} else {
			if e.Replies == 1 {
				s.Received++
			}
			if r.most == 0 || e.Took < r.least {
				r.least = e.Took
			}
			r.most = max(r.most, e.Took)
			r.times.RecordValue(min(int64(e.Took), r.times.HighestTrackableValue()))
		}
	}
	if r.json {
		r.err = r.printJSON(p)
	} else if !r.quiet {
		r.err = r.app.print(legible(line) + "\n")
	}
}

// print prints the summary.
func (r *pingReport) print() error {
	s := &r.summary
	s.Loss = 1 - float64(s.Received)/float64(s.Sent)
	if s.Received > 0 {
		at := func(quantile float64) float64 {
			return min(max(time.Duration(r.times.ValueAtQuantile(quantile)), r.least), r.most).Seconds()
		}
		s.RoundTrips = &pingTimes{r.least.Seconds(), at(50), at(99), r.most.Seconds()}
	}
	if r.json {
		return r.printJSON(s)
	}
	text := fmt.Sprintf("%s: %d sent, %d answered, %.3g%% lost", s.Address, s.Sent, s.Received, 100*s.Loss)
	if s.Duplicates > 0 {
		text += fmt.Sprintf(", %d duplicates", s.Duplicates)
	}
	if t := s.RoundTrips; t != nil {
		in := func(seconds float64) string { return units.Time(time.Duration(seconds * float64(time.Second))) }
		text += fmt.Sprintf("\nround trips: min %s, median %s, p99 %s, max %s", in(t.Min), in(t.Median), in(t.P99), in(t.Max))
	}
	return r.app.print(text + "\n")
}
