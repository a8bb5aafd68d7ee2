package iperf3

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"zocalo/internal/units"
	"zocalo/socket"
)

// What client and server say to each other in the first datagrams of a flow:
// iperf3 writes them as numbers in the order of its machine, and checks
// neither.
var (
	knocking = [4]byte{'9', '8', '7', '6'}
	opened   = [4]byte{'6', '7', '8', '9'}
)

// knockAgain is how long to wait for the answer until knocking again, since
// datagrams may be lost.
const knockAgain = time.Second

// knock opens a flow of datagrams: the server learns where it comes from.
func (t *attempt) knock(ctx context.Context, s *socket.Socket) error {
	defer s.SetReadDeadline(time.Time{})
	// The server cuts off what comes after, so the answer alone counts.
	var b [64]byte
	for end := time.Now().Add(t.patience); time.Now().Before(end); {
		if _, err := s.Write(knocking[:]); err != nil && !passing(err) {
			return err
		}
		s.SetReadDeadline(time.Now().Add(knockAgain))
		stop := context.AfterFunc(ctx, func() { s.SetReadDeadline(time.Unix(1, 0)) })
		n, err := s.Read(b[:])
		stop()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil && n == len(opened):
			return nil
		case err == nil || errors.Is(err, os.ErrDeadlineExceeded):
		case passing(err):
			time.Sleep(10 * time.Millisecond)
		default:
			return err
		}
	}
	return fmt.Errorf("no answer to the first datagram within %s: a firewall may let TCP pass, and not UDP", units.Set(t.patience))
}
