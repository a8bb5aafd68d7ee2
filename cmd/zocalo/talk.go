package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"zocalo"
	"zocalo/address"
	"zocalo/codec"
	"zocalo/frame"
	"zocalo/relay/join"
	"zocalo/relay/outcome"
	"zocalo/service/verb"
	"zocalo/socket"
	"zocalo/socket/option"
)

// talk is the verb talk: a client, with standard input and output on its
// socket.
type talk struct {
	conversation
	connectTimeout time.Duration
	repeat         int // times, or forever
	probe          bool
	proxy          verb.ProxyFromEnv
	wait           time.Duration
	preamble       string
	pinging        pinging
}

const forever = -1

// times is how often, or forever where no number is given.
var times = codec.Codec[int]{Placeholder: "N", Format: func(int) string { return "" }, Parse: func(text string) (int, error) {
	if text == "forever" {
		return forever, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, errors.New("it must be a number, or omitted")
	}
	return n, nil
}}

func (a *app) talkVerb() *cobra.Command {
	t := &talk{conversation: conversation{app: a}}
	cmd := &cobra.Command{
		Use:     "talk [ADDRESS | HOST PORT]",
		Aliases: []string{"t"},
		Short:   "Connect standard input and output to a socket of any kind",
		Long: `talk connects to the address, by default the lecture's ` + verb.LectureAddress + `.
HOST PORT means tcp:HOST:PORT, or udp:HOST:PORT with -u; -v shows how it was read.
It sends standard input, and prints what comes back.
` + conversationHelp + `

--repeat connects again when a connection ends, fails or cannot be made, after a
pause that doubles from 100ms to 10s and starts over once a connection succeeds.
It continues until interrupted, or with --repeat=N that many times. If standard
input is a file, each connection sends all of it. Otherwise each connection
continues where the last one left off: a peer that finishes ends its connection
as soon as input pauses, input sent on a failed one is lost, and the end of input
ends everything.

--count N exits when N messages have arrived: a query over UDP then takes no longer
than its answer.

--probe only asks whether anything answers. It prints a line for each target that
answers (with -v, or if there is only one, also for those that do not), and exits
0 if any did, else 1. The port may be a range. Over UDP it sends an empty
datagram: silence does not mean that nothing is there.

--wait TIME tries again until something answers, for a server that is about to
start.

--ping measures round trips, as ping(8) does, on a kind that has its own Echo: idp.
It asks --count times, or until interrupted, --interval apart, and prints loss and
round-trip times at the end. Exit status 1 means that there was no reply.`,
		Example: `  echo 'Hello world!' | zocalo talk --quoted
  zocalo talk localhost 80 -w 3
  echo ping | zocalo talk -u localhost 7 --count 1
  zocalo talk -v tcp:localhost:80 --crlf
  echo ping | zocalo talk udp:localhost:7 --idle 500ms
  zocalo talk unix:/run/x.sock,frame=len32 <requests
  zocalo talk wss://example.org/feed --repeat --preamble '{"subscribe":"news"}'
  zocalo talk --probe tcp:localhost:8000-8010
  zocalo talk --ping -c 5 idp:0#2608C123456,link=hub:localhost:3333`,
		ValidArgsFunction: completeAddresses(1),
		Args:              arguments(0, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = []string{verb.LectureAddress}
			}
			return t.run(cmd, args)
		},
	}
	t.flags(cmd)
	f := cmd.Flags()
	f.VarP(value(&t.connectTimeout, 0, aTime), "connect-timeout", "w", "give up connecting after this long; 0 is the system's limit")
	f.Var(value(&t.repeat, 0, times), "repeat", "reconnect when a connection ends or cannot be made, N times")
	f.Lookup("repeat").NoOptDefVal = "forever"
	f.BoolVarP(&t.probe, "probe", "z", false, "only ask whether anything answers, on a port or a range of ports")
	declared(cmd, t.proxy.Declare)
	f.Var(value(&t.wait, 0, aTime), "wait", "keep trying for this long, until something answers")
	f.VarP(value(&t.count, 0, atLeast(0)), "count", "c", "exit after this many messages, or --ping replies; 0 is until interrupted")
	f.StringVar(&t.preamble, "preamble", "", "send this `LINE` first, on each connection: to subscribe again after --repeat has connected again")
	t.pinging.flags(cmd)
	return cmd
}

// talkFlags are those of a conversation, which --probe and --ping do not hold.
var talkFlags = []string{"preamble", "frame", "whole", "quoted", "hex", "crlf", "urgent", "idle", "repeat", "raw", "no-shutdown",
	"record", "record-must", "record-per-pair", "record-secrets", "record-size", "record-time", "record-wire"}

func (t *talk) run(cmd *cobra.Command, args []string) error {
	a, err := t.addressOf(args)
	if err == nil {
		a, err = t.proxy.Through(a)
		err = asked(err)
	}
	if err != nil {
		return err
	}
	if takesStandard(a, 0, 1) {
		return usagef("%v is standard input and output, which talk already uses: give the peer's address", a)
	}
	if err := t.pinging.check(cmd); err != nil {
		return err
	}
	ctx, stop := interruptible(cmd.Context())
	defer stop()
	if t.pinging.on {
		if err := refuse(cmd, "cannot be used with --ping", "wait"); err != nil {
			return err
		}
		return t.ping(ctx, a)
	}
	if t.probe {
		if err := refuse(cmd, "cannot be used with --probe", append([]string{"count"}, talkFlags...)...); err != nil {
			return err
		}
		return t.probeUntil(ctx, a)
	}
	if err := t.prepare(cmd); err != nil {
		return err
	}
	defer t.standard.Close()
	if t.recorder, err = t.recording.recorder(t.app, cmd, true); err != nil {
		return err
	}
	if err := t.recorder.start(); err != nil {
		return err
	}
	defer t.tell("talk", t.held.rows)()
	return t.recorder.close(t.talkAndRepeat(t.recorder.context(ctx, &t.recording), a))
}

