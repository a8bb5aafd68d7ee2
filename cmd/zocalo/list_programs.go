package main

import (
	"context"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"zocalo/internal/control"
	"zocalo/socket"
	"zocalo/sockstat"
)

// programs hands on what running zocalo commands say that they hold: those of this network
// namespace, or of all.
func (l *list) programs(allNetns bool) func(context.Context, []sockstat.Kind, func(*sockstat.Socket) bool) {
	return func(ctx context.Context, kinds []sockstat.Kind, each func(*sockstat.Socket) bool) {
		var names []string
		for _, k := range kinds {
			names = append(names, k.String())
		}
		if names != nil {
			l.listPrograms(control.Look(ctx, names...), allNetns, each)
		}
	}
}

func (l *list) listPrograms(answers []control.Answer, allNetns bool, each func(*sockstat.Socket) bool) {
	here := control.Netns()
	for _, a := range answers {
		if !allNetns && a.Netns != here {
			continue
		}
		if a.LeftOut > 0 {
			l.log.Debug("some of what a process holds is not listed", "pid", a.PID, "rows", a.LeftOut)
		}
		now := time.Now()
		for _, r := range a.Rows {
			s, ok := programSocket(r, now)
			s.UID, s.HasUID = uint32(a.UID), true
			s.Holders = []sockstat.Holder{{PID: a.PID, FD: -1}}
			if allNetns {
				s.Netns = strconv.Itoa(a.PID)
			}
			if ok && !each(s) {
				return
			}
		}
	}
}

var (
	programKinds = map[string]sockstat.Kind{"iso": sockstat.ISO, "ns": sockstat.NS, "pair": sockstat.Pair}
	programTypes = map[string]socket.Type{}
	// Any other state is of a later version.
	programStates = map[string]sockstat.State{
		"listen": sockstat.Listen, "connecting": sockstat.SynSent, "established": sockstat.Established, "unconnected": sockstat.Unconnected,
	}
)

func init() {
	for _, t := range []socket.Type{socket.Stream, socket.Datagram, socket.SeqPacket, socket.Raw} {
		programTypes[t.String()] = t
	}
}

// programSocket is a row as a socket; ok is false for what a later version has.
func programSocket(r control.Row, now time.Time) (s *sockstat.Socket, ok bool) {
	kind, known := programKinds[r.Kind]
	state, told := programStates[r.State]
	s = &sockstat.Socket{Kind: kind, Type: programTypes[r.Type], State: state, Local: programName(r.Local), Peer: programName(r.Peer)}
	if kind == sockstat.Pair {
		s.Program = &sockstat.Program{Began: r.Began, Now: now, Counted: !r.Unknown, Sent: uint64(max(r.Sent, 0)), Received: uint64(max(r.Received, 0))}
	} else {
		s.RecvQ, s.SendQ = queue(r.Received), queue(r.Sent)
	}
	return s, known && told
}

func queue(n int64) uint32 { return uint32(min(max(n, 0), 1<<32-1)) }

// programName is a name as a program has it, with the internet address that is in it: of
// 127.0.0.1:102, tcp:[::1]:80, 10.0.0.1:102/0100/0200.
func programName(text string) sockstat.Name {
	n := sockstat.Name{Text: text}
	name, _, _ := strings.Cut(text, "/")
	if scheme, rest, has := strings.Cut(name, ":"); has && strings.Trim(scheme, "abcdefghijklmnopqrstuvwxyz0123456789-+") == "" && scheme != "" {
		if a, err := netip.ParseAddrPort(rest); err == nil {
			n.Addr = a
			return n
		}
	}
	n.Addr, _ = netip.ParseAddrPort(name) // else there is none
	return n
}
