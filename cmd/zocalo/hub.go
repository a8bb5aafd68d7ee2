package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"zocalo"
	"zocalo/address"
	"zocalo/internal/accept"
	"zocalo/server"
	"zocalo/service/verb"
	"zocalo/socket"
	"zocalo/xns"
	"zocalo/xns/hub"
)

// hubAddress is where a NetHub listens, but for other machines' sake.
const hubAddress = "tcp:127.0.0.1:3333"

// hubVerb is the verb hub: a NetHub.
type hubVerb struct {
	*app
	serving
	listen   []string
	ethernet string
	record   string

	hub hub.Hub
}

func (a *app) hubVerb() *cobra.Command {
	h := &hubVerb{app: a}
	cmd := &cobra.Command{
		Use:   "hub",
		Short: "Run a NetHub, where XNS hosts and emulators meet",
		Long: `hub repeats each Ethernet frame from a client to all the others: it is the NetHub
of the Xerox emulators Dodo, Dwarf, Draco, Darkstar and Medley. It listens on
loopback by default, since the protocol has no login; '--listen tcp:any:3333
--allow 192.168.1.0/24' opens it to a network. Any stream works, for example
unix:/run/hub.sock, and --listen may be repeated.

Each frame has a 2-byte length in front, an even number of bytes, at most 1024. A
client whose first message is a 4-byte length and 14 zero bytes is QEMU (-netdev
socket,connect=HOST:3333), and that format is used with it from then on. A slow
client loses frames, and delays nobody else.

--ethernet bridges to a real interface: frames of type 0x0600 pass both ways. It
needs Linux and CAP_NET_RAW. --record writes the traffic to a pcapng file for
Wireshark; - is standard output.

On SIGINT or SIGTERM it sends what is queued, for at most --drain, and exits; a
second signal ends it at once. -v prints the counts of each client.`,
		Example: `  zocalo hub -v
  zocalo hub --listen tcp:any:3333 --allow 10.0.0.0/8 --ethernet eth0
  zocalo hub --record - | wireshark -k -i -
  zocalo talk spp-stream:0#2608C123456#5,link=hub:localhost:3333`,
		Args: arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return h.run(cmd.Context()) },
	}
	h.flags(cmd)
	f := cmd.Flags()
	f.StringArrayVar(&h.listen, "listen", []string{hubAddress}, "listen on this stream `ADDRESS`; may be repeated")
	f.StringVar(&h.ethernet, "ethernet", "", "also bridge to this `INTERFACE` (Linux, with CAP_NET_RAW)")
	f.StringVar(&h.record, "record", "", "write the traffic to this pcapng `FILE`; - is standard output")
	f.Var(value(&h.hub.Queue, hub.DefaultQueue, inRange(1, hub.MaxQueue)), "queue", "frames of one sender queued for a slow client; further ones are dropped for it")
	return cmd
}

