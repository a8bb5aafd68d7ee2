package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"zocalo/internal/nearest"
	"zocalo/internal/say"
	"zocalo/internal/units"
	"zocalo/process"
	"zocalo/socket"
)

// version is set by the linker in releases.
var version = "0.1.0-dev"

// The exit statuses.
const (
	statusOK          = 0
	statusFailed      = 1
	statusUsage       = 2
	statusInterrupted = 130 // by SIGINT; see interruption for other signals
)

// streams are a run's standard input, output and error.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

func standardStreams() streams { return streams{os.Stdin, os.Stdout, os.Stderr} }

// app is what the verbs share: the general flags, and where to print.
type app struct {
	streams
	json      bool
	quiet     bool
	verbose   bool
	logFormat string
	trace     bool
	page      livePage

	log     *slog.Logger
	level   slog.LevelVar // of log
	alike   *kinds        // of what the log says
	said    *slog.Logger  // what is said beside it, where all is JSON; else nil
	journal *journal      // standard error
	help    *checkedWriter

	quitless func()   // gives SIGQUIT back
	events   *journal // standard output, for what happens and nobody may wait for
	unknown  error    // a verb that --help was asked of, and that there is not
}

// usageError is a mistake in the command line: exit status 2.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// statusError ends the run with a status, and prints nothing more.
type statusError int

func (e statusError) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// run is main, with all that it depends on as arguments.
func run(args []string, s streams) int {
	a := newApp(s)
	defer a.events.flush()
	defer a.journal.flush()
	defer func() { a.quitless() }()
	root := a.root()
	if len(args) > 0 && strings.HasPrefix(args[0], cobra.ShellCompRequestCmd) {
		completeFlags(root) // which no other run needs
	}
	root.SetArgs(withoutDash(args))
	root.SetIn(s.in)
	root.SetErr(lineWriter{a.journal.say})
	err := root.ExecuteContext(process.OnTerminal(context.Background(), func(device string) {
		a.sayf("terminal at %s", device)
	}))
	if err == nil {
		err = cmp.Or(a.unknown, outputError(a.help.err))
	}
	if a.alike != nil {
		a.alike.flush()
	} else if a.logFormat == "json" || asksJSON(args) { // the command line was wrong
		a.allJSON()
	}
	return a.status(err)
}

// asksJSON reports whether arguments that were not read to their end ask for a log in
// JSON.
func asksJSON(args []string) bool {
	for i, arg := range args {
		switch {
		case arg == "--":
			return false
		case arg == "--log-format=json", arg == "--log-format" && i+1 < len(args) && args[i+1] == "json":
			return true
		}
	}
	return false
}

func newApp(s streams) *app {
	a := &app{streams: s}
	a.journal = newJournal(survivingWrite(s.err), a.journalLost)
	a.events = newJournal(func(b []byte) error {
		_, err := s.out.Write(b)
		return err
	}, eventsLost)
	a.quitless = func() {}
	return a
}

// journalLost says, in the form of the log, how many lines nobody read.
func (a *app) journalLost(n int64) string {
	text := fmt.Sprintf("%s of this log lost: nothing reads standard error", units.Plural(n, "line"))
	if a.logFormat == "json" {
		line, _ := json.Marshal(map[string]any{"time": time.Now(), "level": slog.LevelWarn.String(), "msg": text, "lines": n})
		return string(line) + "\n"
	}
	return "zocalo: " + text + "\n"
}

// eventsLost says how many events nobody read.
func eventsLost(n int64) string { return fmt.Sprintf(`{"event":"lost","events":%d}`+"\n", n) }

// status prints an error as one line, and returns the exit status it means.
func (a *app) status(err error) int {
	var status statusError
	var usage usageError
	var exit *process.ExitError
	switch {
	case err == nil:
		return statusOK
	case errors.As(err, &status):
		return int(status)
	case errors.As(err, &exit):
		return exit.ShellStatus() // the program has said why
	case isBrokenOutput(err):
		return statusFailed // quietly: whoever read our output has gone
	}
	nameHolders(err)
	a.sayError(oneLine(err))
	if errors.As(err, &usage) {
		return statusUsage
	}
	return statusFailed
}

// allJSON makes all that is said on standard error JSON, as the log is.
func (a *app) allJSON() { a.said = slog.New(slog.NewJSONHandler(a.jsonLines(), nil)) }

func (a *app) jsonLines() io.Writer {
	return lineWriter{func(b []byte) { a.journal.say(legibleJSON(b)) }}
}

