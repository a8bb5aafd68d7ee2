package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"zocalo/address"
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

	log *slog.Logger
	mu  sync.Mutex // one line at a time on standard error
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
	a := &app{streams: s}
	root := a.root()
	root.SetArgs(args)
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	cmd, err := root.ExecuteC()
	return a.status(cmd, err)
}

// status prints an error as one line, and returns the exit status it means.
func (a *app) status(cmd *cobra.Command, err error) int {
	var status statusError
	var usage usageError
	switch {
	case err == nil:
		return statusOK
	case errors.As(err, &status):
		return int(status)
	case isBrokenOutput(err):
		return statusFailed // quietly: whoever read our output has gone
	case errors.As(err, &usage):
		fmt.Fprintf(a.err, "zocalo: %s\n", oneLine(err))
		fmt.Fprintf(a.err, "%s --help says how it is used\n", cmd.CommandPath())
		return statusUsage
	}
	fmt.Fprintf(a.err, "zocalo: %s\n", oneLine(err))
	return statusFailed
}

// oneLine puts the errors that errors.Join parts by lines into one.
func oneLine(err error) string {
	return strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; ")
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
		Short: "Sockets of every kind, by one grammar: talk, listen, echo, check",
		Long: `zocalo opens sockets of every kind, by one grammar of addresses:

  SCHEME:ENDPOINT[,OPTION[=VALUE]]...

as tcp:localhost:5346, udp:any:53, unix:/run/x.sock,mode=0660. A socket is a
channel between two programs, on one machine or two; 'zocalo explain ADDRESS'
says what an address means, and 'zocalo check' tries every kind of socket that
this machine has.

The exit status is 0 for success, 1 if it failed, and 2 if the command line was
wrong. A server that SIGINT or SIGTERM ends exits with 0; anything else that a
signal ends, with 128 and its number, as in a shell: 130 and 143.`,
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          unknownVerb,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetVersionTemplate("zocalo {{.Version}}\n")
	flags := root.PersistentFlags()
	flags.BoolVar(&a.json, "json", false, "print results as JSON, a value a line")
	flags.BoolVarP(&a.quiet, "quiet", "q", false, "print no more than results and errors")
	flags.BoolVarP(&a.verbose, "verbose", "v", false, "say more of what happens")
	flags.StringVar(&a.logFormat, "log-format", "text", "how to write logs on standard error: text or json")
	flags.BoolVar(&a.trace, "trace", false, "print each socket call as it completes")
	root.PersistentPreRunE = func(*cobra.Command, []string) error { return a.begin() }
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(a.checkVerb(), a.benchVerb(), a.echoVerb(), a.serveVerb(), a.talkVerb(), a.listenVerb(), a.explainVerb(), a.listVerb(), a.relayVerb(), a.hubVerb(), a.xnsVerb(), a.manVerb())
	strictHelp(root)
	usageErrors(root)
	return root
}

// flagError is a mistake of usage; an unknown flag is told with the nearest
// known.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		if near := address.Nearest(unknown.GetSpecifiedName(), names); near != "" {
			err = fmt.Errorf("%w: did you mean --%s?", err, near)
		}
	}
	return usageError{err}
}

// unknownVerb refuses a verb that is none, with the nearest that is.
func unknownVerb(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	verbs := verbNames(cmd)
	if near := address.Nearest(args[0], verbs); near != "" {
		return fmt.Errorf("unknown verb %q: did you mean %s?", args[0], near)
	}
	return fmt.Errorf("unknown verb %q: the verbs are %s", args[0], strings.Join(verbs, ", "))
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
	level := slog.LevelInfo
	switch {
	case a.quiet && a.verbose:
		return usagef("-q and -v exclude each other: give one")
	case a.quiet:
		level = slog.LevelError
	case a.verbose:
		level = slog.LevelDebug
	}
	options := &slog.HandlerOptions{Level: level}
	switch a.logFormat {
	case "text":
		a.log = slog.New(slog.NewTextHandler(a.stderrLines(), options))
	case "json":
		a.log = slog.New(slog.NewJSONHandler(a.stderrLines(), options))
	default:
		return usagef("--log-format %q is neither text nor json", a.logFormat)
	}
	if a.trace {
		socket.SetTrace(a.printCall)
	}
	return nil
}

// printCall prints a call as the lecture writes it, with the time it took.
func (a *app) printCall(c socket.Call) {
	a.sayf("%s <%.6f>", c, c.Took.Seconds())
}

// sayf prints a line on standard error.
func (a *app) sayf(format string, args ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	fmt.Fprintf(a.err, format+"\n", args...)
}

// stderrLines is standard error for the logger, line by line.
func (a *app) stderrLines() io.Writer { return lineWriter{a} }

type lineWriter struct{ a *app }

func (w lineWriter) Write(b []byte) (int, error) {
	w.a.mu.Lock()
	defer w.a.mu.Unlock()
	return w.a.err.Write(b)
}

// printJSON prints a result as one line of JSON.
func (a *app) printJSON(v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return a.print(string(line) + "\n")
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
	return brokenOutput{fmt.Errorf("standard output: %w", err)}
}
