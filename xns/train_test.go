package xns

import (
	"testing"
	"testing/synctest"

	"zocalo/socket"
)

// trains is a link whose packets come by as many at a time as the test says.
type trains struct {
	*station
	size chan int
	sent []int // packets in each train that was sent
}

func (l *trains) readTrain(bs []*buffer) (n int, err error) {
	select {
	case n = <-l.size:
	case <-l.closed:
		n = 1
	}
	for _, b := range bs[:n] {
		if b.n, err = l.ReadFrame(b.data[:]); err != nil {
			return 0, err
		}
	}
	return n, nil
}

func (l *trains) writeTrain(to HostID, packets [][]byte) error {
	l.sent = append(l.sent, len(packets))
	for _, p := range packets {
		if err := l.WriteFrame(to, p); err != nil {
			return err
		}
	}
	return nil
}

// TestTrains sees that what comes together is acknowledged together, and that
// what may be sent together is.
func TestTrains(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var s Segment
		w := wire{t, must[Link](t)(s.Attach(idA))}
		l := &trains{must[Link](t)(s.Attach(idB)).(*station), make(chan int, 100), nil}
		h := NewHost(l)
		defer w.l.Close()
		defer h.Close()
		c := must[*socket.Socket](t)(h.Socket(socket.Stream))
		l.size <- 1 // the answer to its question
		_, d := connectTo(t, c, w, 100)

		for i := range 10 {
			d.sendSPP(SPPHeader{Sequence: uint16(i), Control: ControlSendAck, Allocation: 100}, "x")
		}
		l.size <- 10
		if spp, _ := d.nextSPP(); spp.Ack != 10 || !d.silent() {
			t.Errorf("a train of 10 was acknowledged up to %d, and perhaps again", spp.Ack)
		}
		if n, err := c.Read(make([]byte, 20)); n != 10 || err != nil {
			t.Errorf("read %d bytes, %v", n, err)
		}
		// One that lacks something is answered at once, for its sender to see.
		for _, i := range []uint16{10, 12, 13, 14} {
			d.sendSPP(SPPHeader{Sequence: i, Allocation: 100}, "x")
		}
		l.size <- 4
		for range 3 {
			if spp, _ := d.nextSPP(); spp.Ack != 11 {
				t.Errorf("acknowledged %d, want 11", spp.Ack)
			}
		}
		// An odd one waits for what it may be sent with.
		d.sendSPP(SPPHeader{Sequence: 11, Allocation: 100}, "x")
		l.size <- 1
		synctest.Wait()

		l.sent = nil
		c.Write(make([]byte, 20*maxSPPData))
		synctest.Wait()
		if len(l.sent) != 1 || l.sent[0] != 4 { // the first window
			t.Errorf("sent trains of %v packets", l.sent)
		}
		c.Abort()
	})
}
