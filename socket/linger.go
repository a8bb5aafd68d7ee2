package socket

import (
	"errors"
	"time"

	"zocalo/internal/pass"
)

// CloseLingering closes a connection on which all that there was to say has been
// written, so that the peer gets all of it. The system resets a connection that
// is closed while input waits in it, or comes later, and the reset overtakes what
// the peer has not read yet. So CloseLingering ends the writing direction, reads
// and drops what still comes until the peer ends too, is silent for 2 seconds, or
// 30 seconds have passed, and only then closes.
//
// Close and Abort end it at once. Kinds that cannot half-close are simply closed.
func (s *Socket) CloseLingering() error {
	if s.Properties().Connected && s.Shutdown(ShutdownWrite) == nil {
		s.drop()
	}
	return s.Close()
}

// drop reads until the end, or an error, while the connection lingers.
func (s *Socket) drop() {
	buffer := make([]byte, 8<<10)
	began := time.Now()
	for {
		heard := time.Since(began)
		until := pass.LingerUntil(0, heard)
		if until <= heard || s.SetReadDeadline(began.Add(until)) != nil {
			return
		}
		if _, err := s.Read(buffer); err != nil && !errors.Is(err, ErrTruncated) {
			return
		}
	}
}
