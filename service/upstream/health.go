package upstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"syscall"
	"time"

	"zocalo"
	"zocalo/internal/pass"
)

// change does what may make a server be otherwise, and tells of it if it does: why is
// why it is up, where it is then. The caller holds mu.
func (p *Pool) change(s *state, why string, f func()) {
	before, _ := s.health()
	f()
	now, because := s.health()
	if now == before || s.now == nil {
		return
	}
	s.since = time.Now()
	good, bad := slog.LevelInfo, slog.LevelWarn
	if s.now.second { // as of localhost, where a server listens on one family only
		good, bad = slog.LevelDebug, slog.LevelDebug
	}
	text, level, said, more := s.now.text, bad, "upstream is "+now.String(), []any{"why", because}
	switch now {
	case Up:
		s.rampFrom.Store(p.clock())
		level, more = good, []any{"why", why}
	case Ejected:
		said, more = "upstream ejected", []any{"for", time.Until(s.until).Round(time.Millisecond), "why", because}
	}
	p.log.add(func(l *slog.Logger) {
		l.Log(context.Background(), level, said, append([]any{"upstream", text}, more...)...)
	})
	p.publish()
}

// blame counts a failure of a server, and ejects it if there were too many in a row.
func (p *Pool) blame(s *state, inRow interface{ Add(int32) int32 }, what string) {
	s.failed.Add(1)
	limit := p.view.Load().passive.Failures
	if n := int(inRow.Add(1)); limit < 0 || n < limit {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.ejected || s.now == nil || !p.mayEject(s) {
		return
	}
	c := p.config.Passive
	d := c.Ejection
	if s.lasted > 0 && time.Since(s.returned) < c.Longest {
		d = 2 * s.lasted
	}
	d = max(min(d, c.Longest), 0)
	p.change(s, "", func() {
		s.ejected, s.lasted, s.until = true, d, time.Now().Add(d)
		s.ejectedWhy = what
		if limit > 1 {
			s.ejectedWhy = fmt.Sprintf("%d failures in a row, the last: %s", limit, what)
		}
		s.timer = time.AfterFunc(d, func() { p.comesBack(s) })
	})
}

// mayEject reports whether one more may be left alone.
func (p *Pool) mayEject(s *state) bool {
	all, ejected, up := 0, 0, 0
	for _, o := range p.states {
		switch h, _ := o.health(); h {
		case Up:
			up++
		case Ejected:
			ejected++
		default:
			continue
		}
		all++
	}
	if h, _ := s.health(); h != Up { // it makes no difference now, and would when it comes back
		return false
	}
	share := p.config.Passive.Share
	return up > 1 && (share < 0 || ejected < max(1, all*share/100))
}

// comesBack ends an ejection. One more failure begins the next.
func (p *Pool) comesBack(s *state) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !s.ejected || time.Now().Before(s.until) {
		return
	}
	limit := int32(max(p.config.Passive.Failures, 1))
	p.change(s, "its ejection is over", func() {
		s.ejected, s.returned = false, time.Now()
		s.refusals.Store(min(s.refusals.Load(), limit-1))
		s.resets.Store(min(s.resets.Load(), limit-1))
	})
}

// clearFailures forgets what pairs have told. The caller holds mu.
func (s *state) clearFailures() {
	s.ejected, s.lasted = false, 0
	s.refusals.Store(0)
	s.resets.Store(0)
	if s.timer != nil {
		s.timer.Stop()
	}
}

// checked notes what a check found.
func (p *Pool) checked(s *state, c Check, took time.Duration, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.lastCheck, s.lastCheckTook, s.lastCheckErr = time.Now(), took, ""
	first := !s.seen
	s.seen = true
	if err == nil {
		s.falls = 0
		s.rises++
		if s.down && (first || s.rises >= c.Rise) {
			p.change(s, successes(s.rises), func() {
				s.down = false
				s.clearFailures() // what is known now is newer
			})
		}
		return
	}
	s.lastCheckErr = quoted(reason(err))
	s.rises = 0
	s.falls++
	if !s.down && (first || s.falls >= c.Fall) {
		p.change(s, "", func() { s.down, s.downWhy = true, failures(s.falls, s.lastCheckErr) })
	} else if s.down {
		s.downWhy = failures(s.falls, s.lastCheckErr)
	}
}

func successes(n int) string {
	if n == 1 {
		return "a check succeeded"
	}
	return fmt.Sprintf("%d checks in a row succeeded", n)
}

func failures(n int, last string) string {
	if n == 1 {
		return "a check failed: " + last
	}
	return fmt.Sprintf("%d checks in a row failed, the last: %s", n, last)
}

// endChecks stops them; what they have found goes with them if it is to.
func (s *state) endChecks(forget bool) {
	if s.stopCheck != nil {
		s.stopCheck()
		s.stopCheck = nil
	}
	s.seen, s.rises, s.falls = false, 0, 0
	if forget {
		s.down = false
	}
}

// reason is an error in a few words, without the addresses that stand beside it.
func reason(err error) string {
	var errno syscall.Errno
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	case errors.As(err, &errno):
		return errno.Error()
	}
	return err.Error()
}

// isTheirs reports whether an error that reaching a server came to says something about
// it, and not about the peer or this host.
func isTheirs(err error) bool {
	return err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, zocalo.ErrNoOther) && !errors.Is(err, errors.ErrUnsupported) &&
		!pass.IsShortage(err) && !pass.Is(err, syscall.EADDRNOTAVAIL, syscall.EACCES, syscall.EPERM)
}
