//go:build !linux

package bench

import "time"

// A fineTimer is the runtime's, where the system has none finer.
type fineTimer struct{}

func (fineTimer) wait(d time.Duration) { time.Sleep(d) }
func (fineTimer) close()               {}
