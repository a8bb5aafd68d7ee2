package relay

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"zocalo/address"
	"zocalo/frame"
	"zocalo/server"
	"zocalo/socket"
	"zocalo/socket/option"
	"zocalo/socket/scheme"
)

// An engine serves the peers of a listener.
type engine interface {
	// serve returns when ctx has ended and what was open then is over. run.life ends
	// when the time to drain is over. The listener is closed by then.
	serve(ctx context.Context, l server.Listener) error

	// pairs returns those that are open.
	pairs() []Pair

	// count adds to t what the engine knows: how many pairs are open, what has
	// passed on all there were, and what was lost.
	count(t *Totals)

	// change makes the limits that hold from now on hold for what is open.
	change()
}

// An engineKind is an engine with what it can do.
type engineKind struct {
	name  string
	joins func(from, to socket.Kind) bool
	bears need
	start func(*run, server.Listener) engine
}

// anyEnds is the engine that can do all that there is.
var anyEnds = engineKind{
	name: "join", bears: ^need(0), start: newJoining,
	joins: func(socket.Kind, socket.Kind) bool { return true },
}

// A need is what can be asked for and not every engine can do.
type need uint

const (
	onePair     need = 1 << iota // without a listener, or once
	meeting                      // TO listens too
	filtering                    // Filter
	ownReach                     // Reach
	ownAccept                    // the listener has no descriptors
	tracing                      // --trace
	framing                      // frame=
	anyAnswer                    // others than TO may answer
	keepingOpen                  // no-shutdown
	lingering                    // linger=
	living                       // Lifetime
	layering                     // layers over sockets
	oneWay                       // OneWay
)

// A demand is a need with what is said of an engine that cannot do it.
type demand struct {
	need
	lack string
}

// demands are some of them.
type demands []demand

func (all *demands) add(n need, is bool, format string, args ...any) {
	if is {
		*all = append(*all, demand{n, fmt.Sprintf(format, args...)})
	}
}

// beyond says which of them is more than what an engine bears, "" for none.
func (all demands) beyond(bears need) string {
	for _, d := range all {
		if d.need&bears == 0 {
			return d.lack
		}
	}
	return ""
}

// demands are what is asked for.
func (s *settings) demands() (all demands) {
	demands := all.add
	demands(onePair, !s.from.passive, "serves a listener, but %v does not listen", s.from)
	demands(meeting, s.to[0].passive, "connects, but %v listens", s.to[0])
	demands(onePair, s.from.isOnce(), "serves any number of peers, but %v takes one (once)", s.from)
	demands(filtering, s.Filter != nil || s.Paired != nil, "does not show what passes (--dump, --dump-hex, --record, --fault)")
	demands(ownReach, s.Reach != nil && s.Path != Fast, "reaches addresses, not what only a function can reach")
	demands(ownAccept, s.Listener != nil && !hasDescriptors(s.Listener), "accepts by itself, which takes a kernel socket")
	demands(tracing, socket.Tracing(), "makes its own system calls, which --trace cannot see")
	demands(oneWay, s.OneWay, "passes both directions, but one was asked for (--one-way)")
	demands(living, s.Lifetime > 0, "ends datagram sessions when they are idle, not after a time (--lifetime)")
	for _, e := range append([]end{s.from}, s.to...) {
		all = append(all, e.demands()...)
	}
	return all
}

// demands are what one end asks for, be it of the settings or of one pair.
func (e *end) demands() (all demands) {
	_, lingers := option.Linger.In(e.Settings)
	all.add(layering, e.passive && e.Scheme.Layers != nil, "accepts by itself, but %v has handshakes", e)
	all.add(layering, transforms(*e), "moves what kernel sockets carry, but %v has layers over that", e)
	all.add(framing, e.format != frame.Format{}, "passes what comes as it is, but %v cuts it into messages (%s=)", e, address.Frame.Name)
	all.add(anyAnswer, e.hearsOthers(), "hears only whom it is connected to, but others may answer for %v", e)
	all.add(keepingOpen, e.keepOpen, "passes each end-of-file on, but %v is not to have it (%s)", e, address.NoShutdown.Name)
	all.add(lingering, lingers, "never waits when closing, but %v asks for it (%s=)", e, option.Linger.Name)
	return all
}

// transforms reports whether a layer of an end stays once a connection has begun.
func transforms(e end) bool {
	return slices.ContainsFunc(e.Scheme.Layers, func(l *scheme.Layer) bool { return !l.Prefix })
}

