package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"zocalo/address"
	"zocalo/frame"
	"zocalo/relay"
	"zocalo/socket"
)

// datagramIdle is how long a conversation by datagrams goes on in silence once
// standard input has ended: they have no end-of-file of their own.
const datagramIdle = 2 * time.Second

// conversation is what talk and listen have in common: standard input and
// output on a socket.
type conversation struct {
	*app
	format             string
	whole, quoted, hex bool
	crlf               bool
	urgent             string
	idle               time.Duration
	idleGiven          bool
	again              bool // another conversation may follow
	cut                frame.Format
	standard           *standardStream
}

// conversationHelp is the part of the help that the two verbs share.
const conversationHelp = `
On kinds with messages, and where the address has frame=FORMAT, each line of
input is a message, and each message that comes is printed as a line. With
--frame FORMAT input and output are cut by another format (lines, len16, len32,
varint, netstring, fixed:N, chunk:N), and with --whole all input is one message,
while what comes is printed as it is.

--quoted prints each read on a line of its own, as Python's repr of bytes does:
b'hola'. --hex dumps both directions: '>' for what was sent and '<' for what
came ('!' beside it if it was urgent), the offset in that direction, the octets,
and the same as text. With --json standard output is an object a line: what
came (as text, or as base64 where it is not UTF-8), and at the end how it ended.

--urgent C takes each octet C out of the input and sends it as urgent data in
that place; if the input has none, one is sent when it ends. What is urgent and
comes appears in its place.

The end of input becomes a half-close, and what the peer says is printed until
it has finished too. Datagrams have no end: after that of the input, two seconds
of silence (--idle) end the conversation.`

func (c *conversation) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&c.format, "frame", "", "how standard input and output are cut into messages: a `FORMAT`, as len32 (default lines)")
	f.BoolVar(&c.whole, "whole", false, "all input is one message")
	f.BoolVar(&c.quoted, "quoted", false, "print each read as Python's repr does, on a line of its own")
	f.BoolVar(&c.hex, "hex", false, "print a dump of both directions")
	f.BoolVar(&c.crlf, "crlf", false, "make CRLF of the line ends that are sent")
	f.StringVar(&c.urgent, "urgent", "", "send the octet `C` as urgent data, wherever input has it or else at its end")
	f.DurationVar(&c.idle, "idle", 0, "end after so long without traffic; 0 never (default 2s on datagram kinds after input ends, else never)")
}

// prepare checks the flags, and takes standard input and output.
func (c *conversation) prepare(cmd *cobra.Command) error {
	c.idleGiven = cmd.Flags().Changed("idle")
	if err := exclusive(cmd, "quoted", "hex", "json"); err != nil {
		return err
	}
	switch {
	case c.idle < 0:
		return usagef("--idle %v: it must not be negative", c.idle)
	case cmd.Flags().Changed("urgent") && len(c.urgent) != 1:
		return usagef("--urgent %q: it must be one octet, as !", c.urgent)
	}
	if c.format != "" {
		var err error
		if c.cut, err = frame.Parse(c.format); err != nil {
			return usagef("--frame: %w", err)
		}
	}
	var err error
	c.standard, err = c.openStandard()
	return err
}

// exclusive refuses two of the flags together.
func exclusive(cmd *cobra.Command, names ...string) error {
	given := ""
	for _, name := range names {
		switch {
		case !cmd.Flags().Changed(name):
		case given != "":
			return usagef("--%s and --%s exclude each other: give one", given, name)
		default:
			given = name
		}
	}
	return nil
}

// hold holds the conversation with a socket until it has ended; the socket is
// closed then.
func (c *conversation) hold(interrupted context.Context, far relay.End, a address.Address) (relay.Result, error) {
	ctx, end := context.WithCancelCause(interrupted)
	defer end(nil)
	local := c.standard.begin()
	traced := c.untraced()
	near := relay.End{Socket: socket.Wrap(local, socket.Kind{Type: socket.Stream})}
	traced()
	if err := c.cutEnds(&near, &far, a); err != nil {
		far.Socket.Close()
		return relay.Result{}, err
	}

	o := c.options(&far)
	urgent := int64(0)
	if render := c.rendering(); render != nil {
		local.transcript = &transcript{out: c.standard.out, render: render}
		o.OnData = local.transcript.see
		near.Text = near.Format != frame.Format{} || near.Whole
	}
	if c.crlf {
		local.input = &crlfReader{r: local.input}
	}
	if c.urgent != "" {
		octet := []byte(c.urgent)
		local.input = &urgentReader{r: local.input, octet: octet[0], send: func() error {
			if o.OnData != nil {
				o.OnData(relay.A, relay.Urgent, octet)
			}
			_, err := far.Socket.SendUrgent(octet)
			urgent++
			return err
		}}
	}
	local.broken = func(err error) { end(brokenOutput{err}) }
	local.peerEnded = func() { c.peerEnded(local) }
	o.OnRefused = func(from relay.Side, err error) {
		c.log.Warn("message refused", "from", [2]string{"standard input", "the peer"}[from], "error", err)
	}

	r, err := relay.Join(ctx, near, far, o)
	if local.paused {
		r.From[relay.A].EndOfFile = false
	}
	r.From[relay.A].Urgent += urgent
	r.From[relay.A].Octets += urgent
	err = c.outcome(r, err)
	if interrupted.Err() != nil {
		err = interruption(interrupted)
	}
	if said := c.sayEnded(r, err); err == nil {
		err = said
	}
	return r, err
}

