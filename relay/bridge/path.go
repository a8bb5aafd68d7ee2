package bridge

import (
	"context"
	"errors"
	"fmt"

	"zocalo"
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

// A way is what serves the peers of a listener until its context ends and what
// is open then is over. run.life ends when the time to drain is over.
type way func(context.Context, *zocalo.Listener) error

// choose returns the fast way that can do what is asked for, nil for the
// general one. It is an error where there must be a fast one, and is none.
func (r *run) choose() (way, error) {
	if r.Path == General {
		return nil, nil
	}
	fast, reason := r.fast()
	if fast == nil && r.Path == Fast {
		return nil, &NotFastError{reason}
	}
	return fast, nil
}

// fast returns the fast way, or why there is none.
func (r *run) fast() (way, string) {
	if reason := r.notFast(); reason != "" {
		return nil, reason
	}
	from, _ := r.from.kind()
	batches, streams := true, isKernelStream(from)
	for _, e := range r.to {
		to, _ := e.kind()
		batches = batches && isBatch(from, to)
		streams = streams && isKernelStream(to)
	}
	switch {
	case batches && r.Lifetime > 0:
		return nil, "ends sessions of datagrams when they are idle, and not after a time (--lifetime)"
	case batches:
		return r.serveBatches, ""
	case !streams:
		return nil, fmt.Sprintf("is for two streams or two datagram sockets of the kernel's, and not for %s to %s", r.from.Scheme.Name, r.to[0].Scheme.Name)
	}
	return r.serveFast, ""
}

// notFast says what no fast way can do of what is asked for; "" for nothing.
func (r *run) notFast() string {
	switch {
	case noFast != "":
		return noFast
	case !r.from.passive:
		return fmt.Sprintf("serves a listener, and %v does not listen", r.from)
	case r.to[0].passive:
		return fmt.Sprintf("connects, and %v listens", r.to[0])
	case r.from.isOnce():
		return fmt.Sprintf("serves any number of peers, and %v takes one (once)", r.from)
	case r.OnData != nil:
		return "does not show what passes (--dump, --dump-hex)"
	case r.Route != nil:
		return "reaches the same address for every peer"
	case socket.Tracing():
		return "makes its own system calls, which --trace does not see"
	}
	for _, e := range append([]end{r.from}, r.to...) {
		_, lingers := socket.Linger.In(e.Settings)
		switch {
		case e.format != frame.Format{}:
			return fmt.Sprintf("passes what comes as it is, and %v cuts it into messages (%s=)", e, address.Frame.Name)
		case lingers:
			return fmt.Sprintf("does not wait for what it closes, and %v does (%s=)", e, socket.Linger.Name)
		}
	}
	return ""
}

func isKernelStream(k socket.Kind) bool {
	switch k.Domain {
	case socket.Inet, socket.Inet6, socket.Unix, socket.VSock:
		return k.Type == socket.Stream
	}
	return false
}
