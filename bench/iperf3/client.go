package iperf3

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"zocalo"
	"zocalo/address"
	"zocalo/bench"
	"zocalo/internal/units"
	"zocalo/socket"
	"zocalo/socket/option"
)

// A Client measures against an iperf3 server.
type Client struct {
	// Address is the server's, as [zocalo.Dial] takes it: of any kind of
	// stream. Its options hold for the control connection and for the flows,
	// unless these are datagrams. [ParseClient] makes a Client of the address
	// that the command takes.
	Address address.Address
	Test    Test

	// Login, if not nil, is for a server that wants to know who asks.
	Login *Login

	// FlowPort is the port of this end of the first flow; the others have those after
	// it. 0 lets the system choose.
	FlowPort int

	// Patience is how long to wait for each answer of a server that says nothing; 0 or
	// less is 10 s for the first, and 30 s from then on.
	Patience time.Duration

	// OnInterval, if not nil, is called after each interval. The test waits
	// for it.
	OnInterval func(bench.Interval)
}

// Run makes the test, and returns what both ends found.
//
// The end of ctx ends the test at once: the server is told, and what this end
// found until then is returned with the context's error. It is how an endless test ends, in
// order. So is, with the
// error, what this end found of a test that failed in the middle; the report
// is nil where it never began.
func (c *Client) Run(ctx context.Context) (*Report, error) {
	if err := c.Test.Check(); err != nil {
		return nil, err
	}
	a := c.Address
	target, err := a.Target(false)
	if err != nil {
		return nil, err
	}
	s, err := zocalo.DialAddress(ctx, a)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	if s.Type() != socket.Stream {
		return nil, fmt.Errorf("iperf3 over %v: its control connection is a stream", c.Address)
	}
	patience := c.Patience
	if patience <= 0 {
		patience = controlPatience
	}
	t := &attempt{control: control{s, patience}, client: c, test: c.Test, settings: a.Settings}
	if t.test.UDP && s.Domain() != socket.Inet && s.Domain() != socket.Inet6 {
		return nil, fmt.Errorf("iperf3 over %v: it has no UDP beside it", c.Address)
	}
	_, t.bound = address.Bind.In(target.Settings)
	report, err := t.run(ctx)
	if err != nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	return report, err
}

// An attempt is one test of a client.
type attempt struct {
	control
	client    *Client
	test      Test
	settings  option.Settings // of the address
	bound     bool            // the address says where to connect from
	cookie    cookie
	intervals []bench.Interval
}

func (t *attempt) run(ctx context.Context) (*Report, error) {
	segment, _ := option.MaxSegment.Get(t.s)
	t.test.complete(segment)
	r := newRun(&t.test)
	defer r.close()
	// The end of ctx ends the set-up, which has nothing to tell yet, at once.
	stop := context.AfterFunc(ctx, func() { t.s.Close() })
	err := t.setUp(ctx, r)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	r.start()
	err = t.measure(ctx, r)
	report := r.report(t.cookie)
	report.Intervals = t.intervals
	if err != nil {
		report.Interrupted = ctx.Err() != nil
		return report, err
	}
	if !t.test.Endless {
		defer context.AfterFunc(ctx, func() { t.s.Close() })()
	}
	return report, t.conclude(r, report)
}

// setUp leads the server to where the test runs.
func (t *attempt) setUp(ctx context.Context, r *run) error {
	option.NoDelay.Set(t.s, true) // where there is such a thing
	t.cookie = newCookie()
	if err := t.write(t.cookie[:], "the cookie"); err != nil {
		return err
	}
	first := t.control
	if t.client.Patience <= 0 {
		first.patience = strangerPatience
	}
	if err := first.expect(paramExchange); err != nil {
		return err
	}
	asks := t.test.parameters()
	if l := t.client.Login; l != nil {
		var err error
		if asks.Login, err = l.token(time.Now()); err != nil {
			return err
		}
	}
	if err := t.sendJSON(asks, "the parameters"); err != nil {
		return err
	}
	if err := t.expect(createStreams); err != nil {
		var told *PeerError
		if errors.As(err, &told) && told.Code == codeLogin && t.client.Login != nil {
			return errLogin
		}
		return err
	}
	if err := t.open(ctx, r); err != nil {
		return err
	}
	if err := t.expect(testStart); err != nil {
		return err
	}
	return t.expect(testRunning)
}

// open opens the flows: those that send first.
func (t *attempt) open(ctx context.Context, r *run) error {
	sending, taking := 0, 0
	if t.test.forward() {
		sending = t.test.Flows
	}
	if t.test.backward() {
		taking = t.test.Flows
	}
	for i := range sending + taking {
		s, err := t.openFlow(ctx, i)
		if err != nil {
			return fmt.Errorf("flow %d: %w", i+1, err)
		}
		r.add(s, i < sending)
	}
	return nil
}

