package accept

import (
	"log/slog"
	"time"

	"zocalo/internal/pass"
	"zocalo/socket"
)

// A Shortage tells of descriptors or memory that are out, once while that
// lasts.
type Shortage struct{ trouble pass.Trouble }

// Tell logs that a listener pauses for err.
func (s *Shortage) Tell(log *slog.Logger, listener socket.Name, err error) {
	if s.trouble.Begins("", time.Now()) {
		log.Warn("accepting pauses until descriptors and memory are free again: raise the limit (ulimit -n), or allow fewer connections",
			"listener", listener, "error", err)
	}
}
