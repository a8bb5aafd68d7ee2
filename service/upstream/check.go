package upstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"time"

	"zocalo"
	"zocalo/address"
	"zocalo/internal/pass"
	"zocalo/socket"
	"zocalo/socket/option"
)

// checks checks a server until ctx ends, one of so many.
func (p *Pool) checks(ctx context.Context, s *state, c Check, among int) {
	// Many are not checked all at the same time.
	pause := rand.N(min(c.Interval, time.Duration(among)*time.Millisecond) + 1)
	for wait(ctx, pause) {
		p.mu.Lock()
		now := s.now
		p.mu.Unlock()
		if now == nil {
			return
		}
		began := time.Now()
		err := c.once(ctx, now.check)
		if ctx.Err() != nil {
			return
		}
		p.checked(s, c, time.Since(began), err)
		pause = aboutAs(c.Interval)
	}
}

// aboutAs returns a duration within a tenth of d.
func aboutAs(d time.Duration) time.Duration { return d - d/10 + rand.N(d/5+1) }

// wait waits, and returns false if ctx ended.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// address is what to connect to for a member, or why it cannot be checked. Copies of it for
// the addresses of a name keep what its layers made of the host.
func (c Check) address(a address.Address) (address.Address, error) {
	if c.Kind == NoCheck {
		return a, nil
	}
	carrier := carrierOf(a)
	switch {
	case carrier.Resolve == nil:
		return a, fmt.Errorf("upstream %v cannot be checked without opening it: omit the check", a)
	case isDatagram(a) && c.Send == "" && a.Scheme.Layers == nil:
		return a, fmt.Errorf("a check of %v needs something to send, since connecting a datagram socket sends nothing: give send, and expect for the answer", a)
	case c.Port != 0 && !carrier.Port:
		return a, fmt.Errorf("upstream %v has no port: omit that of the check", a)
	case c.Options != "" && c.Kind != CheckTLS:
		return a, fmt.Errorf("the options %q are of a TLS check: make it one, or omit them", c.Options)
	}
	a.Endpoint = c.endpoint(a.Endpoint)
	if c.Kind != CheckTLS {
		return a, nil
	}
	for _, l := range a.Scheme.Layers {
		if l.Name == "tls" {
			return a, nil
		}
	}
	text := "tls+" + a.Scheme.Name + ":" + address.Escape(a.Endpoint)
	if c.Options != "" {
		text += "," + c.Options
	}
	over, err := address.Parse(text)
	if err != nil {
		return a, err
	}
	over.Settings = append(append(option.Settings{}, a.Settings...), over.Settings...)
	return over, zocalo.CheckAddress(over, false)
}

// endpoint is the one to check in place of a server's, which has a port if Port is given.
func (c Check) endpoint(endpoint string) string {
	if c.Port == 0 {
		return endpoint
	}
	return endpoint[:strings.LastIndexByte(endpoint, ':')+1] + strconv.Itoa(c.Port)
}

// mostExpected bounds what a check reads, in bytes.
const mostExpected = 64 << 10

// once checks an address.
func (c Check) once(ctx context.Context, a address.Address) error {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	s, err := new(zocalo.Dialer).DialAddress(ctx, a)
	if err != nil {
		return err
	}
	defer s.Close()
	deadline, _ := ctx.Deadline()
	s.SetDeadline(deadline)
	defer context.AfterFunc(ctx, func() { s.SetDeadline(time.Unix(1, 0)) })()
	if c.Send != "" {
		if _, err := s.Write([]byte(c.Send)); err != nil {
			return fmt.Errorf("sending: %w", err)
		}
	}
	switch {
	case c.Expect != "":
		return expect(s, c.Expect)
	case isDatagram(a) && c.Send != "":
		// An answer is a good sign, and a refusal a bad one. Silence is none.
		if _, err := s.Read(make([]byte, mostExpected)); err != nil && pass.IsUnreachable(err) {
			return err
		}
	}
	return nil
}

func expect(s *socket.Socket, text string) error {
	b := make([]byte, 0, 4<<10)
	for len(b) < mostExpected {
		if len(b) == cap(b) || s.Properties().Bounded {
			b = append(make([]byte, 0, mostExpected), b...)
		}
		n, err := s.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		var timeout net.Error
		switch {
		case bytes.Contains(b, []byte(text)):
			return nil
		case err == nil:
			continue
		case len(b) > 0:
			return fmt.Errorf("its answer %.60q has no %.60q", b, text)
		case errors.As(err, &timeout) && timeout.Timeout():
			return fmt.Errorf("no answer in time, but %.60q was expected", text)
		case err == io.EOF:
			return fmt.Errorf("it closed the connection, but %.60q was expected", text)
		}
		return fmt.Errorf("receiving: %w", err)
	}
	return fmt.Errorf("the first %d bytes of its answer have no %.60q", mostExpected, text)
}