// sayError prints the error that ends the run.
func (a *app) sayError(text string) {
	if a.said != nil {
		a.said.Error(text)
		return
	}
	a.sayf("zocalo: %s", text)
}

// oneLine puts the errors that errors.Join parts by lines into one.
func oneLine(err error) string {
	return strings.ReplaceAll(strings.TrimSpace(say.Error(err)), "\n", "; ")
}

// brokenOutput marks a write to standard output that failed.
type brokenOutput struct{ error }

func (e brokenOutput) Unwrap() error { return e.error }

func isBrokenOutput(err error) bool {
	var b brokenOutput
	return errors.As(err, &b) && errors.Is(err, syscall.EPIPE)
}

// root returns the command with all its verbs.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "zocalo",
		Short: "One address syntax for every socket type: talk, listen, relay, check",
		Long: `zocalo opens sockets of every kind, with one address syntax:

  SCHEME:ENDPOINT[,OPTION[=VALUE]]...

Examples are tcp:localhost:5346, udp:any:53 and unix:/run/x.sock,mode=0660. A
socket is a channel between two programs, on one machine or two; 'zocalo explain
ADDRESS' says what an address means, and 'zocalo check' tries every kind of
socket on this machine.

Exit status is 0 for success, 1 for failure and 2 for a wrong command line. A
server stopped by SIGINT or SIGTERM exits 0; anything else stopped by a signal
exits 128 plus its number, as in a shell: 130 or 143. If talk, or a relay of one
pair, ran a program (exec:, shell:), its exit status is the program's.`,
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          unknownVerb,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetVersionTemplate(`{{if eq (.Flag "json").Value.String "true"}}{"version":"{{.Version}}"}{{else}}zocalo {{.Version}}{{end}}` + "\n")
	flags := root.PersistentFlags()
	flags.BoolVar(&a.json, "json", false, "print results as JSON, one value per line")
	flags.BoolVarP(&a.quiet, "quiet", "q", false, "print only results and errors")
	flags.BoolVarP(&a.verbose, "verbose", "v", false, "say more about what happens")
	flags.StringVar(&a.logFormat, "log-format", "text", "`FORMAT` of logs on standard error: text or json")
	flags.BoolVar(&a.trace, "trace", false, "print each socket call as it completes")
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		a.page.keeps = cmd.Name() == "run"
		return a.begin()
	}
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(a.checkVerb(), a.benchVerb(), a.echoVerb(), a.serveVerb(), a.talkVerb(), a.listenVerb(), a.explainVerb(), a.listVerb(), a.relayVerb(), a.runVerb(), a.replayVerb(), a.hubVerb(), a.xnsVerb(), a.certVerb(), a.ctlVerb(), a.manVerb())
	a.help = &checkedWriter{w: a.out}
	root.SetOut(a.help) // before completion is made, which keeps it
	strictHelp(root, &a.unknown)
	usageErrors(root)
	return root
}

// unknownVerb refuses a verb that is none, with the nearest that is.
func unknownVerb(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return nearest.Unknown("verb", args[0], verbNames(cmd))
}

// withoutDash returns the arguments with - that has options, as in -,rdonly,
// as stdio: it is no flag.
func withoutDash(args []string) []string {
	args = slices.Clone(args)
	for i, arg := range args {
		if strings.HasPrefix(arg, "-,") {
			args[i] = "stdio" + arg[1:]
		}
	}
	return args
}

// usageErrors makes a wrong number of arguments, and a verb that is none,
// mistakes of usage.
func usageErrors(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return usageError{err}
			}
			return nil
		}
	}
	for _, sub := range cmd.Commands() {
		usageErrors(sub)
	}
}