// The pauses before connecting again.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 10 * time.Second
)

// talkAndRepeat talks as often as --repeat says.
func (t *talk) talkAndRepeat(ctx context.Context, a address.Address) error {
	pause := firstPause
	for n := 0; ; n++ {
		t.again = t.repeat == forever || n < t.repeat
		stood, over, err := t.once(ctx, a)
		switch {
		case ctx.Err() != nil:
			return interruption(ctx)
		case !t.again, over && !t.standard.again, err != nil && !mayPass(err):
			return err
		case stood:
			pause = firstPause
		}
		if err != nil {
			t.log.Warn("connecting again", "pause", pause, "error", oneLine(err))
		} else {
			t.log.Debug("connecting again", "pause", pause)
		}
		select {
		case <-ctx.Done():
			return interruption(ctx)
		case <-time.After(pause):
		}
		pause = min(2*pause, lastPause)
		if err := t.standard.rewind(); err != nil {
			return newStandardError("standard input", err)
		}
	}
}

// once connects and talks. It reports whether the connection stood, and
// whether all of input was sent.
func (t *talk) once(ctx context.Context, a address.Address) (stood, over bool, err error) {
	d := zocalo.Dialer{Timeout: t.connectTimeout}
	a = asText(a)
	s, err := t.dial(ctx, d, a)
	if err != nil {
		if canceled(ctx, err) {
			err = interruption(ctx)
		}
		return false, false, wrongUsage(err)
	}
	if _, several := socket.As[socket.Hearer](s); !several && s.Type() == socket.Datagram && (s.Domain() == socket.Inet || s.Domain() == socket.Inet6) {
		s = t.failover(d, a, s)
	}
	if err := t.sayConnected(s, false); err != nil {
		s.Close()
		return true, false, err
	}
	defer t.attach(s)()
	if err := t.sendPreamble(s, a); err != nil {
		s.Close()
		return true, false, err
	}
	r, err := t.hold(ctx, join.End{Socket: s}, a)
	return true, r.From[outcome.A].EndOfFile, err
}

// dial connects, and with --wait tries until something answers or the time is over.
func (t *talk) dial(ctx context.Context, d zocalo.Dialer, a address.Address) (*socket.Socket, error) {
	for end := time.Now().Add(t.wait); ; {
		s, err := d.DialAddress(t.sized(ctx), a)
		if err == nil || !mayPass(err) || !time.Now().Before(end) {
			return s, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(min(waitPause, time.Until(end))):
		}
	}
}

// asText has lines go out as text over WebSocket, which servers tell from binary
// messages, unless the address says how.
func asText(a address.Address) address.Address {
	if a.Scheme == nil || len(a.Scheme.Layers) == 0 || a.Scheme.Layers[0].Name != "ws" {
		return a
	}
	for _, spec := range a.Scheme.Layers[0].Options {
		if text, err := spec.Parse("text"); spec.Name == "type" && err == nil {
			a.Settings = a.Settings.WithDefaults(option.Settings{{Spec: spec, Value: text}})
		}
	}
	return a
}

// sendPreamble sends the line of --preamble, as one of input would be.
func (t *talk) sendPreamble(s *socket.Socket, a address.Address) error {
	if t.preamble == "" {
		return nil
	}
	var w io.Writer = s
	line := []byte(t.preamble)
	format, framed := address.Frame.In(a.Settings)
	switch {
	case framed:
		var err error
		if w, err = frame.NewWriter(s, format, len(line)); err != nil {
			return err
		}
	case !s.Properties().Bounded && t.crlf:
		line = append(line, "\r\n"...)
	case !s.Properties().Bounded:
		line = append(line, '\n')
	}
	_, err := w.Write(line)
	t.preface = line
	return err
}

// failover returns s with the other names that the address means behind it,
// where it may mean several.
func (t *talk) failover(d zocalo.Dialer, a address.Address, s *socket.Socket) *socket.Socket {
	if _, err := netip.ParseAddrPort(a.Endpoint); err == nil {
		return s
	}
	return zocalo.Failover{
		Next: func(ctx context.Context, refused []socket.Name) (*socket.Socket, error) {
			d.Except = refused
			return d.DialAddress(ctx, a)
		},
		OnMove: func(to socket.Name, why error) {
			t.log.Debug("unreachable, trying another address", "name", to, "error", oneLine(why))
		},
	}.Wrap(s)
}

// mayPass reports whether an error is one of the network or the peer, which
// may be gone at the next attempt, and not of what was asked for.
func mayPass(err error) bool {
	var usage usageError
	var standard *standardError
	var names *zocalo.NamesError
	var lookup *net.DNSError
	var op *net.OpError
	switch {
	case errors.As(err, &usage), errors.As(err, &standard), errors.Is(err, errors.ErrUnsupported):
		return false
	}
	return errors.As(err, &names) || errors.As(err, &lookup) || errors.As(err, &op)
}
