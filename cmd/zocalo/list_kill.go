package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"zocalo/internal/units"
	"zocalo/sockstat"
)

// listKiller closes what a query finds: it is shown first, and asked about.
type listKiller struct {
	*list
	out     *bufio.Writer
	show    sink // nil for JSON, which tells of each socket what came of it
	order   []orderKey
	columns []*sockstat.Column // of JSON

	found []*sockstat.Socket
}

// checkKill refuses --kill for what would match everything by accident.
func (l *list) checkKill(w listWords) error {
	switch {
	case !l.kill && l.yes:
		return usagef("--yes is for --kill: it answers what --kill asks")
	case !l.kill:
		return nil
	case !w.positive:
		return usagef("--kill closes what a filter matches: give one that says what, such as port=443 or process=nginx; a kind alone, or only what != excludes, would match too much")
	case l.group != "" || l.explain || l.resolve:
		return usagef("--kill cannot be used with --group, --explain or --resolve")
	case (l.json || l.jsonl) && !l.yes:
		return usagef("--kill with JSON does not ask: give --yes")
	case !l.yes && !isTerminal(l.in):
		return usagef("--kill asks on a terminal, but standard input is not one: give --yes")
	}
	return nil
}

// run shows what q finds, asks, and closes it. It returns how many sockets q found.
func (l *listKiller) run(ctx context.Context, q sockstat.Query) (int, error) {
	q.Details |= sockstat.Processes
	q.FoldSubflows = false // what carries an MPTCP socket can be closed
	var err error
	if l.found, err = collectSockets(ctx, q); err != nil {
		return 0, err
	}
	if l.order != nil {
		slices.SortFunc(l.found, func(a, b *sockstat.Socket) int {
			return bytes.Compare(appendOrderKey(nil, l.order, a), appendOrderKey(nil, l.order, b))
		})
	}
	if l.show != nil {
		if len(l.found) == 0 {
			return 0, nil
		}
		o := ordering{sink: l.show, order: l.order}
		for _, s := range l.found {
			if err := o.take(ctx, s); err != nil {
				return 0, err
			}
		}
		if err := o.end(ctx); err != nil {
			return 0, err
		}
		if err := l.out.Flush(); err != nil {
			return 0, err
		}
		if !l.yes && !l.agrees() {
			return len(l.found), errors.New("nothing was closed")
		}
	}
	return len(l.found), l.close(ctx)
}

// agrees asks the user.
func (l *listKiller) agrees() bool {
	l.sayf("close %s? y or n", l.these())
	answer, _ := bufio.NewReader(l.in).ReadString('\n') // an input that ends is no yes
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes"
}

func (l *listKiller) these() string {
	if len(l.found) == 1 {
		return "this socket"
	}
	return fmt.Sprintf("these %d sockets", len(l.found))
}

// close closes what was found, and says of each that stays what could be done.
func (l *listKiller) close(ctx context.Context) error {
	sink := &jsonSink{out: l.out, lines: l.jsonl, columns: l.columns}
	left := 0
	for s, err := range sockstat.Destroy(ctx, l.found) {
		if err != nil {
			left++
			l.note(fmt.Sprintf("%s stays open: %v%s", explainTitle(s), err, instead(s)))
		}
		if l.show == nil {
			sink.kill, sink.killError = true, err
			if err := sink.row(sink.cells(s)); err != nil {
				return err
			}
		}
	}
	if l.show == nil {
		if err := sink.end(); err != nil {
			return err
		}
		if err := l.out.Flush(); err != nil {
			return err
		}
	} else if closed := len(l.found) - left; closed > 0 && !l.quiet {
		l.sayf("%s closed", units.Plural(closed, "socket"))
	}
	if left > 0 {
		return fmt.Errorf("%s of %d could not be closed", units.Plural(left, "socket"), len(l.found))
	}
	return nil
}

// instead says which processes could close a socket that the kernel does not.
func instead(s *sockstat.Socket) string {
	var who []string
	for i, h := range s.Holders {
		if i == 0 || s.Holders[i-1].PID != h.PID {
			who = append(who, fmt.Sprintf("%s (kill %d)", sockstat.Quote(h.Name), h.PID))
		}
	}
	if who == nil {
		return ""
	}
	return "; the process that holds it can be stopped: " + strings.Join(who, ", ")
}