func (t *attempt) openFlow(ctx context.Context, i int) (*socket.Socket, error) {
	k := t.s.Kind()
	if t.test.UDP {
		k = socket.Kind{Domain: k.Domain, Type: socket.Datagram}
	}
	s, err := socket.New(k.Domain, k.Type, k.Protocol)
	if err != nil {
		return nil, err
	}
	if err := t.connect(ctx, s, i); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (t *attempt) connect(ctx context.Context, s *socket.Socket, i int) error {
	if !t.test.UDP {
		if err := t.settings.Apply(option.Opened, s); err != nil {
			return err
		}
	}
	if t.test.Segment > 0 && !t.test.UDP {
		if err := option.MaxSegment.Set(s, t.test.Segment); err != nil {
			return err
		}
	}
	if r := t.test.prepare(s); r != nil {
		return r
	}
	if t.test.UDP {
		if err := follow(s, t.s); err != nil {
			return err
		}
	}
	if near := t.s.Name(); (t.bound || t.client.FlowPort > 0) && near.AddrPort().IsValid() {
		port := t.client.FlowPort
		if port > 0 { // which may be of the test before
			if port += i; port > 65535 {
				return fmt.Errorf("flow-port=%d: %d flows have no such ports", t.client.FlowPort, i+1)
			}
			if err := option.ReuseAddress.Set(s, true); err != nil {
				return err
			}
		}
		if err := s.Bind(socket.InetName(netip.AddrPortFrom(near.AddrPort().Addr(), uint16(port)))); err != nil {
			return err
		}
	}
	bounded, cancel := context.WithTimeout(ctx, t.patience)
	defer cancel()
	if err := s.Connect(bounded, t.s.Peer()); err != nil {
		return err
	}
	if t.test.UDP {
		return t.knock(ctx, s)
	}
	if err := t.settings.Apply(option.Connected, s); err != nil {
		return err
	}
	s.SetWriteDeadline(time.Now().Add(t.patience))
	defer s.SetWriteDeadline(time.Time{})
	_, err := s.Write(t.cookie[:])
	return err
}

// measure lets the flows go until the test is over, and says so to the server.
func (t *attempt) measure(ctx context.Context, r *run) error {
	ear := t.listen()
	defer ear.stop()
	// The measured time begins when what is omitted is past.
	timer := time.NewTimer(t.test.Omit)
	defer timer.Stop()
	omitted := timer.C
	var over <-chan time.Time
	sampling := newSampler(r, t.test.Interval)
	defer sampling.stop()
	idle := newIdleness(r)
	defer idle.stop()
	// With nothing to send, that all of it is sent is no end.
	var sent, received <-chan struct{}
	if t.test.counted() {
		if t.test.forward() {
			sent = r.sent
		}
		received = r.received
	}
	for {
		select {
		case <-omitted:
			omitted = nil
			if t.test.Omit > 0 {
				t.emit(sampling.sample(true))
				r.rebase()
				sampling.rebase()
			}
			if t.test.Duration > 0 {
				timer.Reset(t.test.Duration)
				over = timer.C
			}
			continue
		case <-sampling.ticks:
			t.emit(sampling.sample(omitted != nil && t.test.Omit > 0))
			continue
		case <-idle.ticks:
			if !idle.tooLong() {
				continue
			}
			if !idle.over() {
				r.halt()
				t.send(clientTerminate)
				return fmt.Errorf("nothing moved for %s: the test was given up", units.Set(mostIdle))
			}
		case <-over:
		case <-sent:
			if err := r.firstError(); err != nil {
				r.halt()
				return err
			}
			settle(r)
		case <-received:
		case <-ctx.Done():
			if !t.test.Endless {
				r.halt()
				t.send(clientTerminate)
				return ctx.Err()
			}
			ctx = context.WithoutCancel(ctx) // that was its end: the server tells what it has
		case told := <-ear.heard:
			ear.heard = nil
			r.halt()
			if told.err != nil {
				return told.err
			}
			return t.refusal(told.state, testEnd)
		}
		r.halt()
		t.emit(sampling.sample(false))
		if err := t.send(testEnd); err != nil {
			return err
		}
		return t.answer(ctx, ear)
	}
}

// answer waits for what the server says to the end of the test.
func (t *attempt) answer(ctx context.Context, ear *ear) error {
	timer := time.NewTimer(t.patience)
	defer timer.Stop()
	select {
	case told := <-ear.heard:
		ear.heard = nil
		switch {
		case told.err != nil:
			return told.err
		case told.state != exchangeResults:
			return t.refusal(told.state, exchangeResults)
		}
		return nil
	case <-ctx.Done():
		t.send(clientTerminate)
		return ctx.Err()
	case <-timer.C:
		return fmt.Errorf("control connection: the server did not answer %v within %s", testEnd, units.Set(t.patience))
	}
}

func (t *attempt) emit(i bench.Interval) {
	// What is left at the end may be short, and is said where it has anything.
	if t.test.Interval <= 0 || i.Traffic.Bytes == 0 && i.End-i.Start < t.test.Interval/10 {
		return
	}
	t.intervals = append(t.intervals, i)
	if t.client.OnInterval != nil {
		t.client.OnInterval(i)
	}
}

// settle gives what was sent a moment to arrive, so that a server which counts
// no more from the end of the test on has counted it.
func settle(r *run) {
	for wait := time.Millisecond; wait < 256*time.Millisecond; wait *= 2 {
		under := false
		for _, f := range r.flows {
			info, err := option.ConnectionInfo.Get(f.s)
			under = under || f.sends && err == nil && info.NotSent+info.Unacknowledged > 0
		}
		time.Sleep(wait)
		if !under && wait > 8*time.Millisecond {
			return
		}
	}
}

// conclude exchanges the figures with the server.
func (t *attempt) conclude(r *run, report *Report) error {
	if err := t.sendJSON(r.results(), "the results"); err != nil {
		return err
	}
	var theirs results
	if err := t.receiveJSON(&theirs, mostResults, "the results"); err != nil {
		return err
	}
	if err := report.hear(&theirs); err != nil {
		return err
	}
	if err := t.expect(displayResults); err != nil {
		return err
	}
	r.close()
	t.send(iperfDone) // the server may be gone already
	return nil
}
