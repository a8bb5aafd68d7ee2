package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"zocalo"
	"zocalo/address"
	"zocalo/internal/units"
	"zocalo/socket"
	"zocalo/socket/option"
)

const (
	probesAtOnce     = 32
	connectPatience  = 5 * time.Second // for a connection, unless --connect-timeout says otherwise
	datagramPatience = time.Second     // for an answer to a datagram
)

// probed is what came of asking at one name.
type probed struct {
	Address string  `json:"address"`
	Answer  string  `json:"answer"` // "yes", "refused", "silent" or "failed"
	Seconds float64 `json:"seconds"`
	Error   string  `json:"error,omitempty"`
}

// String returns it as a line for people.
func (p probed) String() string {
	took := units.Time(time.Duration(p.Seconds * float64(time.Second)))
	switch p.Answer {
	case "yes":
		return fmt.Sprintf("%s answers (%s)", p.Address, took)
	case "failed":
		return fmt.Sprintf("%s failed: %s", p.Address, p.Error)
	case "silent":
		return fmt.Sprintf("%s is silent (%s)", p.Address, took)
	}
	return p.Address + " refuses"
}

// The pauses of --wait.
const waitPause = 200 * time.Millisecond

// probeUntil asks, and with --wait goes on asking until somebody answers or the
// time is over; what came of it is printed at the end.
func (t *talk) probeUntil(ctx context.Context, a address.Address) error {
	for end := time.Now().Add(t.wait); ; {
		last := !time.Now().Before(end)
		err := t.probeAll(ctx, a, last)
		if err == nil || last || !errors.Is(err, statusError(statusFailed)) {
			return err
		}
		select {
		case <-ctx.Done():
			return interruption(ctx)
		case <-time.After(min(waitPause, time.Until(end))):
		}
	}
}

// probeAll asks at every name that the address means, several at once, and
// prints what came of it in their order: of several only who answers, unless
// nobody does or more is asked for. If it is not the last time, nobody's silence
// is printed.
func (t *talk) probeAll(ctx context.Context, a address.Address, last bool) error {
	targets, err := probeTargets(ctx, a)
	if err != nil {
		return err
	}
	results := make([]chan probed, len(targets))
	for i := range results {
		results[i] = make(chan probed, 1)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var workers sync.WaitGroup
	defer workers.Wait()
	defer cancel()
	var begun atomic.Int64
	for range min(probesAtOnce, len(targets)) {
		workers.Go(func() {
			for ctx.Err() == nil {
				i := begun.Add(1) - 1
				if i >= int64(len(targets)) {
					return
				}
				results[i] <- t.probeOne(ctx, targets[i])
			}
		})
	}
	status := error(statusError(statusFailed))
	var others []probed
	for _, result := range results {
		select {
		case <-ctx.Done():
			return interruption(ctx)
		case p := <-result:
			if p.Answer == "yes" {
				status = nil
			} else if !t.json && !t.verbose || !last {
				others = append(others, p)
				continue
			}
			if err := t.printProbed(p); err != nil {
				return err
			}
		}
	}
	if status == nil || !last {
		return status
	}
	for _, p := range others[:min(len(others), mostSilent)] {
		if err := t.printProbed(p); err != nil {
			return err
		}
	}
	if more := len(others) - mostSilent; more > 0 {
		t.sayf("and %d more do not answer: -v prints them all", more)
	}
	return status
}

// mostSilent is how many lines --probe prints where nobody answers.
const mostSilent = 8

func (t *talk) printProbed(p probed) error {
	if t.json {
		return t.printJSON(p)
	}
	return t.print(legible(p.String()) + "\n")
}

// probeOne asks at one name.
func (t *talk) probeOne(ctx context.Context, a address.Address) probed {
	d := zocalo.Dialer{Timeout: t.connectTimeout}
	if d.Timeout == 0 {
		d.Timeout = connectPatience
	}
	start := time.Now()
	s, err := d.DialAddress(ctx, a)
	if err == nil {
		defer s.Close()
		if !s.Properties().Reliable {
			err = t.askByDatagram(ctx, s)
		}
	}
	p := probed{Address: a.String(), Answer: "yes", Seconds: time.Since(start).Seconds()}
	var timeout interface{ Timeout() bool }
	switch {
	case err == nil:
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, fs.ErrNotExist):
		p.Answer = "refused"
	case errors.As(err, &timeout) && timeout.Timeout():
		p.Answer = "silent"
	default:
		p.Answer, p.Error = "failed", oneLine(err)
	}
	return p
}

