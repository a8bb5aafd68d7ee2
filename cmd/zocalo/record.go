package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"zocalo/codec"
	"zocalo/fault"
	"zocalo/record"
	"zocalo/relay/join"
	"zocalo/relay/outcome"
	"zocalo/socket"
)

// A recordingFlags is --record and what goes with it.
type recordingFlags struct {
	file    string
	size    int64
	time    time.Duration
	perPair bool
	must    bool
	wire    bool
	secrets bool
}

// recordHelp is the paragraph of verbs with --record.
const recordHelp = `--record FILE.pcapng writes what passes for Wireshark, on any kind of socket, as the
programs sent it: above TLS. --record-wire records beneath the layers instead, with
--record-secrets so that Wireshark can decrypt it. Only the owner can read the file.`

func (r *recordingFlags) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&r.file, "record", "", "write what passes to this pcapng `FILE`, for Wireshark; - is standard output")
	f.Var(value(&r.size, 0, fileSize), "record-size", "begin another file after this many bytes: FILE_00002_TIME.pcapng")
	f.Var(value(&r.time, 0, aTime), "record-time", "begin another file after this long")
	f.BoolVar(&r.perPair, "record-per-pair", false, "a file for each pair: FILE_pair-3.pcapng")
	f.BoolVar(&r.must, "record-must", false, "lose no packet: what passes waits for the file")
	f.BoolVar(&r.wire, "record-wire", false, "record ends that have layers beneath them, as TLS encrypts it")
	f.BoolVar(&r.secrets, "record-secrets", false, "with --record-wire: add the secrets of TLS to the file")
}

// fileSize is bytes of a file; 0 is no bound, and no default that the help would show.
var fileSize = codec.Codec[int64]{Placeholder: "SIZE", Parse: codec.ParseSize, Format: func(n int64) string {
	if n == 0 {
		return "0"
	}
	return codec.FormatSize(n)
}}

// recordFlags are those that need --record.
var recordFlags = []string{"record-size", "record-time", "record-per-pair", "record-must", "record-wire", "record-secrets"}

// printable refuses to print a service that would be recorded: files of services have no
// such key.
func (r *recordingFlags) printable(p *printing) error {
	if p.name != "" && r.file != "" {
		return usagef("--record has no key in a file of services: omit it with --print-service")
	}
	return nil
}

// A recorder is the recording of a run; nil for none.
type recorder struct {
	*record.Recorder
	flag string
}

// recorder returns the recording that the flags ask for, which begins with start.
func (r *recordingFlags) recorder(a *app, cmd *cobra.Command, stdout bool) (*recorder, error) {
	switch {
	case r.file == "" && cmd.Flags().Changed("record"):
		return nil, usagef("--record: give the name of a file, such as talk.pcapng")
	case r.file == "":
		return nil, refuse(cmd, "is for --record FILE", recordFlags...)
	case r.secrets && !r.wire:
		return nil, usagef("--record-secrets: what is recorded above TLS needs none: add --record-wire to record beneath it")
	case r.file == "-" && (r.size > 0 || r.time > 0 || r.perPair):
		return nil, usagef("--record -: standard output is one file: name a file to have several")
	case r.file == "-" && (stdout || a.json):
		return nil, usagef("--record -: standard output carries something else already: record to a file")
	}
	o := record.Options{
		MaxSize: r.size, MaxTime: r.time, PerPair: r.perPair, Must: r.must, Secrets: r.secrets, Application: "zocalo " + version, Log: a.log,
	}
	if r.file == "-" {
		o.Output = a.out
		return &recorder{record.Prepare("", o), "--record -"}, nil
	}
	if !r.perPair && r.size == 0 && r.time == 0 {
		if err := checkOutput("--record", r.file); err != nil {
			return nil, err
		}
	}
	return &recorder{record.Prepare(r.file, o), "--record"}, nil
}

// start makes the file: not before the run has what it needs, since that of one that is under
// way must stay.
func (r *recorder) start() error {
	if r == nil {
		return nil
	}
	if err := r.Start(); err != nil {
		return fmt.Errorf("%s: %w", r.flag, err)
	}
	return nil
}

// close ends the recording, and returns the error of the run, which is one where the recording
// has stopped before: that was said.
func (r *recorder) close(err error) error {
	if r == nil {
		return err
	}
	if stopped := r.Close(); stopped != nil && err == nil {
		return statusError(statusFailed)
	}
	return err
}

// wire returns the context for opening what is recorded beneath layers.
func (r *recorder) context(ctx context.Context, f *recordingFlags) context.Context {
	if r == nil || !f.wire {
		return ctx
	}
	return r.Wire(ctx)
}

// A senders is the recording of a socket that hears many: a pair for each.
type senders struct {
	*recorder
	info   record.Info
	hearer socket.Hearer

	mu    sync.Mutex
	pairs map[socket.Name]*record.Pair
	last  *record.Pair // of whoever was heard last, whom answers are for
}

// maxSenders bounds those that are known at once.
const maxSenders = 10_000

// eachSender has the recording see what comes from each sender apart, by filters that stand before
// those of the options.
func (r *recorder) eachSender(i record.Info, hearer socket.Hearer, o *join.Options) {
	s := &senders{recorder: r, info: i, hearer: hearer, pairs: map[socket.Name]*record.Pair{}}
	filter := o.Filter
	o.Filter = func(ctx context.Context, from outcome.Side, next func(join.Piece) error) join.Filter {
		if filter != nil {
			if rest := filter(ctx, from, next); rest != nil {
				next = rest.Pass // these only watch, and have no end to be told of
			}
		}
		return join.See(next, func(piece join.Piece) {
			if p := s.pair(from); p != nil {
				p.Data(ctx, from, piece.What, piece.Data)
			}
		})
	}
}

// pair is that of whoever has sent last.
func (s *senders) pair(from outcome.Side) *record.Pair {
	s.mu.Lock()
	defer s.mu.Unlock()
	if from == outcome.A {
		return s.last
	}
	name := s.hearer.Sender()
	p := s.pairs[name]
	if p == nil {
		if len(s.pairs) >= maxSenders {
			clear(s.pairs)
		}
		i := s.info
		i.Peer = name
		p = s.Begin(i)
		s.pairs[name] = p
	}
	s.last = p
	return p
}

// recordFaults has the recording tell what faults do, each at its place among the packets.
func (r *relayRun) recordFaults() {
	plan := r.fault.plan
	if plan == nil {
		return
	}
	log := plan.Log
	plan.Log = func(e fault.Event) {
		if log != nil {
			log(e)
		}
		side := outcome.A
		if e.Direction == fault.Down {
			side = outcome.B
		}
		r.recorder.Remark(e.Pair, "faults", side, e.String())
	}
}
