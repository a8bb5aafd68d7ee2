package iperf3

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"zocalo/bench"
	"zocalo/internal/units"
	"zocalo/socket"
	"zocalo/socket/option"
)

// A run is a test at one end, once its flows are open: it starts them, counts,
// and stops them. The client and a session of the server lead it alike.
type run struct {
	test  *Test
	flows []*flow

	bytes  atomic.Int64 // left to send, where the test says
	blocks atomic.Int64

	got      atomic.Int64  // bytes received or lost on the way, in a test that bytes or blocks end
	sent     chan struct{} // closed when the senders are through with what they have to send
	received chan struct{} // closed when as much as the test says has been received
	whole    sync.Once     // of received

	stop    chan struct{} // closed by halt
	senders sync.WaitGroup
	takers  sync.WaitGroup

	most int64 // bits a second of each flow, that this end keeps to; 0 is no bound

	started time.Time
	begun   time.Time // the measured time, once omitted is past
	spent   bench.Processor
	through time.Time // once sent is closed
	ended   time.Time
}

func newRun(t *Test) *run {
	r := &run{test: t, sent: make(chan struct{}), received: make(chan struct{}), stop: make(chan struct{})}
	r.bytes.Store(t.Bytes)
	r.blocks.Store(t.Blocks)
	return r
}

// add adds the next flow.
func (r *run) add(s *socket.Socket, sends bool) {
	r.flows = append(r.flows, &flow{s: s, id: streamID(len(r.flows)), sends: sends})
}

// prepare sets what the test says of a flow's socket, before it connects or
// after it was accepted.
func (t *Test) prepare(s *socket.Socket) *refusal {
	if t.Window > 0 {
		err := option.SendBuffer.Set(s, t.Window)
		if err == nil {
			err = option.ReceiveBuffer.Set(s, t.Window)
		}
		if err != nil {
			return refuse(codeBuffer, "a window of %d bytes: %v", t.Window, err)
		}
	}
	if t.PacingRate > 0 {
		if err := option.MaxPacingRate.Set(s, int(max(t.PacingRate/8, 1))); err != nil {
			return refuse(codeUnsupported, "a pacing rate of %s: %v", units.RateSet(float64(t.PacingRate)), err)
		}
	}
	if t.TOS > 0 {
		if err := option.TypeOfService.Set(s, t.TOS); err != nil {
			return refuse(125, "a type of service of %d: %v", t.TOS, err)
		}
	}
	if t.UDP {
		if t.DontCut {
			if err := option.MTUDiscovery.Set(s, option.MTUDo); err != nil {
				return refuse(145, "datagrams that are not fragmented: %v", err)
			}
		}
		return nil
	}
	if t.NoDelay {
		if err := option.NoDelay.Set(s, true); err != nil {
			return refuse(122, "no delay: %v", err)
		}
	}
	if t.Congestion != "" {
		if err := option.Congestion.Set(s, t.Congestion); err != nil {
			return refuse(codeCongestion, "congestion control %.20q: %v", t.Congestion, err)
		}
	}
	return nil
}

// follow gives a flow of datagrams what the control connection has that is of
// packets, and not of streams: the address may say it, of either end.
func follow(s, control *socket.Socket) error {
	for _, o := range []*option.Spec{option.Device.Spec, option.Mark.Spec, option.Priority.Spec, option.TTL.Spec, option.FreeBind.Spec, option.Transparent.Spec} {
		want, err := o.Current(control)
		have, errHave := o.Current(s)
		if err != nil || errHave != nil || have == want {
			continue
		}
		if err := o.Apply(s, want); err != nil {
			return fmt.Errorf("%s=%s for datagrams: %w", o.Name, o.Format(want), err)
		}
	}
	return nil
}

// start lets the flows go.
func (r *run) start() {
	r.started = time.Now()
	r.rebase()
	for _, f := range r.flows {
		if f.sends {
			r.senders.Go(func() { f.err = r.send(f) })
		} else {
			r.takers.Go(func() { f.err = r.take(f) })
		}
	}
	go func() {
		r.senders.Wait()
		r.through = time.Now()
		close(r.sent)
	}()
}

// rebase begins the measured time here.
func (r *run) rebase() {
	for _, f := range r.flows {
		f.rebase()
	}
	r.begun, r.spent = time.Now(), bench.ProcessorNow()
}

// halt stops the senders, and notes where each flow stands. Receivers go on to
// take what comes, so that no sender at the other end is stuck; it counts no
// more.
func (r *run) halt() {
	close(r.stop)
	past := time.Unix(1, 0)
	for _, f := range r.flows {
		if f.sends {
			f.s.SetWriteDeadline(past)
		}
	}
	r.ended = time.Now()
	r.spent = bench.ProcessorNow().Since(r.spent)
	<-r.sent
	// Datagrams that were counted out are over when the last was sent, and when
	// the last arrived: the other end may wait for what was lost.
	if r.test.UDP && r.test.counted() && r.test.Direction != bench.Both {
		last := r.through
		for _, f := range r.flows {
			if !f.sends {
				f.mu.Lock()
				last = f.at
				f.mu.Unlock()
			}
		}
		if last.After(r.begun) && last.Before(r.ended) {
			r.ended = last
		}
	}
	r.note()
}

