package relay_test

import "fmt"

// A life is what became of one plan.
type life struct {
	number         int64
	row            *Row
	client, server view
	dialErr        error
}

// judge returns what is wrong with a life that is over; "" for nothing.
func (l *life) judge(p *plan) []string {
	var faults []string
	say := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	v := &l.row.variant
	if !l.client.began {
		switch {
		case v.cuts, v.refused && l.row.pair.from.Reset:
		default:
			say("the client does not come in: %v", l.dialErr)
		}
		return faults
	}
	client := &seat{"client", &p.client, &l.client, l.row.pair.from}
	server := &seat{"server", &p.server, &l.server, l.row.pair.to}
	switch {
	case v.refused:
		if l.client.got > 0 {
			say("%d bytes came from nobody", l.client.got)
		}
		if l.client.end == orderly && l.row.pair.from.Reset && l.client.writeErr == nil {
			say("no TO could be reached, and the client sees an orderly end")
		}
		if l.client.end == hung || l.client.end == other {
			say("no TO could be reached, and the client sees %v: %v", l.client.end, l.client.readErr)
		}
		return faults
	case p.silent, l.row.program != 0:
		// Of a server that nobody sees it is known that it ends in order.
		server.view = &view{wrote: p.server.total, wroteAll: true}
		if l.row.program != 0 {
			server.view.wrote = l.row.answers(l.client.wrote)
			server.role = &role{end: breaksOff, chunks: []int{server.view.wrote}}
			if l.row.program < 0 {
				server.role.end = inOrder
			}
		}
	case !l.server.began:
		if !v.cuts && !p.client.end.breaks() {
			say("nothing of the client reached the server")
			return faults
		}
		server.view = &view{}
	default:
		l.hears(say, server, client)
	}
	l.hears(say, client, server)
	return faults
}

// A seat is a side with all that is known of it.
type seat struct {
	name string
	role *role
	view *view
	kind Kind
}

// orderly reports whether the side ended what it sends in order, as far as its
// kind can tell.
func (s *seat) orderly() bool {
	return s.view.wroteAll && !(s.role.end == resets && s.kind.Reset)
}

// hears judges what one side saw of the other.
func (l *life) hears(say func(string, ...any), me, from *seat) {
	v := me.view
	complete := from.orderly() && v.got == from.view.wrote && (!l.row.pair.messages() || v.gotAll == len(from.role.chunks))
	if from.view.gaveUp && !(from.role.end == resets && from.kind.Reset) {
		complete = v.got >= from.view.wrote
	}
	mine, theirs, cut := me.role.end.breaks(), from.role.end.breaks(), l.row.variant.cuts
	any := mine || theirs || cut
	if v.wrong != "" {
		say("the %s read %s", me.name, v.wrong)
		return
	}
	if v.writeErr != nil {
		switch e := endOf(v.writeErr); {
		case e == hung, e == other:
			say("the %s could not write: %v", me.name, v.writeErr)
		case !any:
			say("all ended in order, and the %s could not write: %v", me.name, v.writeErr)
		}
	}
	seen := v.end
	if seen == orderly && !complete && v.writeErr != nil && endOf(v.writeErr) == reset {
		seen = reset // the system tells a reset once, and it told the writer
	}
	switch seen {
	case none:
	case hung, other:
		say("the %s read %d of %d bytes, then %v: %v", me.name, v.got, from.view.wrote, v.end, v.readErr)
	case orderly:
		switch {
		case complete:
		case from.view.wroteAll && v.got == from.view.wrote && me.kind.Reset:
			say("the %s was reset, and the %s read an orderly end", from.name, me.name)
		case me.kind.Reset:
			say("the %s read %d of %d bytes, then an orderly end (%v)", me.name, v.got, from.role.total, v.readErr)
		case !any:
			say("all ended in order, and the %s read %d of %d bytes", me.name, v.got, from.view.wrote)
		case theirs && !from.kind.Reset && !mine && !cut:
			say("the %s closed with unread input, and the %s read %d of the %d bytes that it had sent", from.name, me.name, v.got, from.view.wrote)
		}
	case reset:
		switch {
		case !any:
			say("all ended in order, and the %s read %d of %d bytes, then %v", me.name, v.got, from.view.wrote, v.readErr)
		case theirs && !from.kind.Reset && !mine && !cut:
			say("the %s closed with unread input, and the %s read %d of the %d bytes that it had sent, then %v", from.name, me.name, v.got, from.view.wrote, v.readErr)
		}
	}
	if (v.end == none || v.end == orderly) && me.role.end == leads && !any && !complete {
		say("the %s read %d of %d bytes", me.name, v.got, from.view.wrote)
	}
}
