package relay

import "time"

// UntoldIdle shortens how long a pair waits where an end cannot be told of the
// other's, until the function that it returns is called.
func UntoldIdle(d time.Duration) (restore func()) {
	old := untoldIdle
	untoldIdle = d
	return func() { untoldIdle = old }
}