// begin makes what the general flags ask for.
func (a *app) begin() error {
	switch {
	case a.quiet && a.verbose:
		return usagef("-q and -v cannot be combined: give one")
	case a.quiet:
		a.level.Set(slog.LevelError)
	case a.verbose:
		a.level.Set(slog.LevelDebug)
	}
	if !a.verbose && !signal.Ignored(syscall.SIGQUIT) { // the stacks of all goroutines are for those who ask for more
		a.quitless = onSignal(syscall.SIGQUIT, func() { end(stopped(syscall.SIGQUIT)) })
	}
	options := &slog.HandlerOptions{Level: &a.level, ReplaceAttr: plainErrors}
	text := &slog.HandlerOptions{Level: &a.level, ReplaceAttr: plainText}
	var handler slog.Handler
	switch a.logFormat {
	case "text":
		handler = slog.NewTextHandler(lineWriter{a.journal.say}, text)
	case "json":
		handler = slog.NewJSONHandler(a.jsonLines(), options)
		a.allJSON()
	default:
		return usagef("--log-format %q is neither text nor json", a.logFormat)
	}
	trackUserSpace()
	limited := newRepeated(a.page.begin(handler))
	a.log, a.alike = slog.New(limited), limited.kinds
	slog.SetDefault(a.log) // of layers, which are told of no other
	switch {
	case a.trace && (a.page.asked || a.page.keeps):
		a.page.trace(a.printCall)
	case a.trace:
		socket.SetTrace(a.printCall)
	}
	return nil
}

// plainErrors makes of errors that are logged what people are told of them.
func plainErrors(_ []string, attr slog.Attr) slog.Attr {
	if err, is := attr.Value.Any().(error); is {
		attr.Value = slog.StringValue(oneLine(err))
	}
	return attr
}

// plainText is plainErrors, and makes of durations what people read.
func plainText(groups []string, attr slog.Attr) slog.Attr {
	if attr.Value.Kind() == slog.KindDuration {
		return slog.String(attr.Key, units.Word(attr.Value.Duration()))
	}
	return plainErrors(groups, attr)
}

// printCall prints a call as the lecture writes it, with the time it took.
func (a *app) printCall(c socket.Call) {
	a.sayAll(a.journal.dump, fmt.Sprintf("%s <%.6f>", c, c.Took.Seconds()))
}

// sayf prints a line on standard error. Whoever chose what is in it, it is one
// line, and legible.
func (a *app) sayf(format string, args ...any) {
	a.sayAll(a.journal.say, fmt.Sprintf(format, args...))
}

// sayOften prints a line of a kind of which strangers decide how often they
// come: with -v all, else as many as the log has, see repeated.
func (a *app) sayOften(kind, rest string) {
	if a.verbose || a.alike.pass(slog.NewRecord(time.Now(), slog.LevelInfo, kind, 0)) {
		a.sayf("%s %s", kind, rest)
	}
}

func (a *app) sayAll(say func([]byte), line string) {
	if a.said != nil {
		a.said.Info(line)
		return
	}
	say([]byte(legible(line) + "\n"))
}

// dumpLines prints lines on standard error that ought to be complete.
func (a *app) dumpLines(lines []byte) {
	if a.said == nil {
		a.journal.dump(lines)
		return
	}
	for line := range bytes.Lines(lines) {
		a.said.Info(string(bytes.TrimSuffix(line, []byte("\n"))))
	}
}

// showLive prints what a terminal is to show for a moment.
func (a *app) showLive(text string) {
	if a.said == nil {
		a.journal.say([]byte(text))
	}
}

// lineWriter is a journal for what writes lines.
type lineWriter struct{ say func([]byte) }

func (w lineWriter) Write(b []byte) (int, error) {
	w.say(b)
	return len(b), nil
}

// A checkedWriter keeps the first error of writing what cobra prints, which does
// not look at it.
type checkedWriter struct {
	w   io.Writer
	err error
}

func (c *checkedWriter) Write(b []byte) (int, error) {
	if c.err == nil {
		_, c.err = c.w.Write(b)
	}
	return len(b), nil // cobra would print it, too
}

// printEvent prints what happened as one line of JSON, which nothing waits
// for.
func (a *app) printEvent(v any) {
	if line, err := json.Marshal(v); err == nil {
		a.events.say(append(legibleJSON(line), '\n'))
	}
}

// printJSON prints a result as one line of JSON.
func (a *app) printJSON(v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return a.print(string(legibleJSON(line)) + "\n")
}

// printResult prints a result: as JSON, or as the text that write makes.
func (a *app) printResult(v any, write func(io.Writer) error) error {
	if a.json {
		return a.printJSON(v)
	}
	var text strings.Builder
	if err := write(&text); err != nil {
		return err
	}
	return a.print(text.String())
}

// print prints a result on standard output.
func (a *app) print(text string) error {
	_, err := io.WriteString(a.out, text)
	return outputError(err)
}

// outputError is the error for results that cannot be printed, nil for nil.
func outputError(err error) error {
	if err == nil {
		return nil
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err // whose path says the same
	}
	return brokenOutput{fmt.Errorf("standard output: %w", err)}
}
