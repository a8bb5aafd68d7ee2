package main

import (
	"context"
	"errors"
	"time"

	"zocalo/sockstat"
)

// listEvents prints each socket that is closed, until it is interrupted.
func (l *list) listEvents(ctx context.Context, q sockstat.Query) error {
	if q.AllNetns {
		return usagef("--events hears one network namespace: name it, or omit --netns")
	}
	ctx, stop := interruptible(ctx)
	defer stop()
	q.States = nil
	q.Details = sockstat.TCPInfos | sockstat.Users
	closings, err := sockstat.WatchClosings(ctx, q)
	if err != nil {
		return err
	}
	defer closings.Close()
	asJSON := l.json || l.jsonl
	if asJSON {
		err = l.print(`{"event":"watching"}` + "\n")
	} else if !l.quiet {
		l.sayf("watching for sockets that are closed")
	}
	overruns := 0
	var line []byte
	for err == nil {
		var s *sockstat.Socket
		s, err = closings.Next()
		now := time.Now()
		switch {
		case ctx.Err() != nil:
			return nil // as servers end
		case errors.Is(err, sockstat.ErrOverrun):
			overruns++
			err = nil
			if asJSON {
				err = l.printJSON(map[string]any{"event": "overrun", "time": now, "overruns": overruns})
			}
			l.note(sockstat.ErrOverrun.Error())
			continue
		case err != nil:
			return err
		case asJSON:
			line = append(now.AppendFormat(append(line[:0], `{"event":"closed","time":"`...), time.RFC3339Nano), '"')
			line = append(s.AppendMembers(line, sockstat.JSONColumns()), "}\n"...)
		default:
			line = appendClosed(now.AppendFormat(line[:0], "15:04:05.000 "), s)
		}
		err = l.print(string(line))
	}
	return err
}

// appendClosed appends what is said of a socket that was closed.
func appendClosed(line []byte, s *sockstat.Socket) []byte {
	line = append(append(line, s.Kind.String()...), " closed "...)
	line = localName.AppendText(line, s)
	if peer := peerName.Text(s); peer != "" {
		line = append(append(line, " - "...), peer...)
	}
	if s.TCPInfo != nil {
		for _, c := range closedColumns {
			line = c.AppendText(append(append(append(line, ' '), c.Name...), ' '), s)
		}
	}
	return append(line, '\n')
}

var (
	localName, peerName = mustColumn("local"), mustColumn("peer")
	closedColumns       = []*sockstat.Column{mustColumn("bytes_acked"), mustColumn("bytes_received"), mustColumn("retransmits"), mustColumn("rtt")}
)