// run is a hub until a signal, or until a part of it fails.
func (h *hubVerb) run(ctx context.Context) error {
	if h.json && h.record == "-" {
		return usagef("--json and --record - both write to standard output: record to a file")
	}
	if h.record != "" && h.record != "-" {
		if err := checkOutput("--record", h.record); err != nil {
			return err
		}
	}
	h.hub.Log = h.log
	places, err := h.places()
	if err != nil {
		return err
	}
	ctx, stop := h.drained(ctx, h.Drain, func(stopped) {
		for _, p := range places {
			p.Abort()
		}
	})
	defer stop()
	bridge, err := h.openBridge(ctx)
	if err != nil {
		return err
	}
	if bridge != nil {
		defer bridge.Close()
	}
	listeners, err := h.open(ctx, places)
	if err != nil {
		return err
	}
	// Only now, since it makes the file anew: that of a hub which has the
	// address already must stay.
	recording, err := h.openRecording()
	if err != nil {
		closeListeners(listeners)
		return err
	}

	// The parts end by Finish, and a part that fails finishes the rest.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var parts sync.WaitGroup
	errs := make([]error, 4)
	start := func(i int, part func() error) {
		parts.Go(func() {
			if errs[i] = part(); errs[i] != nil {
				cancel()
			}
		})
	}
	if bridge != nil {
		start(0, func() error { return h.hub.Bridge(context.Background(), bridge) })
	}
	if recording != nil {
		start(1, func() error {
			err := h.hub.Record(context.Background(), recording)
			if err == nil || isBrokenOutput(err) {
				return err
			}
			h.log.Error("recording stopped; the hub continues without it", "error", err)
			recording.ended = true
			return nil
		})
	}
	finish := context.AfterFunc(ctx, h.hub.Finish)
	var serve []func() error
	for i, p := range places {
		serve = append(serve, func() error { return p.Serve(ctx, listeners[i]) })
	}
	errs[2] = together(cancel, serve)
	h.hub.Finish()
	finish()
	parts.Wait()
	unrecorded := recording != nil && recording.ended
	if err := recording.close(); errs[1] == nil && !unrecorded { // else it says the same
		errs[3] = err
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if err := h.sayTotal(); err != nil || !unrecorded {
		return err
	}
	return statusError(statusFailed)
}

// A place is where the hub listens, with a server that keeps to what holds there.
type place struct {
	*server.Server
	address address.Address
	lists   verb.Lists
}

// places reads all addresses, which have to be those of streams.
func (h *hubVerb) places() (all []place, err error) {
	for _, text := range h.listen {
		a, err := parseAddress(text)
		if err == nil && (a.Scheme.NoListen || a.Scheme.Type != socket.Stream) {
			err = usagef("--listen %s: a hub needs a stream, such as tcp or unix", text)
		}
		if err != nil {
			return nil, err
		}
		own, err := h.at(a)
		if err != nil {
			return nil, err
		}
		all = append(all, place{h.serverOf(own.Serving, h.line), a, own.Lists})
	}
	return all, nil
}

// open listens on all of them.
func (h *hubVerb) open(ctx context.Context, places []place) (list []server.Listener, err error) {
	for _, p := range places {
		l, err := h.listenOn(ctx, p.address, &p.lists, false)
		if err != nil {
			closeListeners(list)
			return nil, err
		}
		list = append(list, l)
	}
	return list, nil
}

func closeListeners(list []server.Listener) {
	for _, l := range list {
		l.Close()
	}
}

// openBridge opens the interface that --ethernet names; nil without one.
func (h *hubVerb) openBridge(ctx context.Context) (*socket.Socket, error) {
	if h.ethernet == "" {
		return nil, nil
	}
	ifi, err := net.InterfaceByName(h.ethernet)
	if err != nil {
		return nil, usagef("--ethernet %s: there is no such interface: 'ip link' lists them", h.ethernet)
	}
	if len(ifi.HardwareAddr) != 6 {
		return nil, usagef("--ethernet %s: not an Ethernet interface: it has no 6-byte address", h.ethernet)
	}
	s, err := zocalo.Dial(ctx, fmt.Sprintf("packet:%s,protocol=%#04x,promisc=%s", h.ethernet, xns.EtherType, h.ethernet))
	switch {
	case errors.Is(err, syscall.EPERM):
		return nil, fmt.Errorf("--ethernet %s: %w", h.ethernet, err)
	case err != nil:
		return nil, fmt.Errorf("--ethernet %s needs packet sockets, which only Linux has: %w", h.ethernet, err)
	case !h.quiet && !h.json:
		h.sayf("bridged to %s", h.ethernet)
	}
	return s, nil
}

// A recording is a capture in a file.
type recording struct {
	*xns.Capture
	file  io.WriteCloser // nil for standard output
	buf   *bufio.Writer  // nil for standard output, where each frame shows at once
	ended bool           // it failed, as was said
}

// openRecording opens the file of --record; nil without one.
func (h *hubVerb) openRecording() (*recording, error) {
	r := &recording{}
	var w io.Writer
	switch h.record {
	case "":
		return nil, nil
	case "-":
		w = h.out
	default:
		f, err := os.Create(h.record)
		if err != nil {
			return nil, fmt.Errorf("--record: %w", err)
		}
		r.file, r.buf = f, bufio.NewWriterSize(f, 1<<16)
		w = r.buf
	}
	var err error
	if r.Capture, err = xns.NewCapture(w); err != nil {
		return nil, r.failed(err)
	}
	return r, nil
}

// FrameAt implements hub.Recorder.
func (r *recording) FrameAt(at time.Time, frame []byte) error {
	return r.failed(r.Capture.FrameAt(at, frame))
}

func (r *recording) failed(err error) error {
	switch {
	case err == nil:
		return nil
	case r.file == nil:
		return brokenOutput{fmt.Errorf("standard output: %w", err)}
	}
	return fmt.Errorf("--record: %w", err)
}

func (r *recording) close() error {
	if r == nil || r.file == nil {
		return nil
	}
	err := r.buf.Flush()
	return r.failed(errors.Join(err, r.file.Close()))
}

// hubEvent is what --json prints of a line, and at the end of all.
type hubEvent struct {
	Event   string      `json:"event"` // "joined", "left" or "total"
	Peer    string      `json:"peer,omitempty"`
	Framing string      `json:"framing,omitempty"`
	Counts  *hub.Counts `json:"counts,omitempty"`
	Error   string      `json:"error,omitempty"`
}

// line serves a client.
func (h *hubVerb) line(ctx context.Context, c *socket.Socket) {
	peer := accept.PeerText(c)
	h.say(hubEvent{Event: "joined", Peer: peer}, "joined by", peer)
	line, err := h.hub.Serve(ctx, c)
	e := hubEvent{Event: "left", Peer: peer, Framing: line.Framing.String(), Counts: &line.Counts}
	var nonsense *hub.LengthError
	switch {
	case errors.As(err, &nonsense):
		h.log.Warn("client disconnected for invalid framing", "peer", peer, "error", err)
		e.Error = oneLine(err)
	case err != nil && !canceled(ctx, err) && !errors.Is(err, net.ErrClosed):
		h.log.Debug("client failed", "peer", peer, "error", err)
		e.Error = oneLine(err)
	}
	h.say(e, "left by", peer)
	h.log.Debug("client left", "peer", peer, "framing", e.Framing, "counts", line.Counts)
}

// say prints an event: as JSON, or as a line for people.
func (h *hubVerb) say(e hubEvent, kind, peer string) {
	switch {
	case h.json:
		h.printEvent(e)
	case !h.quiet:
		h.sayOften(kind, peer)
	}
}

// sayTotal prints totals.
func (h *hubVerb) sayTotal() error {
	counts := h.hub.Counts()
	if h.json {
		h.printEvent(hubEvent{Event: "total", Counts: &counts})
		return nil
	}
	h.log.Debug("totals", "counts", counts)
	return nil
}
