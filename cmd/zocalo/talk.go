package main

import (
	"context"
	"errors"
	"net"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"zocalo"
	"zocalo/address"
	"zocalo/relay"
)

// talk is the verb talk: a client, with standard input and output on its
// socket.
type talk struct {
	conversation
	connectTimeout time.Duration
	repeat         times
	probe          bool
	pinging        pinging
}

// times is the value of --repeat: how often, or forever where none is given.
type times int

const forever times = -1

// Set implements pflag.Value.
func (n *times) Set(text string) error {
	if text == "forever" {
		*n = forever
		return nil
	}
	i, err := strconv.Atoi(text)
	if err != nil || i < 0 {
		return errors.New("it must be a number of times, or nothing")
	}
	*n = times(i)
	return nil
}

func (n *times) String() string { return "" }
func (n *times) Type() string   { return "N" }

func (a *app) talkVerb() *cobra.Command {
	t := &talk{conversation: conversation{app: a}}
	cmd := &cobra.Command{
		Use:   "talk [ADDRESS]",
		Short: "Be a client: standard input and output on a socket of any kind",
		Long: `talk connects to the address, by default the lecture's ` + lectureAddress + `. It
sends what it reads from standard input, and prints what comes back.
` + conversationHelp + `

--repeat connects again when a connection ends, breaks or cannot be made: after
a pause that doubles from 100ms to 10s, and is 100ms again once a connection
stood. It goes on until it is interrupted, or with --repeat=N that many times.
Input that is a file is sent again by each connection. Other input goes on
where the last connection left off: then a peer that finishes ends its
connection as soon as input pauses, what a broken one had taken is lost, and the
end of input ends it all.

--probe only asks whether somebody answers, prints a line for each name that the
address means, and exits 0 if anyone did, else 1. The port may be a range. A
kind without connections that can lose messages is sent an empty one: silence
then does not mean that nobody is there.

--ping measures round trips, as ping(8) does, on a kind that has an Echo of its
own: idp, whose socket it knows. It asks --count times, or until it is
interrupted, --interval apart, and says at the end how many were lost and how long
they took. Exit status 1 says that nobody replied.`,
		Example: `  echo 'Hello world!' | zocalo talk --quoted
  zocalo talk -v tcp:localhost:80 --crlf
  echo ping | zocalo talk udp:localhost:7 --idle 500ms
  zocalo talk unix:/run/x.sock,frame=len32 <requests
  zocalo talk --probe tcp:localhost:8000-8010
  zocalo talk --ping -c 5 idp:0#2608C123456,link=hub:localhost:3333`,
		ValidArgsFunction: completeAddresses(1),
		Args:              cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			text := lectureAddress
			if len(args) > 0 {
				text = args[0]
			}
			return t.run(cmd, text)
		},
	}
	t.flags(cmd)
	f := cmd.Flags()
	f.DurationVar(&t.connectTimeout, "connect-timeout", 0, "give up connecting after so long; 0 is as long as the system tries")
	f.Var(&t.repeat, "repeat", "connect again when a connection ends or cannot be made, N times")
	f.Lookup("repeat").NoOptDefVal = "forever"
	f.BoolVar(&t.probe, "probe", false, "only ask whether somebody answers, on a port or a range of ports")
	t.pinging.flags(cmd)
	return cmd
}

func (t *talk) run(cmd *cobra.Command, text string) error {
	if t.connectTimeout < 0 {
		return usagef("--connect-timeout %v: it must not be negative", t.connectTimeout)
	}
	a, err := address.Parse(text)
	if err != nil {
		return usageError{err}
	}
	if a.Scheme.Name == "stdio" {
		return usagef("%s is standard input and output, which talk puts on another socket: give that one's address", text)
	}
	if err := t.pinging.check(cmd); err != nil {
		return err
	}
	ctx, stop := interruptible(cmd.Context())
	defer stop()
	if t.pinging.on {
		return t.ping(ctx, a)
	}
	if t.probe {
		for _, other := range []string{"frame", "whole", "quoted", "hex", "crlf", "urgent", "idle", "repeat"} {
			if err := exclusive(cmd, "probe", other); err != nil {
				return err
			}
		}
		return t.probeAll(ctx, a)
	}
	if err := t.prepare(cmd); err != nil {
		return err
	}
	defer t.standard.Close()
	return t.talkAndRepeat(ctx, a)
}

// The pauses before connecting again.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 10 * time.Second
)

// talkAndRepeat talks as often as --repeat says.
func (t *talk) talkAndRepeat(ctx context.Context, a address.Address) error {
	pause := firstPause
	for n := times(0); ; n++ {
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
	s, err := d.DialAddress(ctx, a)
	if err != nil {
		if canceled(ctx, err) {
			err = interruption(ctx)
		}
		return false, false, wrongUsage(err)
	}
	if err := t.sayConnected(s, false); err != nil {
		s.Close()
		return true, false, err
	}
	r, err := t.hold(ctx, relay.End{Socket: s}, a)
	return true, r.From[relay.A].EndOfFile, err
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
