package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"zocalo/address"
	"zocalo/codec"
	"zocalo/frame"
	"zocalo/internal/units"
	"zocalo/process"
	"zocalo/record"
	"zocalo/relay/join"
	"zocalo/relay/outcome"
	"zocalo/socket"
)

// untoldIdle is how long a conversation goes on in silence once standard input has
// ended and the peer cannot be told: datagrams have no end-of-file, and iso and spp
// none but that of the whole connection.
const untoldIdle = 2 * time.Second

// conversation is what talk and listen have in common: standard input and
// output on a socket.
type conversation struct {
	*app
	whole, quoted, hex bool
	crlf               bool
	noShutdown         bool
	raw                bool // keys go through as typed
	urgent             string
	udp                bool // -u
	idle               time.Duration
	idleGiven          bool
	again              bool  // another conversation may follow
	greeted            peers // whom listen --keep has named, where it hears everybody; else nil
	count              int   // messages to come before it ends; 0 for all
	onlyFirst          bool  // the peer is the first who came, and no other is heard
	cut                frame.Format
	standard           *standardStream
	recording          recordingFlags
	recorder           *recorder
	listens            bool   // the peer came
	preface            []byte // what was sent before the conversation
	held               held
}

// conversationHelp is the part of the help that the two verbs share.
const conversationHelp = `
On kinds with messages, and where the address has frame=FORMAT, each line of
input is a message, and each message received is printed as a line. --frame
FORMAT splits input and output differently (lines, len16, len32, varint,
netstring, fixed:N, chunk:N); with --whole all input is one message, and output
is printed unchanged.

--quoted prints each read on its own line, like Python's repr of bytes: b'hola'.
--hex dumps both directions: '>' for sent and '<' for received ('!' if urgent),
the offset in that direction, the bytes, and the same as text. With --json,
standard output is one object per line: what was received (as text, or base64
where it is not UTF-8), and at the end how it ended.

--urgent C takes each byte C out of the input and sends it as urgent data at
that point; if the input has none, one is sent when it ends. Urgent data that
arrives is printed in its place.

With --raw, keys go through as typed, Ctrl-C and Ctrl-D too, to a program that
edits and echoes itself, such as a shell behind serve --pty. After Enter, ~. ends
the conversation and ~~ sends one ~.

` + recordHelp + `

The end of input becomes a half-close, and output continues until the peer has
finished too; --no-shutdown sends no half-close. Datagrams have no end of stream,
and an iso or spp connection closes in both directions at once: there, two seconds
of silence (--idle) after the end of input end the conversation. On other kinds,
a timeout by --idle is a failure, since the peer had not finished.`

func (c *conversation) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.Var(value(&c.cut, frame.Format{}, frame.Codec), "frame", "how to split standard input and output into messages: a `FORMAT` such as len32 (default lines)")
	f.BoolVarP(&c.udp, "udp", "u", false, "datagrams: an address without a scheme is udp")
	f.BoolVar(&c.whole, "whole", false, "all input is one message")
	f.BoolVar(&c.quoted, "quoted", false, "print each read on its own line, like Python's repr")
	f.BoolVar(&c.hex, "hex", false, "print a hex dump of both directions")
	f.BoolVar(&c.crlf, "crlf", false, "send line ends as CRLF")
	f.Var(value(&c.urgent, "", aByte), "urgent", "send the byte `C` as urgent data, wherever it is in the input, else at the end")
	f.BoolVar(&c.raw, "raw", false, "on a terminal: pass each key as typed, Ctrl-C too, for example to a shell behind serve --pty; ~. at the start of a line ends it")
	f.BoolVar(&c.noShutdown, "no-shutdown", false, "send no half-close when input ends; wait for the peer to finish")
	c.recording.flags(cmd)
	f.Var(value(&c.idle, 0, aTime), "idle", "end after this long without traffic; 0 is never (default 2s after input ends on kinds without half-close, else never)")
}

// aByte is text that is one byte.
var aByte = codec.Codec[string]{Placeholder: "string", Format: codec.Text.Format, Parse: func(text string) (string, error) {
	if len(text) != 1 {
		return "", errors.New("it must be one byte: ! for example")
	}
	return text, nil
}}

// prepare checks the flags, and takes standard input and output.
func (c *conversation) prepare(cmd *cobra.Command) error {
	c.idleGiven = cmd.Flags().Changed("idle")
	if err := exclusive(cmd, "quoted", "hex", "json"); err != nil {
		return err
	}
	if c.raw {
		for _, other := range []string{"quoted", "hex", "json", "crlf", "urgent"} {
			if err := exclusive(cmd, "raw", other); err != nil {
				return err
			}
		}
		restore, err := c.rawKeys()
		if err != nil {
			return usagef("--raw: standard input is not a terminal in the foreground: omit it")
		}
		restore()
	}
	var err error
	c.standard, err = c.openStandard()
	return err
}