// cutEnds decides what a message is at both ends.
func (c *conversation) cutEnds(near, far *relay.End, a address.Address) error {
	kind, promised := far.Socket.Kind(), far.Socket.Properties()
	format, err := formatOf(a)
	if err != nil {
		return err
	}
	framed := format != frame.Format{}
	if c.urgent != "" && promised.Urgent == 0 {
		return usagef("--urgent: %v has no urgent data here: tcp and unix have, and iso where both ends ask for it (expedited)", kind)
	}
	switch {
	case framed && promised.Bounded:
		return usagef("%v: %v keeps message boundaries by itself: leave frame=%v away", a, kind, format)
	case framed:
		far.Format = format
	case !promised.Bounded && (c.whole || c.format != ""):
		return usagef("--whole and --frame are for messages, and %v carries octets: add frame=FORMAT to the address, as frame=len32", a.Scheme.Name)
	case !promised.Bounded:
		return nil
	}
	near.Whole, near.Format = c.whole, c.cut
	if !c.whole && c.format == "" {
		near.Format, near.Text = frame.Format{Kind: frame.Lines}, true
	}
	if c.crlf && !c.whole && !(near.Format.Kind == frame.Lines && format.Kind == frame.Lines) {
		return usagef("--crlf: the messages that input is cut into have no line ends to change: add --whole to send all input as one")
	}
	return nil
}

func (c *conversation) rendering() rendering {
	switch {
	case c.quoted:
		return quotedRendering()
	case c.hex:
		return hexRendering()
	case c.json:
		return jsonRendering()
	}
	return nil
}

func (c *conversation) options(far *relay.End) relay.Options {
	o := relay.Options{Idle: c.idle}
	promised := far.Socket.Properties()
	switch {
	case c.idleGiven:
		o.IdleAfterEOF = c.idle
	case promised.Bounded && !promised.Connected:
		o.IdleAfterEOF = datagramIdle
	}
	if far.Format != (frame.Format{}) {
		o.MaxMessage = max(frame.DefaultLimit, far.Format.Size, c.cut.Size)
	}
	return o
}

// peerEnded does what follows when the peer has finished and input has not.
// Where another conversation may follow, input that pauses waits for that,
// unless it is a file, which is sent to its end. Else input goes on; whoever
// reads standard output learns of the end, and who sits at a terminal is told.
func (c *conversation) peerEnded(local *standard) {
	out, isFile := c.out.(*os.File)
	switch {
	case c.again && !c.standard.again:
		local.hurry()
	case c.again || c.hex || c.json:
	case c.width() > 0:
		if !c.quiet {
			c.sayf("the peer has finished: Ctrl-D ends the conversation")
		}
	case isFile:
		c.standard.out.Close()
		out.Close()
	}
}

// outcome is the error of a conversation for people: of the end that failed,
// with what to do about it.
func (c *conversation) outcome(r relay.Result, err error) error {
	var standard *standardError
	var broken brokenOutput
	var end *relay.EndError
	switch {
	case errors.As(err, &broken):
		return broken
	case errors.As(err, &standard) && errors.Is(err, syscall.EPIPE):
		return brokenOutput{standard}
	case errors.As(err, &standard):
		return standard
	case errors.As(err, &end):
		return peerAdvice(end.Err)
	case err != nil:
		return err
	}
	sent, printed := r.From[relay.A].Refused, r.From[relay.B].Refused
	if sent+printed > 0 {
		return fmt.Errorf("messages that did not fit were left out: %d of standard input, %d of the peer's", sent, printed)
	}
	return nil
}

func peerAdvice(err error) error {
	advice := ""
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		advice = "nobody listens there: start the server, or check the address"
	case errors.Is(err, syscall.ECONNRESET):
		advice = "the peer broke the connection off, and what was on its way is lost"
	case errors.Is(err, syscall.EPIPE):
		advice = "the peer has gone, and takes no more"
	case errors.Is(err, syscall.ENOTCONN), errors.Is(err, syscall.EDESTADDRREQ):
		advice = "it is connected to nobody"
	default:
		return err
	}
	return &socket.Advised{Err: err, Advice: advice}
}
