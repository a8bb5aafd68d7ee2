package check

import (
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"zocalo/internal/units"
	"zocalo/socket"
)

// How long each of the two figures is measured, and what is sent meanwhile.
const (
	speedTime    = 100 * time.Millisecond
	speedStream  = 64 << 10
	speedMessage = 8 << 10
	pingSize     = 64

	mostPingsLost = 3 // of a kind that may lose, before it counts as failed
)

// speed measures how many bytes arrive in a while, and how long a message
// takes there and back. It judges nothing.
func speed(t *trial) ([]Finding, error) {
	rate, err := t.throughput()
	if err != nil {
		return nil, err
	}
	round, trips, err := t.roundTrip()
	if err != nil {
		return nil, err
	}
	size := speedStream
	if t.Promised.Bounded {
		size = t.fitting(speedMessage)
	}
	return []Finding{{
		Property: "speed", Verdict: NotPromised,
		Word: units.Rate(8 * rate),
		Sent: fmt.Sprintf("sends of %s for %s; then %d bytes there and back, again and again", units.Size(size), units.Set(speedTime), pingSize),
		Seen: fmt.Sprintf("%s arrived; half of %s round trips took at most %s", units.Rate(8*rate), units.Count(trips), units.Time(round)),
		Figures: []Figure{
			{"throughput", rate / 1e6, "MB/s"},
			{"round trip", float64(round.Nanoseconds()) / 1e3, "us"},
		},
	}}, nil
}

// throughput returns the bytes a second that arrive while one end sends and
// the other reads. A kind that stalls shows it: MPTCP of Linux 6.18 does so on
// loopback now and then, for 200 ms, and the figure is small.
func (t *trial) throughput() (float64, error) {
	a, b, err := t.pair()
	if err != nil {
		return 0, err
	}
	size := speedStream
	if t.Promised.Bounded {
		size = t.fitting(speedMessage)
	}
	var arrived atomic.Int64
	results := make(chan error, 2)
	start := time.Now()
	end := start.Add(speedTime)
	a.SetWriteDeadline(end)
	b.SetReadDeadline(end)
	go func() {
		data := pattern(make([]byte, size), 0)
		for {
			if _, err := a.Write(data); err != nil && !t.mayLose(err) {
				results <- err
				return
			}
		}
	}()
	go func() {
		buffer := make([]byte, size+headroom)
		for {
			n, err := b.Read(buffer)
			if err != nil {
				results <- err
				return
			}
			arrived.Add(int64(len(t.payload(buffer[:n]))))
		}
	}()
	for range 2 {
		if err := <-results; !t.missing(err) {
			return 0, err
		}
	}
	return float64(arrived.Load()) / time.Since(start).Seconds(), nil
}

// roundTrip returns the median time of a message there and back.
func (t *trial) roundTrip() (time.Duration, int, error) {
	a, b, err := t.pair()
	if err != nil {
		return 0, 0, err
	}
	back, home := b, a // the way back: a second channel, where one goes one way
	if t.OneWay {
		if back, home, err = t.pair(); err != nil {
			return 0, 0, err
		}
	}
	echoed := make(chan error, 1)
	go func() { echoed <- t.echo(b, back) }()
	var took []time.Duration
	message, buffer := make([]byte, pingSize), make([]byte, pingSize+headroom)
	lost := 0
	for start := time.Now(); len(took) == 0 || time.Since(start) < speedTime; {
		sent := time.Now()
		if err = t.write(a, message); err != nil {
			break
		}
		if err = t.receive(home, buffer); err != nil {
			if t.missing(err) && !t.Promised.Reliable && lost < mostPingsLost {
				lost++ // what the experiment before it left in a queue may have cost it its place
				continue
			}
			break
		}
		took = append(took, time.Since(sent))
	}
	b.SetReadDeadline(past)
	if echoErr := <-echoed; !t.missing(echoErr) && err == nil {
		err = echoErr
	}
	if err != nil {
		return 0, 0, err
	}
	slices.Sort(took)
	return took[len(took)/2], len(took), nil
}

// echo sends what comes from one socket to another, until a call fails.
func (t *trial) echo(from, to *socket.Socket) error {
	buffer := make([]byte, pingSize+headroom)
	for {
		n, err := from.Read(buffer)
		if err == nil {
			err = t.write(to, t.payload(buffer[:n]))
		}
		if err != nil {
			return err
		}
	}
}

// receive reads as many bytes as a ping has.
func (t *trial) receive(s *socket.Socket, buffer []byte) error {
	for n := 0; n < pingSize; {
		got, err := t.read(s, buffer)
		if err != nil {
			return err
		}
		n += len(got)
	}
	return nil
}
