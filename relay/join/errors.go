package join

import (
	"errors"
	"fmt"
	"syscall"

	"zocalo/frame"
	"zocalo/socket"
)

// Why a time of [Options] cut a join short.
var (
	ErrIdle     = errors.New("nothing passed for the idle time, and both ends were reset")
	ErrLifetime = errors.New("its maximum lifetime was over, and both ends were reset")
)

// A TooLongError refuses a message that exceeds Options.MaxMessage, before any
// of it was passed on. It matches EMSGSIZE.
type TooLongError struct {
	Limit int // bytes
}

// Error names the limit.
func (e *TooLongError) Error() string {
	return fmt.Sprintf("relay: a message of more than %d bytes was refused: raise the limit, or send shorter messages", e.Limit)
}

// Is reports whether target is EMSGSIZE.
func (e *TooLongError) Is(target error) bool { return target == syscall.EMSGSIZE }

// A NoUrgentError refuses urgent data that came beside messages, and for which
// the far end has no place. It matches errors.ErrUnsupported.
type NoUrgentError struct {
	To   socket.Kind
	Size int // bytes that came
	Most int // bytes of urgent data that the kind takes; 0 where it has none
}

// Error names the far end's kind.
func (e *NoUrgentError) Error() string {
	return fmt.Sprintf("relay: %d bytes of urgent data were refused: %v takes at most %d", e.Size, kindText(e.To), e.Most)
}

// Is reports whether target is errors.ErrUnsupported.
func (e *NoUrgentError) Is(target error) bool { return target == errors.ErrUnsupported }

// refusedByReader reports whether an error of an end that sends messages is
// the refusal of one of them.
func refusedByReader(err error) bool {
	return errors.Is(err, frame.ErrRefused) || errors.Is(err, syscall.EMSGSIZE)
}

// refusedByWriter is the same for an end that takes messages. A kind that has
// no empty ones says that it does not support them.
func refusedByWriter(err error, size int) bool {
	var urgent *NoUrgentError
	var unnamed *socket.UnnamedPeerError
	return refusedByReader(err) || errors.As(err, &urgent) || errors.As(err, &unnamed) || size == 0 && errors.Is(err, errors.ErrUnsupported)
}
