package main

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"time"

	"zocalo/internal/units"
	"zocalo/sockstat"
)

// A watchKey tells sockets apart from one look to the next.
type watchKey struct {
	kind   sockstat.Kind
	netns  string
	cookie uint64
	inode  uint32
	names  string // of what has neither,
	pid    int    // the program that has it,
	began  int64  // and since when, where that is told
}

func watchKeyOf(s *sockstat.Socket) watchKey {
	k := watchKey{kind: s.Kind, netns: s.Netns, cookie: s.Cookie}
	if k.cookie == 0 {
		k.inode = s.Inode
	}
	if k.cookie == 0 && k.inode == 0 {
		k.names = localName.Text(s) + " " + peerName.Text(s)
		if s.Program != nil {
			k.began = s.Program.Began.UnixNano()
		}
		if len(s.Holders) > 0 {
			k.pid = s.Holders[0].PID
		}
	}
	return k
}

// A watched is a socket as it is, and as it was at the look before.
type watched struct {
	*sockstat.Socket
	before *sockstat.Socket // nil of one that is new
	since  time.Duration
}

// moved are the bytes that have gone each way, as TCP counts them or who has joined a pair;
// known is false where nobody does.
func moved(s *sockstat.Socket) (sent, received uint64, known bool) {
	switch {
	case s == nil:
	case s.Program != nil:
		return s.Program.Sent, s.Program.Received, s.Program.Counted
	case s.TCPInfo != nil:
		return s.TCPInfo.BytesAcknowledged, s.TCPInfo.BytesReceived, true
	}
	return 0, 0, false
}

// rates are bytes a second since the look before.
func (w *watched) rates() (sent, received uint64, known bool) {
	sentNow, receivedNow, known := moved(w.Socket)
	sentBefore, receivedBefore, knew := moved(w.before)
	if !known || !knew || w.since <= 0 || sentNow < sentBefore || receivedNow < receivedBefore {
		return 0, 0, known
	}
	each := func(n uint64) uint64 { return uint64(float64(n) / w.since.Seconds()) }
	return each(sentNow - sentBefore), each(receivedNow - receivedBefore), true
}

func (w *watched) sent() uint64     { sent, _, _ := w.rates(); return sent }
func (w *watched) received() uint64 { _, received, _ := w.rates(); return received }

// changed reports whether something happened to the socket that is not time alone.
func (w *watched) changed() bool {
	a, b := w.before, w.Socket
	if a.State != b.State || a.RecvQ != b.RecvQ || a.SendQ != b.SendQ || (a.Memory != nil && b.Memory != nil && a.Memory.Drops != b.Memory.Drops) ||
		!slices.EqualFunc(a.Holders, b.Holders, func(x, y sockstat.Holder) bool { return x.PID == y.PID && x.FD == y.FD }) {
		return true
	}
	if p, q := a.Program, b.Program; p != nil && q != nil && (p.Sent != q.Sent || p.Received != q.Received) {
		return true
	}
	x, y := a.TCPInfo, b.TCPInfo
	return x != nil && y != nil && (x.BytesAcknowledged != y.BytesAcknowledged || x.BytesReceived != y.BytesReceived ||
		x.BytesSent != y.BytesSent || x.TotalRetransmits != y.TotalRetransmits)
}

// A watcher looks again and again.
type watcher struct {
	known map[watchKey]*sockstat.Socket
	at    time.Time
}

// look lists what q finds now, and what is not there any more.
func (w *watcher) look(ctx context.Context, q sockstat.Query) (now []watched, gone []*sockstat.Socket, err error) {
	found, err := collectSockets(ctx, q)
	if err != nil {
		return nil, nil, err
	}
	at := time.Now()
	known := make(map[watchKey]*sockstat.Socket, len(found))
	for _, s := range found {
		k := watchKeyOf(s)
		known[k] = s
		now = append(now, watched{s, w.known[k], at.Sub(w.at)})
		delete(w.known, k)
	}
	for _, s := range w.known {
		gone = append(gone, s)
	}
	slices.SortFunc(gone, func(a, b *sockstat.Socket) int { return cmp.Compare(a.Cookie, b.Cookie) })
	w.known, w.at = known, at
	return now, gone, nil
}

// watchJSON prints what opens, changes and closes, until it is interrupted. What there is at first is "open".
func (l *list) watchJSON(ctx context.Context, q sockstat.Query) error {
	ctx, stop := interruptible(ctx)
	defer stop()
	out := bufferedOutput(l.app)
	noted := map[string]bool{} // each look finds the same anew
	note := q.Note
	q.Note = func(n sockstat.Note) {
		if !noted[n.Text] {
			noted[n.Text] = true
			note(n)
		}
	}
	var w watcher
	event := func(name string, s *sockstat.Socket, more func([]byte) []byte) {
		line := w.at.AppendFormat([]byte(`{"event":"`+name+`","time":"`), time.RFC3339Nano)
		line = more(s.AppendMembers(append(line, '"'), sockstat.JSONColumns()))
		out.Write(append(line, "}\n"...)) // a failure is the next Flush's
	}
	nothing := func(line []byte) []byte { return line }
	for first := true; ; first = false {
		now, gone, err := w.look(ctx, q)
		if ctx.Err() != nil {
			return nil // as servers end
		}
		if err != nil {
			return err
		}
		for i := range now {
			switch s := &now[i]; {
			case first:
				event("open", s.Socket, nothing)
			case s.before == nil:
				event("opened", s.Socket, nothing)
			case s.changed():
				event("changed", s.Socket, func(line []byte) []byte {
					sent, received, known := s.rates()
					if !known {
						return line
					}
					line = strconv.AppendUint(append(line, `,"sent_rate":`...), sent, 10)
					return strconv.AppendUint(append(line, `,"received_rate":`...), received, 10)
				})
			}
		}
		for _, s := range gone {
			event("closed", s, nothing)
		}
		if err := out.Flush(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(l.watch):
		}
	}
}

// watchSockets watches on a terminal, or prints JSON.
func (l *list) watchSockets(ctx context.Context, q sockstat.Query) error {
	q.Details = explainDetails | sockstat.Users
	if l.json || l.jsonl || !isTerminal(l.out) || !isTerminal(l.in) {
		q.Details = needs(sockstat.JSONColumns())
		return l.watchJSON(ctx, q)
	}
	return l.watchLive(ctx, q)
}

// watchRate is a speed for a table, of bytes per second; - for none.
func watchRate(v uint64) string {
	if v == 0 {
		return "-"
	}
	return units.RateWord(8 * float64(v))
}
