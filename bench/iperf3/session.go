package iperf3

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"zocalo/internal/units"
	"zocalo/socket"
	"zocalo/socket/option"
)

// A session is one test of a server.
type session struct {
	control
	serving *serving
	cookie  cookie
	ctx     context.Context // ends with the server, or with the session
	end     context.CancelFunc

	datagrams int // flows of datagrams; guarded by serving.mu

	elsewhere netip.Addr // where the client's datagrams come from, if not from where it is

	mu      sync.Mutex
	wanted  int // flows that are waited for
	arrived chan *socket.Socket
	flows   []*flow // once all are there

	// Guarded by serving.mu: what had moved when that was looked at last, and
	// since when.
	moved   int64
	since   time.Time
	gaveWay bool
}

// silence is for how long nothing has moved, as far as looking has told.
func (n *session) silence(now time.Time) time.Duration {
	n.mu.Lock()
	flows := n.flows
	n.mu.Unlock()
	var moved int64
	for _, f := range flows {
		moved += f.bytes.Load()
	}
	if moved != n.moved {
		n.moved, n.since = moved, now
	}
	return now.Sub(n.since)
}

func newSession(v *serving, key cookie) *session {
	n := &session{serving: v, cookie: key, arrived: make(chan *socket.Socket), since: time.Now()}
	n.ctx, n.end = context.WithCancel(v.ending)
	return n
}

// join hands over a connection that has the session's cookie, and returns when
// the session is over. One that the session does not wait for is left to be
// closed.
func (n *session) join(c *socket.Socket) {
	n.mu.Lock()
	expected := n.wanted > 0
	if expected {
		n.wanted--
	}
	n.mu.Unlock()
	if !expected {
		return
	}
	select {
	case n.arrived <- c:
		<-n.ctx.Done()
	case <-n.ctx.Done():
	}
}

// grace is how long a test may last beyond the time that its client said.
const grace = 30 * time.Second

