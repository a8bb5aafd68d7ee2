package bridge

import (
	"errors"
	"fmt"

	"zocalo/address"
	"zocalo/frame"
	"zocalo/socket"
)

// A Path is a way through the bridge.
type Path int

// The paths.
const (
	Auto    Path = iota // the fast one where it can do what is asked for, else the general one
	Fast                // an event loop for two kernel streams
	General             // goroutines, for any two ends
)

var pathNames = [...]string{"auto", "fast", "general"}

// String returns the path's name, as "auto".
func (p Path) String() string {
	if p < 0 || int(p) >= len(pathNames) {
		return fmt.Sprintf("path %d", int(p))
	}
	return pathNames[p]
}

// ParsePath returns the path of that name.
func ParsePath(text string) (Path, error) {
	for p, name := range pathNames {
		if name == text {
			return Path(p), nil
		}
	}
	return 0, fmt.Errorf("path %q is none of auto, fast and general", text)
}

// A NotFastError refuses the fast path.
type NotFastError struct {
	Reason string // what it cannot do
}

// Error says why, and what to do.
func (e *NotFastError) Error() string {
	return "the fast path " + e.Reason + ": choose the path auto or general"
}

// Is reports whether target is errors.ErrUnsupported.
func (e *NotFastError) Is(target error) bool { return target == errors.ErrUnsupported }

// choose reports whether the fast path is to be taken. It is an error where it
// must be, and cannot.
func (r *run) choose() (fast bool, err error) {
	if r.Path == General {
		return false, nil
	}
	reason := r.notFast()
	if reason != "" && r.Path == Fast {
		return false, &NotFastError{reason}
	}
	return reason == "", nil
}

// notFast says why the fast path cannot do what is asked for; "" if it can.
func (r *run) notFast() string {
	switch {
	case !r.from.passive:
		return fmt.Sprintf("serves a listener, and %v does not listen", r.from)
	case r.OnData != nil:
		return "does not show what passes (--dump, --dump-hex)"
	case r.Route != nil:
		return "reaches the same address for every peer"
	case socket.Tracing():
		return "makes its own system calls, which --trace does not see"
	}
	for _, e := range append([]end{r.from}, r.to...) {
		k, known := e.kind()
		_, once := e.IsOnce()
		_, lingers := socket.Linger.In(e.Settings)
		switch {
		case !known || !kernelStream(k):
			return fmt.Sprintf("is for two streams of the kernel's, and %s is none", e.Scheme.Name)
		case e.format != frame.Format{}:
			return fmt.Sprintf("passes octets, and %v cuts them into messages (%s=)", e, address.Frame.Name)
		case lingers:
			return fmt.Sprintf("does not wait for what it closes, and %v does (%s=)", e, socket.Linger.Name)
		case once && e.isOnce():
			return fmt.Sprintf("serves any number of peers, and %v takes one (once)", e)
		}
	}
	if r.to[0].passive {
		return fmt.Sprintf("connects, and %v listens", r.to[0])
	}
	return noFast
}

func kernelStream(k socket.Kind) bool {
	switch k.Domain {
	case socket.Inet, socket.Inet6, socket.Unix, socket.VSock:
		return k.Type == socket.Stream
	}
	return false
}
