package zocalo

import (
	"context"
	"slices"
	"time"

	"zocalo/socket"
)

// interleave returns the names so that domains take turns, each keeping its
// own order, beginning with the domain of the first (RFC 8305, section 4, with
// a First Address Family Count of 1).
func interleave(names []socket.Name) []socket.Name {
	var domains []socket.Domain
	queues := make(map[socket.Domain][]socket.Name)
	for _, n := range names {
		d := n.Domain()
		if queues[d] == nil {
			domains = append(domains, d)
		}
		queues[d] = append(queues[d], n)
	}
	turns := make([]socket.Name, 0, len(names))
	for len(turns) < len(names) {
		for _, d := range domains {
			if q := queues[d]; len(q) > 0 {
				turns, queues[d] = append(turns, q[0]), q[1:]
			}
		}
	}
	return turns
}

type attemptFunc func(context.Context, socket.Name) (*socket.Socket, error)

// race attempts the names in their order, the next one when the latest has
// failed or has lasted for delay. It returns the first socket, or the error of
// each attempt. All attempts are over when it returns.
func race(ctx context.Context, names []socket.Name, delay time.Duration, attempt attemptFunc) (*socket.Socket, []error) {
	if len(names) == 1 {
		s, err := attempt(ctx, names[0])
		if err != nil {
			return nil, []error{err}
		}
		return s, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		of  int
		s   *socket.Socket
		err error
	}
	results := make(chan result)
	started, running := 0, 0
	timer := time.NewTimer(delay)
	defer timer.Stop()
	start := func() {
		if started == len(names) || ctx.Err() != nil {
			return
		}
		of := started
		started++
		running++
		timer.Reset(delay)
		go func() {
			s, err := attempt(ctx, names[of])
			results <- result{of, s, err}
		}()
	}

	var winner *socket.Socket
	errs := make([]error, len(names))
	for start(); running > 0; {
		select {
		case <-timer.C:
			start()
		case r := <-results:
			running--
			errs[r.of] = r.err
			switch {
			case r.err == nil && winner == nil:
				winner = r.s
				cancel()
			case r.err == nil:
				r.s.Close()
			case r.of == started-1:
				start()
			}
		}
	}
	if winner != nil {
		return winner, nil
	}
	errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	if len(errs) == 0 { // ctx had ended before the first attempt
		errs = []error{ctx.Err()}
	}
	return nil, errs
}