// lacks says what the engine cannot do of what is asked for, "" for nothing.
func (k *engineKind) lacks(s *settings) string {
	if lack := s.demands().beyond(k.bears); lack != "" {
		return lack
	}
	if !k.joinsAll(s) {
		return fmt.Sprintf("is for two streams or two datagram sockets of the kernel, not for %s to %s", s.from.Scheme.Name, s.to[0].Scheme.Name)
	}
	return ""
}

func (k *engineKind) joinsAll(s *settings) bool {
	from, _ := s.from.kind()
	return !slices.ContainsFunc(s.to, func(e end) bool {
		to, known := e.kind()
		return !k.joins(from, to) && (known || s.Reach == nil)
	})
}

// A choice is an engine and why it is not a faster one, "" where it is the fastest.
type choice struct {
	*engineKind
	why string
}

// choose takes the fastest engine that can do what is asked for. It is an error where
// there must be a fast one, and is none.
func (r *run) choose() (choice, error) {
	if r.Path == General {
		return choice{&anyEnds, "the path general was asked for"}, nil
	}
	why := noFast
	for i := range fastEngines {
		k, s := &fastEngines[i], r.now()
		lack := k.lacks(s)
		if lack == "" {
			return choice{k, ""}, nil
		}
		if i == 0 || k.joinsAll(s) {
			why = lack
		}
	}
	if r.Path == Fast {
		return choice{}, &NotFastError{why}
	}
	return choice{&anyEnds, "the fast path " + why}, nil
}

// Engine returns the name of the engine that moves what passes, as "streams",
// "datagrams" or "join", and why it is not a faster one, "" where it is the fastest.
// Layers that only begin a connection, such as those of the PROXY protocol, leave what
// passes to "streams". Before Run has chosen, the name is "".
func (b *Relay) Engine() (name, why string) {
	r := b.running.Load()
	if r == nil {
		return "", ""
	}
	b.changes.Lock()
	defer b.changes.Unlock()
	return r.movedBy()
}

// movedBy is what [Relay.Engine] returns. The caller holds changes.
func (r *run) movedBy() (name, why string) {
	if r.loops.moves() {
		return fastEngines[0].name, ""
	}
	return r.chosen.name, r.chosen.why
}

// A Path chooses among the engines.
type Path int

// The paths.
const (
	Auto    Path = iota // the fastest that can do what is asked for
	Fast                // event loops: streams or datagrams
	General             // goroutines, for any two ends: join
)

var pathNames = [...]string{"auto", "fast", "general"}

// String returns the path's name, as "auto".
func (p Path) String() string {
	if p < 0 || int(p) >= len(pathNames) {
		return fmt.Sprintf("path %d", int(p))
	}
	return pathNames[p]
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

// hasDescriptors reports whether loops can accept from a listener, or receive.
func hasDescriptors(l server.Listener) bool {
	sockets := server.SocketsOf(l)
	return len(sockets) > 0 && !slices.ContainsFunc(sockets, func(s *socket.Socket) bool {
		_, has := socket.As[socket.Descriptor](s)
		return !has
	})
}

// hearsOthers reports whether others than the end's name may answer what is sent
// to it, as far as its address tells.
func (e end) hearsOthers() bool {
	anyPort, _ := option.AnyPort.In(e.Settings)
	broadcast, _ := option.Broadcast.In(e.Settings)
	host := strings.Trim(e.Endpoint[:max(0, strings.LastIndexByte(e.Endpoint, ':'))], "[]")
	a, _ := netip.ParseAddr(host)
	return !e.passive && (anyPort || broadcast || a.IsMulticast())
}

// group returns a TO whose name means many, "" if none does: those that its address
// does not tell of, see [end.hearsOthers]. What peers send to l waits meanwhile.
func (r *run) group(ctx context.Context, to []end) string {
	if limit := r.now().connectTimeout(); limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	for _, e := range to {
		target, err := e.Target(false)
		if err != nil || e.passive || e.literal() || e.Scheme.Resolve == nil {
			continue
		}
		names, err := e.Scheme.Resolve(ctx, target)
		if err == nil && slices.ContainsFunc(names, socket.Name.IsGroup) {
			return e.String()
		}
	}
	return ""
}

func isKernelStream(k socket.Kind) bool {
	return k.Type == socket.Stream && (isKernel(k) || k.Domain == socket.VSock && k.Layers == "")
}

// isBatch reports whether both kinds are those of package datagrams.
func isBatch(from, to socket.Kind) bool {
	near := isKernel(from) && from.Type == socket.Datagram
	return near && isKernel(to) && (to.Type == socket.Datagram || to.Domain == socket.Unix && to.Type == socket.SeqPacket)
}

func isKernel(k socket.Kind) bool {
	return k.Layers == "" && (isInternet(k.Domain) || k.Domain == socket.Unix)
}