// askByDatagram sends an empty message, and waits for an answer or a refusal.
func (t *talk) askByDatagram(ctx context.Context, s *socket.Socket) error {
	patience := datagramPatience
	if t.connectTimeout > 0 {
		patience = t.connectTimeout
	}
	s.SetReadDeadline(time.Now().Add(patience))
	stop := context.AfterFunc(ctx, func() { s.Close() })
	defer stop()
	if _, err := s.Write(nil); err != nil {
		return err
	}
	_, err := s.Read(make([]byte, 1))
	if errors.Is(err, socket.ErrTruncated) {
		err = nil
	}
	return err
}

// mostPorts bounds a range of ports.
const mostPorts = 65536

// probeTargets returns an address for each name that a means, and each port of
// its range.
func probeTargets(ctx context.Context, a address.Address) ([]address.Address, error) {
	if a.Scheme.Resolve == nil || a.Scheme.Type == socket.Raw {
		return nil, usagef("--probe: nothing can answer on %s", a.Scheme.Name)
	}
	host, first, last, ranged := portRange(a)
	if !ranged {
		return resolved(ctx, a, a.Endpoint)
	}
	if last < first || last-first >= mostPorts {
		return nil, usagef("--probe %v: a range of ports is LOWEST-HIGHEST, at most %d ports", a, mostPorts)
	}
	firsts, err := resolved(ctx, a, host+strconv.Itoa(first))
	if err == nil {
		_, err = resolved(ctx, a, host+strconv.Itoa(last)) // is it in the kind's bounds?
	}
	if err != nil {
		return nil, err
	}
	var targets []address.Address
	for port := first; port <= last; port++ {
		for _, t := range firsts {
			t.Endpoint = strings.TrimSuffix(t.Endpoint, strconv.Itoa(first)) + strconv.Itoa(port)
			targets = append(targets, t)
		}
	}
	return targets, nil
}

// portRange takes the ports out of an endpoint as localhost:8000-8010. A
// service's name may have a hyphen too, so only numbers are a range.
func portRange(a address.Address) (host string, first, last int, ok bool) {
	if !a.Scheme.Port {
		return "", 0, 0, false
	}
	colon := strings.LastIndexByte(a.Endpoint, ':') + 1
	low, high, found := strings.Cut(a.Endpoint[colon:], "-")
	if !found {
		return "", 0, 0, false
	}
	l, err := strconv.ParseUint(low, 10, 32)
	h, err2 := strconv.ParseUint(high, 10, 32)
	return a.Endpoint[:colon], int(l), int(h), err == nil && err2 == nil
}

// resolved returns an address for each name that the endpoint means.
func resolved(ctx context.Context, a address.Address, endpoint string) ([]address.Address, error) {
	a.Endpoint = endpoint
	target, err := a.Target(false)
	if err != nil {
		return nil, wrongUsage(err)
	}
	names, err := a.Scheme.Resolve(ctx, target)
	if err != nil {
		return nil, wrongUsage(fmt.Errorf("%v: %w", a, err))
	}
	list := make([]address.Address, len(names))
	for i, n := range names {
		// A name is written as an address has it, with options of its own in
		// some domains; those of the address that it has too agree with it.
		if list[i], err = address.Parse(a.Scheme.Name + ":" + n.String()); err != nil {
			return nil, err
		}
		for _, s := range a.Settings {
			if !slices.ContainsFunc(list[i].Settings, func(own option.Setting) bool { return own.Spec == s.Spec }) {
				list[i].Settings = append(list[i].Settings, s)
			}
		}
	}
	return list, nil
}