// serve leads a client through its test.
func (n *session) serve() (*Report, error) {
	stop := context.AfterFunc(n.ctx, func() { n.s.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	r, err := n.setUp()
	if r != nil {
		defer r.close()
	}
	if err != nil {
		var why *refusal
		switch {
		case n.ctx.Err() != nil:
			n.send(serverTerminate)
			err = errEnding
		case errors.As(err, &why):
			n.write(why.frame(), "why the test is refused")
			n.drain()
		}
		return nil, err
	}
	r.start()
	if err := n.measure(r); err != nil {
		report := r.report(n.cookie)
		report.Interrupted = true
		return report, err
	}
	return n.conclude(r)
}

// setUp comes to where the test runs. It returns a run to be closed, perhaps
// with an error.
func (n *session) setUp() (*run, error) {
	option.NoDelay.Set(n.s, true)
	option.KeepAlive.Set(n.s, true)
	if err := n.send(paramExchange); err != nil {
		return nil, err
	}
	asked := assumed()
	if err := n.receiveJSON(&asked, mostParameters, "the parameters"); err != nil {
		if errors.Is(err, errGone) {
			return nil, err
		}
		return nil, fmt.Errorf("%w: %w", refuse(codeParameters, "the parameters"), err)
	}
	if u := n.serving.Users; u != nil {
		user, err := u.check(asked.Login, time.Now())
		if err != nil {
			return nil, fmt.Errorf("%w: %w", refuse(codeLogin, "user %q is not served", printable(user)), err)
		}
		n.serving.log.Info("a user was let in", "peer", n.s.Peer(), "user", printable(user))
	}
	test, refused := asked.test()
	if refused == nil {
		refused = n.serving.bound(test)
	}
	if refused != nil {
		return nil, refused
	}
	if domain := n.s.Domain(); test.UDP && domain != socket.Inet && domain != socket.Inet6 {
		return nil, refuse(codeUnsupported, "datagrams beside a control connection over %v", n.s.Kind())
	}
	r := newRun(test)
	r.most = n.serving.MaxRate / int64(test.Flows)
	if err := n.gather(r); err != nil {
		return r, err
	}
	n.mu.Lock()
	n.flows = r.flows
	n.mu.Unlock()
	if err := n.send(testStart); err != nil {
		return r, err
	}
	return r, n.send(testRunning)
}

// gather asks for the flows, and waits for them. The client opens those by
// which it sends first.
func (n *session) gather(r *run) error {
	taking, sending := 0, 0
	if r.test.forward() {
		taking = r.test.Flows
	}
	if r.test.backward() {
		sending = r.test.Flows
	}
	if r.test.UDP {
		return n.gatherDatagrams(r, taking, sending)
	}
	n.mu.Lock()
	n.wanted = taking + sending
	n.mu.Unlock()
	if err := n.send(createStreams); err != nil {
		return err
	}
	late := time.NewTimer(strangerPatience)
	defer late.Stop()
	ear := n.listen()
	defer ear.stop()
	var flows []*socket.Socket
	for len(flows) < taking+sending {
		select {
		case s := <-n.arrived:
			flows = append(flows, s)
		case <-n.ctx.Done():
			return errEnding
		case told := <-ear.heard:
			return n.unexpected(told)
		case <-late.C:
			return refuse(codeStreams, "%d of %d flows came within %s", len(flows), taking+sending, units.Set(strangerPatience))
		}
	}
	n.serving.sort(flows)
	for i, s := range flows {
		r.add(s, i >= taking)
		if refused := r.test.prepare(s); refused != nil {
			return refused
		}
	}
	return nil
}

func (n *session) unexpected(t told) error {
	if t.err != nil {
		return t.err
	}
	return n.refusal(t.state, testEnd)
}

// measure lets the flows go until the client says that the test is over.
func (n *session) measure(r *run) error {
	ear := n.listen()
	defer ear.stop()
	var over, omitted <-chan time.Time
	if r.test.Omit > 0 {
		timer := time.NewTimer(r.test.Omit)
		defer timer.Stop()
		omitted = timer.C
	}
	if r.test.Duration > 0 {
		timer := time.NewTimer(r.test.Omit + r.test.Duration + grace)
		defer timer.Stop()
		over = timer.C
	}
	var tooLong, looks <-chan time.Time
	if most := n.serving.MaxTime; most > 0 && r.test.Duration == 0 {
		timer := time.NewTimer(most)
		defer timer.Stop()
		tooLong = timer.C
	}
	if r.most > 0 && r.test.UDP {
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		looks = ticker.C
	}
	idle := newIdleness(r)
	defer idle.stop()
	for {
		select {
		case <-omitted:
			r.rebase()
			omitted = nil
		case <-idle.ticks:
			if idle.tooLong() { // a client says when it is over
				r.halt()
				return n.giveUp(refuse(codeIdle, "nothing moved for %s", units.Set(mostIdle)))
			}
		case <-tooLong:
			r.halt()
			return n.giveUp(refuse(codeDuration, "a test lasts at most %s", units.Set(n.serving.MaxTime)))
		case <-looks:
			if rate := r.tooFast(); rate > 0 {
				r.halt()
				return n.giveUp(refuse(codeRate, "a flow runs at %s, above the %s allowed", units.Rate(float64(rate)), units.RateSet(float64(r.most))))
			}
		case <-over:
			r.halt()
			return n.giveUp(refuse(codeIdle, "the client did not end the test within %s of its time", units.Set(grace)))
		case <-n.ctx.Done():
			r.halt()
			n.send(serverTerminate)
			return errEnding
		case told := <-ear.heard:
			r.halt()
			if told.err == nil && told.state == testEnd {
				r.finish()
				return nil
			}
			if n.ctx.Err() != nil {
				n.send(serverTerminate)
				return errEnding
			}
			return n.unexpected(told)
		}
	}
}

func (n *session) giveUp(why *refusal) error {
	n.write(why.frame(), "why the test is given up")
	return why
}

// conclude exchanges the figures with the client.
func (n *session) conclude(r *run) (*Report, error) {
	report := r.report(n.cookie)
	err := n.send(exchangeResults)
	var theirs results
	if err == nil {
		err = n.receiveJSON(&theirs, mostResults, "the results")
	}
	if err == nil {
		// What ends by bytes is over when they are here.
		r.catchUp(&theirs)
		report = r.report(n.cookie)
		err = report.hear(&theirs)
	}
	if err != nil {
		return report, err
	}
	ours := r.results()
	if r.test.WantsOutput {
		ours.Text = report.text(n.s.Peer())
	}
	if err := n.sendJSON(ours, "the results"); err != nil {
		return report, err
	}
	if err := n.send(displayResults); err != nil {
		return report, err
	}
	n.expect(iperfDone) // a client that just goes has all it wanted
	return report, nil
}

// How long what a client has sent may be under way after the end of a test.
const (
	mostCatchUp  = 2 * time.Second
	catchUpPause = 5 * time.Millisecond
	stalledAfter = 20 // pauses
)

// catchUp waits for what the client says it has sent, and is still under way:
// for bytes in a test that they end, and for datagrams, which would else be
// taken for lost.
func (r *run) catchUp(theirs *results) {
	if !r.test.counted() && !r.test.UDP {
		return
	}
	last, still := int64(-1), 0
	for end := time.Now().Add(mostCatchUp); time.Now().Before(end) && still < stalledAfter; still++ {
		missing, now := false, int64(0)
		for _, f := range r.flows {
			if s, ok := find(theirs.Streams, f.id); ok && !f.sends {
				bytes := f.bytes.Load()
				now += bytes
				missing = missing || bytes-f.base.bytes < int64(s.Bytes)
			}
		}
		if !missing {
			break
		}
		if now != last {
			last, still = now, 0
			if r.test.counted() {
				r.ended = time.Now()
			}
		}
		time.Sleep(catchUpPause)
	}
	r.note()
}
