package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"zocalo/address"
	"zocalo/codec"
	"zocalo/internal/units"
	"zocalo/record/capture"
	"zocalo/record/replay"
	"zocalo/service/verb"
	"zocalo/socket/scheme"
	"zocalo/sockstat"
)

// replaying is the verb replay: recorded conversations, played again.
type replaying struct {
	*app
	list    bool
	options replay.Options
	ignore  []string
	largest int64 // bytes held of a conversation
}

// The codecs of the flags of replay.
var (
	playSpeed = codec.Codec[float64]{Placeholder: "SPEED", Format: func(v float64) string {
		if v == 1 || v == 0 {
			return "1"
		}
		return strconv.FormatFloat(v, 'g', -1, 64)
	}, Parse: func(text string) (float64, error) {
		if text == "max" {
			return math.Inf(1), nil
		}
		v, err := strconv.ParseFloat(text, 64)
		if err != nil || !(v > 0) || math.IsInf(v, 0) {
			return 0, errors.New("it must be a factor, such as 1, 10 or 0.5, or max")
		}
		return v, nil
	}}
	beginRate = codec.Codec[float64]{Placeholder: "N/s", Format: func(float64) string { return "0" }, Parse: func(text string) (float64, error) {
		v, err := strconv.ParseFloat(strings.TrimSuffix(text, "/s"), 64)
		if err != nil || !(v > 0) || math.IsInf(v, 0) {
			return 0, errors.New("it must be a number per second, such as 100/s")
		}
		return v, nil
	}}
	largestConversation = codec.Codec[int64]{Placeholder: "SIZE", Format: codec.FormatSize[int64], Parse: func(text string) (int64, error) {
		n, err := codec.ParseSize(text)
		if err == nil && n == 0 {
			err = errors.New("it must be more than 0")
		}
		return n, err
	}}
	rounds = codec.Codec[int]{Placeholder: "N", Format: strconv.Itoa, Parse: func(text string) (int, error) {
		n, err := times.Parse(text)
		if err == nil && n == 0 || err != nil && text != "forever" {
			return 0, errors.New("it must be a whole number, 1 or more, or forever")
		}
		return n, err
	}}
)

