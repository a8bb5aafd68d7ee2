package accept

import (
	"context"
	"sync"
	"time"

	"zocalo/internal/pass"
	"zocalo/socket"
)

// lately are those that were refused; began is when their clock did.
var lately struct {
	sync.Mutex
	pass.Refusals
}

var began = time.Now()

// mayWait reports whether one more connection may be kept for its moment.
func mayWait() bool {
	lately.Lock()
	defer lately.Unlock()
	return lately.MayWait(time.Since(began))
}

// Refuse resets a connection that was accepted at that time and is not to be served.
// Over TCP it first waits, at most 10 ms and not beyond the end of ctx: a reset that
// comes before the client has seen that it is connected makes its connect fail.
func Refuse(ctx context.Context, c *socket.Socket, accepted time.Time) {
	if d := c.Domain(); (d == socket.Inet || d == socket.Inet6) && mayWait() {
		timer := time.NewTimer(pass.RefuseAge - time.Since(accepted))
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	c.Abort()
}