// finish ends the streams that sent, after halt. iperf3's client waits for
// whole blocks when the test is over, and the last one was cut off.
func (r *run) finish() {
	for _, f := range r.flows {
		if f.sends && !r.test.UDP {
			f.s.CloseWrite()
		}
	}
}

func (r *run) note() {
	for _, f := range r.flows {
		f.last = f.mark()
	}
}

func (r *run) elapsed() time.Duration { return r.ended.Sub(r.begun) }

// close ends the flows, after halt or without it.
func (r *run) close() {
	for _, f := range r.flows {
		f.s.Close()
	}
	r.senders.Wait()
	r.takers.Wait()
}

// total is what the flows have moved since the measured time began.
func (r *run) total() (bytes, packets int64) {
	for _, f := range r.flows {
		bytes += f.bytes.Load() - f.base.bytes
		packets += f.packets.Load() - f.base.moved
	}
	return bytes, packets
}

// firstError is that of a sender. It is to be asked once sent is closed.
func (r *run) firstError() error {
	for _, f := range r.flows {
		if f.sends && f.err != nil {
			return fmt.Errorf("flow %d: %w", f.id, f.err)
		}
	}
	return nil
}

func (r *run) stopped() bool {
	select {
	case <-r.stop:
		return true
	default:
		return false
	}
}

// target is how many bytes end the test, 0 where time does.
func (t *Test) target() int64 { return max(t.Bytes, t.Blocks*int64(t.Size)) }

// count adds bytes that a flow received. progress is how far it came by that
// on the way to the end: of datagrams more, where some were lost.
func (r *run) count(f *flow, n int, progress int64) {
	f.bytes.Add(int64(n))
	if target := r.test.target(); target > 0 && r.got.Add(progress) >= target {
		r.whole.Do(func() { close(r.received) })
	}
}

// allowance takes from what is left to send: up to blocks blocks of size
// bytes. It returns how many blocks may be sent, and how long the last is.
func (r *run) allowance(blocks, size int) (n, last int) {
	switch {
	case r.test.Bytes > 0:
		left := r.bytes.Add(-int64(blocks) * int64(size))
		if left >= 0 {
			return blocks, size
		}
		left += int64(blocks) * int64(size) // what was left before
		if left <= 0 {
			return 0, 0
		}
		n = int((left + int64(size) - 1) / int64(size))
		return n, int(left - int64(n-1)*int64(size))
	case r.test.Blocks > 0:
		left := r.blocks.Add(-int64(blocks))
		return int(max(min(left+int64(blocks), int64(blocks)), 0)), size
	}
	return blocks, size
}

// rate is that of what this end sends, 0 as fast as it goes.
func (r *run) rate() int64 {
	if r.most > 0 && (r.test.Rate == 0 || r.test.Rate > r.most) {
		return r.most
	}
	return r.test.Rate
}

// tooFast returns the rate of a flow of datagrams that comes faster than it may, 0 where
// there is none.
func (r *run) tooFast() int64 {
	for _, f := range r.flows {
		if f.sends {
			continue
		}
		// What a sender does after a delay is no rate.
		if elapsed := time.Since(r.begun); elapsed > 2*time.Second {
			if rate := float64(f.bytes.Load()-f.base.bytes) * 8 / elapsed.Seconds(); rate > 1.1*float64(r.most) {
				return int64(rate)
			}
		}
	}
	return 0
}

func (r *run) send(f *flow) error {
	p := newPace(r.rate(), r.test.Burst)
	defer p.stop()
	if r.test.UDP {
		return r.sendDatagrams(f, p)
	}
	return r.sendBytes(f, p)
}

func (r *run) take(f *flow) error {
	if r.test.UDP {
		return r.takeDatagrams(f)
	}
	return r.takeBytes(f)
}

// content is bytes that do not compress.
func content(n int) []byte {
	b := make([]byte, n)
	random := rand.NewChaCha8([32]byte{})
	random.Read(b)
	return b
}

func (r *run) sendBytes(f *flow, p *pace) error {
	b := content(r.test.Size)
	for !r.stopped() {
		if p.wait(len(b), 1, r.stop) == 0 {
			return nil
		}
		blocks, size := r.allowance(1, len(b))
		if blocks == 0 {
			return nil
		}
		n, err := f.s.Write(b[:size])
		p.sent += int64(n)
		f.bytes.Add(int64(n))
		f.packets.Add(1)
		if err != nil {
			return r.unlessStopped(err)
		}
	}
	return nil
}

func (r *run) takeBytes(f *flow) error {
	b := make([]byte, r.test.Size)
	p := newPace(r.most, 1)
	defer p.stop()
	for {
		p.wait(len(b), 1, r.stop) // the client waits as well; once the test is over nobody does
		n, err := f.s.Read(b)
		p.sent += int64(n)
		r.count(f, n, int64(n))
		if err != nil {
			return r.unlessStopped(err)
		}
	}
}

// unlessStopped is err, unless it comes of the test's own end.
func (r *run) unlessStopped(err error) error {
	if r.stopped() {
		return nil
	}
	return err
}