// hold holds the conversation with a socket until it has ended; the socket is
// closed then.
func (c *conversation) hold(interrupted context.Context, far join.End, a address.Address) (outcome.Result, error) {
	ctx, end := context.WithCancelCause(interrupted)
	defer end(nil)
	local := c.standard.begin()
	traced := c.untraced()
	near := join.End{Socket: socket.Wrap(local, socket.Kind{Type: socket.Stream})}
	traced()
	if err := c.cutEnds(&near, &far, a); err != nil {
		far.Socket.Close()
		return outcome.Result{}, err
	}

	keep, _ := address.NoShutdown.In(a.Settings)
	far.KeepOpen = keep || c.noShutdown
	o := c.options(&far)
	urgent := int64(0)
	var see func(outcome.Side, join.What, []byte)
	hearer, several := socket.As[socket.Hearer](far.Socket)
	if c.onlyFirst {
		hearer, several = nil, false
	}
	if render := c.rendering(hearer); render != nil {
		local.transcript = &transcript{out: c.standard.out, render: render}
		see = local.transcript.see
		near.Text = near.Format != frame.Format{} || near.Whole
	}
	if several && !c.json && !c.quiet {
		show := see
		see = func(from outcome.Side, what join.What, data []byte) {
			if from == outcome.B {
				c.saySender(hearer.Sender())
			}
			if show != nil {
				show(from, what, data)
			}
		}
	}
	var escaped atomic.Bool // by whoever reads the keys, who may go on after the end
	if c.raw {
		if restore, err := c.rawKeys(); err == nil {
			defer restore()
		}
		local.input = &escapeReader{r: local.input, begins: true, end: func() { escaped.Store(true); end(errEscaped) }}
	}
	if c.crlf {
		local.input = &crlfReader{r: local.input}
	}
	var recorded *record.Pair
	if c.urgent != "" {
		char := []byte(c.urgent)
		local.input = &urgentReader{r: local.input, char: char[0], send: func() error {
			if see != nil {
				see(outcome.A, join.Urgent, char)
			}
			if recorded != nil {
				recorded.Data(ctx, outcome.A, join.Urgent, char)
			}
			_, err := far.Socket.SendUrgent(char)
			urgent++
			return err
		}}
	}
	if see != nil {
		o.Filter = join.Watch(see)
	}
	recorded = c.record(ctx, near, far, hearer, &o)
	o.Progress = new(join.Progress)
	defer c.held.add(far.Socket, passedBy(o.Progress))()
	counted := c.countMessages(&o, end)
	local.broken = func(err error) { end(brokenOutput{err}) }
	local.peerEnded = func() { c.peerEnded(local) }
	o.OnRefused = func(from outcome.Side, err error) {
		c.log.Warn("message refused", "from", [2]string{"standard input", "the peer"}[from], "error", err)
	}

	r, err := join.Join(ctx, near, far, o)
	if recorded != nil {
		recorded.End(r, err)
	}
	if counted() || escaped.Load() {
		err = nil
	}
	if local.paused {
		r.From[outcome.A].EndOfFile = false
	}
	r.From[outcome.A].Urgent += uint32(urgent)
	r.From[outcome.A].Bytes += urgent
	if err = c.outcome(r, err); !isBrokenOutput(err) {
		err = process.Outcome(far.Socket, err)
	}
	if interrupted.Err() != nil {
		err = interruption(interrupted)
	}
	if said := c.sayEnded(r, err); err == nil {
		err = said
	}
	return r, err
}

// record has the recording see a conversation, and returns it; nil where there is none.
func (c *conversation) record(ctx context.Context, near, far join.End, hearer socket.Hearer, o *join.Options) *record.Pair {
	if c.recorder == nil {
		return nil
	}
	i := record.Info{Ends: [2]*socket.Socket{near.Socket, far.Socket}}
	if c.listens {
		i.Client = outcome.B
	}
	if hearer != nil {
		c.recorder.eachSender(i, hearer, o)
		return nil
	}
	p := c.recorder.Join(i, o)
	if c.preface != nil {
		p.Data(ctx, outcome.A, join.Message, c.preface)
		c.preface = nil
	}
	return p
}

