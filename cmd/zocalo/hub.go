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
	"zocalo/server"
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
	queue    int

	hub hub.Hub
}

func (a *app) hubVerb() *cobra.Command {
	h := &hubVerb{app: a}
	cmd := &cobra.Command{
		Use:   "hub",
		Short: "Be a NetHub, at which XNS hosts and emulators meet, with a bridge to Ethernet",
		Long: `hub repeats each Ethernet frame that a client sends to all the others: the NetHub
of the Xerox emulators, Dodo, Dwarf, Draco, Darkstar and Medley. It is on
loopback unless --listen says otherwise, since its protocol has no login:
'--listen tcp:any:3333 --allow 192.168.1.0/24' opens it to a network. Any stream
will do, also unix:/run/hub.sock; --listen may be given several times.

Frames are even in number of octets and at most 1024 long, with their length in
2 octets before them. A client whose first message is 14 octets of zero after
their length in 4 octets is QEMU (-netdev socket,connect=HOST:3333), and keeps to
that form. A client that is slow loses frames, and holds up nobody.

--ethernet bridges to a real interface: frames of type 0x0600 pass both ways.
It needs Linux and CAP_NET_RAW. --record writes what passes to a pcapng file for
Wireshark, - being standard output.

SIGINT and SIGTERM end it once what is queued is sent, or --drain is over; a
second signal ends it at once. -v prints what passed on each line.`,
		Example: `  zocalo hub -v
  zocalo hub --listen tcp:any:3333 --allow 10.0.0.0/8 --ethernet eth0
  zocalo hub --record - | wireshark -k -i -
  zocalo talk spp-stream:0#2608C123456#5,link=hub:localhost:3333`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return h.run(cmd.Context()) },
	}
	h.flags(cmd)
	f := cmd.Flags()
	f.StringArrayVar(&h.listen, "listen", []string{hubAddress}, "where to listen: the address of a stream, several times if need be")
	f.StringVar(&h.ethernet, "ethernet", "", "bridge to this interface too (Linux, with CAP_NET_RAW)")
	f.StringVar(&h.record, "record", "", "write what passes to this pcapng file; - is standard output")
	f.IntVar(&h.queue, "queue", hub.DefaultQueue, "frames that wait for a slow client; more are lost to it")
	return cmd
}

// run is a hub until a signal, or until a part of it fails.
func (h *hubVerb) run(ctx context.Context) error {
	if h.queue < 1 || h.queue > hub.MaxQueue {
		return usagef("--queue %d: it must be at least 1, and at most %d", h.queue, hub.MaxQueue)
	}
	if h.json && h.record == "-" {
		return usagef("--json and --record - both print on standard output: record to a file")
	}
	h.hub.Queue, h.hub.Log = h.queue, h.log
	srv, err := h.server(h.app, h.line)
	if err != nil {
		return err
	}
	ctx, stop := untilSignal(ctx, func(stopped) { srv.Abort() })
	defer stop()
	bridge, err := h.openBridge(ctx)
	if err != nil {
		return err
	}
	if bridge != nil {
		defer bridge.Close()
	}
	listeners, err := h.open(ctx)
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
		start(1, func() error { return h.hub.Record(context.Background(), recording) })
	}
	finish := context.AfterFunc(ctx, h.hub.Finish)
	errs[2] = srv.Serve(ctx, listeners...)
	h.hub.Finish()
	finish()
	parts.Wait()
	if err := recording.close(); errs[1] == nil { // else it says the same
		errs[3] = err
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return h.sayTotal()
}

// open listens on all addresses.
func (h *hubVerb) open(ctx context.Context) (list []server.Listener, err error) {
	for _, text := range h.listen {
		var p *passive
		if p, err = h.openOne(ctx, text); err != nil {
			closeListeners(list)
			return nil, err
		}
		list = append(list, p)
	}
	return list, nil
}

func closeListeners(list []server.Listener) {
	for _, l := range list {
		l.Close()
	}
}

// openOne listens on an address, which has to be one of streams.
func (h *hubVerb) openOne(ctx context.Context, text string) (*passive, error) {
	a, err := address.Parse(text)
	if err != nil {
		return nil, usageError{err}
	}
	if a.Scheme.NoListen || a.Scheme.Type != socket.Stream {
		return nil, usagef("--listen %s: a hub's clients speak over a stream, as tcp or unix", text)
	}
	return h.listenOn(ctx, text)
}

// openBridge opens the interface that --ethernet names; nil without one.
func (h *hubVerb) openBridge(ctx context.Context) (*socket.Socket, error) {
	if h.ethernet == "" {
		return nil, nil
	}
	ifi, err := net.InterfaceByName(h.ethernet)
	if err != nil {
		return nil, usagef("--ethernet %s: there is no such interface: %w", h.ethernet, err)
	}
	if len(ifi.HardwareAddr) != 6 {
		return nil, usagef("--ethernet %s: it is no Ethernet, for it has no address of 6 octets", h.ethernet)
	}
	s, err := zocalo.Dial(ctx, fmt.Sprintf("packet:%s,protocol=%#04x,promisc=%s", h.ethernet, xns.EtherType, h.ethernet))
	switch {
	case errors.Is(err, syscall.EPERM):
		return nil, fmt.Errorf("--ethernet %s: %w", h.ethernet, err)
	case err != nil:
		return nil, fmt.Errorf("--ethernet %s needs domain packet, which is Linux's: %w", h.ethernet, err)
	case !h.quiet && !h.json:
		h.sayf("bridged to %s", h.ethernet)
	}
	return s, nil
}

// A recording is a capture in a file.
type recording struct {
	*xns.Capture
	file io.WriteCloser // nil for standard output
	buf  *bufio.Writer  // nil for standard output, where each frame shows at once
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
	peer := server.PeerText(c)
	h.say(hubEvent{Event: "joined", Peer: peer}, "joined by %s", peer)
	line, err := h.hub.Serve(ctx, c)
	e := hubEvent{Event: "left", Peer: peer, Framing: line.Framing.String(), Counts: &line.Counts}
	var nonsense *hub.LengthError
	switch {
	case errors.As(err, &nonsense):
		h.log.Warn("a line was ended", "peer", peer, "error", err)
		e.Error = oneLine(err)
	case err != nil && !canceled(ctx, err) && !errors.Is(err, net.ErrClosed):
		h.log.Debug("a line broke", "peer", peer, "error", err)
		e.Error = oneLine(err)
	}
	h.say(e, "left by %s", peer)
	h.log.Debug("a line ended", "peer", peer, "framing", e.Framing, "counts", line.Counts)
}

// say prints an event: as JSON, or as a line for people.
func (h *hubVerb) say(e hubEvent, format string, args ...any) {
	switch {
	case h.json:
		h.mu.Lock()
		defer h.mu.Unlock()
		h.printJSON(e) // who does not read it any more still has a hub
	case !h.quiet:
		h.sayf(format, args...)
	}
}

// sayTotal prints what passed in all.
func (h *hubVerb) sayTotal() error {
	counts := h.hub.Counts()
	if h.json {
		return h.printJSON(hubEvent{Event: "total", Counts: &counts})
	}
	h.log.Debug("what passed in all", "counts", counts)
	return nil
}