func (a *app) replayVerb() *cobra.Command {
	r := &replaying{app: a}
	cmd := &cobra.Command{
		Use:   "replay FILE TO [KIND...] [FILTER...]",
		Short: "Play recorded conversations again, and compare the answers",
		Long: `replay reads a recording (pcapng or pcap: of zocalo --record, tcpdump, Wireshark),
puts its conversations together, and plays what their clients sent to the address
TO. What comes back is compared with what was recorded: the first difference is
shown, what was recorded on the left and what came on the right, and the exit
status is 1. FILE may be -, standard input.

With a TO that listens, such as tcp-listen:8080, it plays the server: each client
gets the next conversation, and what the clients send is compared.

KIND and FILTER select conversations in the same words as 'zocalo list': kinds
such as tcp, udp or unix-dgram, and port=, lport=, rport=, addr=, local=, peer=,
process= and type=. local is the client's end and peer the server's. --list shows
them. Without a kind, all that TO can carry are played: streams, or messages.

Everything is sent at the times of the recording, by a single clock, --speed times
as fast. With --causal there is no clock: a message is sent once the answer before
it has come, and a conversation begins once those that had ended before it have
ended. In either case a server never answers a question before it has arrived.

--ignore PATTERN says what may differ, such as dates and numbers: a regular
expression (RE2), given as often as needed. It looks at one answer, or message, at
a time: where it matches in the recording, it must match at the same place. With
an escape such as \xd0 it is matched against bytes, otherwise UTF-8.

Streams end as they did: with a FIN for one direction, or a reset. Messages keep
their boundaries; on a stream they need frame=FORMAT in TO. Ctrl-C ends with what is known.`,
		Example: `  zocalo replay --list session.pcapng
  zocalo replay session.pcapng tcp:localhost:6379 port=6379
  zocalo replay web.pcap tls:example.org:443 --causal --ignore '(?m)^Date: .*$'
  zocalo replay dns.pcap udp:127.0.0.1:5353 --speed 10
  zocalo replay session.pcapng tcp-listen:127.0.0.1:8080 --repeat forever
  zocalo replay web.pcap tcp:localhost:80 --rate 200/s --repeat 50 --no-compare`,
		ValidArgsFunction: completeReplay,
		RunE: func(cmd *cobra.Command, args []string) error {
			return r.run(cmd, args)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&r.list, "list", false, "list the conversations of FILE; TO is omitted")
	f.Var(value(&r.options.Speed, 1, playSpeed), "speed", "how many times as fast as recorded, such as 10 or 0.5; max does not wait")
	f.BoolVar(&r.options.Causal, "causal", false, "send each message once the answer before it has come, at once")
	f.StringArrayVar(&r.ignore, "ignore", nil, "`PATTERN`, a regular expression, for what may differ in answers; repeatable")
	f.BoolVar(&r.options.NoCompare, "no-compare", false, "accept any answers, to generate load")
	f.Var(value(&r.options.Repeat, 1, rounds), "repeat", "play it all N times, or forever")
	f.Var(value(&r.options.Rate, 0, beginRate), "rate", "begin so many conversations per second, instead of when they began")
	f.Var(value(&r.options.Concurrency, replay.DefaultConcurrency, atLeast(1)), "concurrency", "how many conversations at once")
	f.Var(value(&r.options.Wait, replay.DefaultWait, someTime), "wait", "how much longer than recorded an answer may take")
	f.Var(value(&r.largest, capture.DefaultMaxConversation, largestConversation), "max-conversation", "leave out conversations with more bytes than this")
	return cmd
}

// completeReplay completes a file, an address, and then the words of list.
func completeReplay(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	choosing := func(args []string) ([]string, cobra.ShellCompDirective) {
		words, directive := completeList(cmd, args, begun)
		return slices.DeleteFunc(words, func(word string) bool {
			key, _, filter := strings.Cut(word, "=")
			return filter && !slices.Contains(toldKeys, strings.TrimSuffix(key, "!")) || word == sockstat.Pair.String()
		}), directive
	}
	if listing, err := cmd.Flags().GetBool("list"); err == nil && listing && len(args) > 0 {
		return choosing(args[1:])
	}
	switch len(args) {
	case 0:
		return nil, cobra.ShellCompDirectiveDefault
	case 1:
		return addressesAfter(begun), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
	return choosing(args[2:])
}

// playFlags are those that --list does not hold.
var playFlags = []string{"speed", "causal", "ignore", "no-compare", "repeat", "rate", "concurrency", "wait", "max-conversation"}

func (r *replaying) run(cmd *cobra.Command, args []string) error {
	usage := "write zocalo replay FILE TO, or zocalo replay --list FILE"
	switch {
	case len(args) == 0:
		return usagef("FILE is missing: %s", usage)
	case len(args) == 1 && !r.list:
		return usagef("TO is missing, the address to play to: %s", usage)
	}
	ctx, stop := interruptible(cmd.Context())
	defer stop()
	if r.list {
		if err := refuse(cmd, "cannot be used with --list", playFlags...); err != nil {
			return err
		}
		words, err := parseReplayWords(args[1:])
		if err != nil {
			return usageError{err}
		}
		c, err := r.read(ctx, args[0], capture.Options{Want: words.wants, NoEvents: true})
		if err != nil {
			return err
		}
		return r.show(c)
	}
	if err := exclusive(cmd, "causal", "speed"); err != nil {
		return err
	}
	if err := exclusive(cmd, "ignore", "no-compare"); err != nil {
		return err
	}
	for _, text := range r.ignore {
		p, err := replay.ParsePattern(text)
		if err != nil {
			return usagef("--ignore %q is not a regular expression: %v", text, err)
		}
		r.options.Ignore = append(r.options.Ignore, p)
	}
	to, err := parseAddress(args[1])
	if err != nil {
		return err
	}
	words, err := parseReplayWords(args[2:])
	if err != nil {
		return usageError{err}
	}
	passive := to.Passive(false)
	if passive {
		if err := refuse(cmd, "is for a TO that zocalo connects to: here clients connect by themselves", "rate"); err != nil {
			return err
		}
	}
	c, err := r.read(ctx, args[0], capture.Options{Want: words.wants, MaxConversation: r.largest})
	if err != nil {
		return err
	}
	all, err := r.choose(args[0], c, to, passive)
	if err != nil {
		return err
	}
	if passive {
		return r.serve(ctx, all, to)
	}
	return r.finish(ctx, replay.Run(ctx, all, to, r.options))
}

// read reads the file, and says what is weak about it.
func (r *replaying) read(ctx context.Context, path string, o capture.Options) (*capture.Capture, error) {
	in := r.in
	if path == "-" {
		path = "standard input"
	} else {
		f, err := os.Open(path)
		if err != nil {
			return nil, fileError(path, err)
		}
		defer f.Close()
		in = f
	}
	c, err := capture.Read(ctx, in, o)
	if ctx.Err() != nil {
		return nil, interruption(ctx)
	}
	if err != nil {
		return nil, fileError(path, err)
	}
	if c.Cut != nil {
		r.note(fmt.Sprintf("%s: %v: what comes before it is used", path, c.Cut))
	}
	for _, t := range c.Unknown {
		r.note(fmt.Sprintf("%s: packets of link type %d are left out: Ethernet, Linux cooked, loopback and raw IP are known", path, t))
	}
	if c.Dropped > 0 {
		r.note(fmt.Sprintf("%s: its recorder lost %s", path, units.Plural(c.Dropped, "packet")))
	}
	if c.Lost > 0 {
		r.note(fmt.Sprintf("%s: fragments of %s are missing", path, units.Plural(c.Lost, "packet")))
	}
	return c, nil
}

// fileError is an error of a file, with its name once.
func fileError(path string, err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		err = at.Err
	}
	return fmt.Errorf("%s: %w", path, err)
}

// note says in one line, on standard error, what makes a result weaker.
func (a *app) note(text string) {
	switch {
	case a.quiet:
	case a.logFormat == "json":
		a.log.Warn(text)
	default:
		a.sayf("zocalo: %s", text)
	}
}

// choose returns the conversations that are played, and says which are left out, and why.
func (r *replaying) choose(path string, c *capture.Capture, to address.Address, passive bool) (all []*capture.Conversation, err error) {
	target := scheme.Target{Endpoint: to.Endpoint, Passive: passive, Settings: to.Settings}
	_, framed := address.Frame.In(to.Settings)
	kinds := to.Scheme.Kinds(target)
	var misfits, attempts int64
	var misfit error
	for _, each := range c.Conversations {
		switch {
		case each.TooLarge:
			r.note(fmt.Sprintf("conversation %d has more than %s, and is left out: --max-conversation takes more", each.Number, codec.FormatSize(r.largest)))
			continue
		case !each.Stood || len(each.Events) == 0:
			attempts++
			continue
		case len(kinds) > 0:
			if err := replay.Fits(each, kinds[0], framed); err != nil {
				misfits++
				if misfit == nil {
					misfit = err
				}
				continue
			}
		}
		if !each.Opened {
			r.note(fmt.Sprintf("conversation %d began before the recording: it is played from where that begins", each.Number))
		}
		if n := lacksOfClient(each); n > 0 && !passive {
			r.note(fmt.Sprintf("conversation %d lacks %s of what its client sent: it is played as far as that goes", each.Number, units.Plural(n, "byte")))
		}
		all = append(all, each)
	}
	if len(all) == 0 {
		switch {
		case misfit != nil:
			return nil, misfit
		case len(c.Conversations) > 0:
			return nil, fmt.Errorf("%s: none of its %s has anything that could be played", path, units.Plural(len(c.Conversations), "conversation"))
		}
		return nil, fmt.Errorf("%s: no conversation matches, of %s: zocalo replay --list shows what there is", path, units.Plural(c.Packets, "packet"))
	}
	if misfits > 0 {
		r.note(fmt.Sprintf("%s left out that %v cannot carry", are(misfits, "conversation"), kinds[0]))
	}
	if attempts > 0 {
		r.log.Debug("conversations left out in which nothing was said", "conversations", attempts)
	}
	return all, nil
}

func are(n int64, word string) string {
	if n == 1 {
		return units.Plural(n, word) + " is"
	}
	return units.Plural(n, word) + " are"
}

// lacksOfClient is how many bytes that the client sent the recording lacks.
func lacksOfClient(c *capture.Conversation) (n int64) {
	if c.Missing == 0 {
		return 0
	}
	for _, e := range c.Events {
		if e.From == capture.Client && e.What == capture.Gap {
			n += e.Size
		}
	}
	return n
}

// serve plays the server.
func (r *replaying) serve(ctx context.Context, all []*capture.Conversation, to address.Address) error {
	p, err := r.listenOn(ctx, to, &verb.Lists{}, false)
	if err != nil {
		return err
	}
	format, _ := address.Frame.In(to.Settings)
	report, err := replay.Serve(ctx, all, p.Listener, format, r.options)
	if err != nil && ctx.Err() == nil {
		return err
	}
	return r.finish(ctx, report)
}

// replayed is what --json prints of a replay.
type replayed struct {
	Event            string            `json:"event"` // "replayed"
	Conversations    int               `json:"conversations"`
	Alike            int               `json:"alike"`
	Differing        int               `json:"differing"`
	Failed           int               `json:"failed"`
	Unplayed         int               `json:"unplayed,omitempty"`
	Waited           int               `json:"waited,omitempty"` // for a place
	BytesSent        int64             `json:"bytes_sent"`
	BytesReceived    int64             `json:"bytes_received"`
	MessagesSent     int64             `json:"messages_sent"`
	MessagesReceived int64             `json:"messages_received"`
	Answers          int64             `json:"answers"`
	Seconds          float64           `json:"seconds"`
	Sendings         int64             `json:"sendings_by_clock,omitempty"`
	LateP50          int64             `json:"late_p50_ns,omitempty"`
	LateP99          int64             `json:"late_p99_ns,omitempty"`
	LateMost         int64             `json:"late_max_ns,omitempty"`
	Difference       *playedDifference `json:"difference,omitempty"`
	Error            string            `json:"error,omitempty"` // of the first that failed
	Interrupted      bool              `json:"interrupted,omitempty"`
}

// playedDifference is the first difference.
type playedDifference struct {
	Conversation   int    `json:"conversation"`
	Round          int    `json:"round"`
	Client         string `json:"client"`
	Server         string `json:"server"`
	Why            string `json:"why"`
	From           string `json:"from"`
	Answer         int    `json:"answer"`
	Message        int    `json:"message,omitempty"`
	RecordedOffset int64  `json:"recorded_offset"`
	CameOffset     int64  `json:"came_offset"`
	Before         int    `json:"before"`   // bytes of the two below that are the same
	Recorded       []byte `json:"recorded"` // around the difference, base64
	Came           []byte `json:"came"`
}

// finish prints what came of it, and returns how the run ends.
func (r *replaying) finish(ctx context.Context, report *replay.Report) error {
	interrupted := ctx.Err() != nil
	if report.Waited > 0 {
		r.note(fmt.Sprintf("%s began late, since %d others were open: --concurrency allows more", units.Plural(report.Waited, "conversation"), r.options.Concurrency))
	}
	failure := ""
	if report.Failure != nil {
		failure = oneLine(wrongUsage(report.Failure.Err))
	}
	if err := r.printReport(report, failure, interrupted); err != nil {
		return err
	}
	of := func(result *replay.Result, text string) error {
		if report.Conversations+report.Unplayed == 1 {
			return errors.New(text)
		}
		return fmt.Errorf("conversation %d: %s", result.Conversation.Number, text)
	}
	switch {
	case interrupted:
		return interruption(ctx)
	case report.Differing > 0:
		verb := "are"
		if report.Differing == 1 {
			verb = "is"
		}
		return fmt.Errorf("%d of %s %s not as recorded", report.Differing, units.Plural(report.Conversations, "conversation"), verb)
	case report.Failure != nil:
		return of(report.Failure, failure)
	}
	return nil
}

func (r *replaying) printReport(p *replay.Report, failure string, interrupted bool) error {
	j := replayed{
		Event: "replayed", Conversations: p.Conversations, Alike: p.Alike, Differing: p.Differing, Failed: p.Failed, Unplayed: p.Unplayed, Waited: p.Waited,
		BytesSent: p.BytesSent, BytesReceived: p.BytesReceived, MessagesSent: p.MessagesSent, MessagesReceived: p.MessagesReceived,
		Answers: p.Answers, Seconds: p.Took.Seconds(), Sendings: p.Late,
		LateP50: int64(p.LateP50), LateP99: int64(p.LateP99), LateMost: int64(p.LateMost), Error: failure, Interrupted: interrupted,
	}
	if first := p.First; first != nil {
		c, d := first.Conversation, first.Difference
		j.Difference = &playedDifference{
			Conversation: c.Number, Round: first.Round, Client: c.Client.String(), Server: c.Server.String(), Why: string(d.Why), From: d.From.String(),
			Answer: d.Answer, Message: d.Message, RecordedOffset: d.RecordedOffset, CameOffset: d.CameOffset, Before: d.Before, Recorded: d.Recorded, Came: d.Came,
		}
	}
	return r.printResult(j, func(w io.Writer) error { return r.writeReport(w, p) })
}

// writeReport writes what came of it, for people.
func (r *replaying) writeReport(w io.Writer, p *replay.Report) error {
	var b strings.Builder
	if first := p.First; first != nil {
		c := first.Conversation
		fmt.Fprintf(&b, "conversation %d (%s, %s to %s)", c.Number, c.Kind, legible(c.Client.String()), legible(c.Server.String()))
		if first.Round > 1 {
			fmt.Fprintf(&b, ", round %d", first.Round)
		}
		fmt.Fprintf(&b, ":\n%s\n\n", first.Difference.Error())
		if dump := first.Difference.Dump(); dump != "" {
			b.WriteString(dump + "\n")
		}
	}
	fmt.Fprintf(&b, "%s in %s: ", units.Plural(p.Conversations, "conversation"), units.Time(p.Took))
	same := "as recorded"
	if r.options.NoCompare {
		same = "played"
	}
	var parts []string
	for _, n := range []struct {
		n    int
		what string
	}{{p.Alike, same}, {p.Differing, "not as recorded"}, {p.Failed, "failed"}, {p.Unplayed, "not played"}} {
		if n.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n.n, n.what))
		}
	}
	switch {
	case len(parts) == 1 && p.Alike > 0:
		b.WriteString("all " + same)
	case len(parts) == 0:
		b.WriteString("none")
	}
	if len(parts) > 1 || len(parts) == 1 && p.Alike == 0 {
		b.WriteString(strings.Join(parts, ", "))
	}
	fmt.Fprintf(&b, "\nsent %s in %s, received %s", units.Plural(p.BytesSent, "byte"), units.Plural(p.MessagesSent, "piece"), units.Plural(p.BytesReceived, "byte"))
	if !r.options.NoCompare {
		fmt.Fprintf(&b, "; %s compared", units.Plural(p.Answers, "answer"))
	}
	b.WriteByte('\n')
	if p.Late > 0 {
		fmt.Fprintf(&b, "late by the clock: median %s, 99th percentile %s, at most %s\n", units.Time(p.LateP50), units.Time(p.LateP99), units.Time(p.LateMost))
	}
	_, err := io.WriteString(w, b.String())
	return err
}