// cutEnds decides what a message is at both ends.
func (c *conversation) cutEnds(near, far *join.End, a address.Address) error {
	kind, promised := far.Socket.Kind(), far.Socket.Properties()
	format, framed := address.Frame.In(a.Settings)
	if c.count > 0 && !promised.Bounded && !framed {
		return usagef("--count counts messages, and %v carries bytes: add frame=FORMAT to the address, such as frame=lines", kind)
	}
	if c.raw && (promised.Bounded || framed) {
		return usagef("--raw passes keys as bytes, and %v has messages here: omit it", kind)
	}
	if c.urgent != "" && promised.Urgent == 0 {
		return usagef("--urgent: %v has no urgent data here: use tcp or unix, or iso if both ends ask for it (expedited)", kind)
	}
	switch {
	case framed && promised.Bounded:
		return usagef("%v: %v keeps message boundaries itself: omit frame=%v", a, kind, format)
	case framed:
		far.Format = format
	case !promised.Bounded && (c.whole || c.cut != frame.Format{}):
		return usagef("--whole and --frame are for messages, and %v carries bytes: add frame=FORMAT to the address, such as frame=len32", a.Scheme.Name)
	case !promised.Bounded:
		return nil
	}
	near.Whole, near.Format = c.whole, c.cut
	if !c.whole && c.cut == (frame.Format{}) {
		near.Format, near.Text = frame.Format{Kind: frame.Lines}, true
	}
	if c.crlf && !c.whole && !(near.Format.Kind == frame.Lines && format.Kind == frame.Lines) {
		return usagef("--crlf: messages split from input this way have no line ends: add --whole to send all input as one")
	}
	return nil
}

func (c *conversation) rendering(hearer socket.Hearer) rendering {
	switch {
	case c.quoted:
		return quotedRendering()
	case c.hex:
		return hexRendering()
	case c.json:
		return jsonRendering(hearer)
	}
	return nil
}

func (c *conversation) options(far *join.End) join.Options {
	o := join.Options{Idle: c.idle, CancelInOrder: true, Confirm: true}
	switch {
	case c.idleGiven:
		o.IdleAfterEOF = c.idle
	case c.greeted == nil:
		o.IdleAfterEOF = untoldIdle
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
	case c.again && !c.standard.again, c.onlyReceives(), c.raw:
		local.hurry()
	case c.again || c.hex || c.json:
	case c.width() > 0:
		if !c.quiet && !local.inputEnded.Load() && columns(c.in) > 0 {
			c.sayf("the peer has finished: press Ctrl-D to end")
		}
	case isFile:
		c.standard.out.Close()
		out.Close()
	}
}

// onlyReceives reports whether what comes goes to a file, or on to a program,
// while input is a person's, who has nothing to say: the peer's end is then that
// of the conversation, as in listen 8080 >file.
func (c *conversation) onlyReceives() bool {
	return !c.again && columns(c.in) > 0 && c.width() == 0
}

// errCounted is why a conversation ends of which --count messages came.
var errCounted = errors.New("all messages have arrived")

// countMessages makes end end the conversation once --count messages have come,
// and returns whether they have.
func (c *conversation) countMessages(o *join.Options, end context.CancelCauseFunc) (counted func() bool) {
	if c.count == 0 {
		return func() bool { return false }
	}
	var came atomic.Int64
	o.OnPassed = func(from outcome.Side, _, messages int) {
		if from == outcome.B && came.Add(int64(messages)) == int64(c.count) {
			end(errCounted)
		}
	}
	return func() bool { return came.Load() >= int64(c.count) }
}

// outcome is the error of a conversation for people: of the end that failed,
// with what to do about it.
func (c *conversation) outcome(r outcome.Result, err error) error {
	var standard *standardError
	var broken brokenOutput
	var end *outcome.EndError
	switch {
	case errors.As(err, &broken):
		return broken
	case errors.As(err, &standard) && errors.Is(err, syscall.EPIPE):
		return brokenOutput{standard}
	case errors.As(err, &standard):
		return standard
	case errors.As(err, &end):
		return peerAdvice(end.Err)
	case errors.Is(err, join.ErrIdle):
		return fmt.Errorf("no traffic for %s (--idle), and the peer had not finished: the connection was reset", units.Set(c.idle))
	case err != nil:
		return err
	}
	sent, printed := r.From[outcome.A].Refused, r.From[outcome.B].Refused
	if sent+printed > 0 {
		return fmt.Errorf("messages were refused: %d from standard input, %d from the peer", sent, printed)
	}
	return nil
}

func peerAdvice(err error) error {
	advice := ""
	var errno syscall.Errno
	switch {
	case errors.Is(err, syscall.ECONNRESET) && !errors.As(err, &errno):
		return err // of a layer, that says what happened
	case errors.Is(err, syscall.ECONNREFUSED):
		advice = "nothing is listening there: start the server, or check the address"
	case errors.Is(err, syscall.ECONNRESET):
		advice = "the peer reset the connection; data in flight is lost"
	case errors.Is(err, syscall.EPIPE):
		advice = "the peer has closed and accepts no more data"
	case errors.Is(err, syscall.ENOTCONN), errors.Is(err, syscall.EDESTADDRREQ):
		advice = "the socket is not connected"
	default:
		return err
	}
	return &socket.HintError{Err: err, Hint: advice}
}
