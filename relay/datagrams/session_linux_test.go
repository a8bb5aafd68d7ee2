package datagrams_test

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"zocalo/relay/datagrams"
	"zocalo/relay/outcome"
	"zocalo/server"
	"zocalo/socket"
	"zocalo/socket/option"
)

func TestIdleSessionEnds(t *testing.T) {
	target, front := bound(t, "127.0.0.1:0"), bound(t, "127.0.0.1:0")
	echo(t, target)
	var began, ended pending[datagrams.Session]
	r := &datagrams.Relay{Dial: to(target.Name()), Limits: datagrams.Limits{Idle: time.Second}, OnBegin: began.add, OnEnd: ended.add}
	name := front.Name()
	start(t, r, front)
	p := connected(t, name)
	for i := range 2 { // a session after the other
		says(t, p, "hola")
		hears(t, p, "hola")
		b, e := began.wait(t, i+1)[i], ended.wait(t, i+1)[i]
		if b.Number != int64(i+1) || b.Peer != p.Name() || b.Target != target.Name() || b.Local.IsZero() || b.Near != name {
			t.Errorf("began: %+v", b)
		}
		f := outcome.Flow{Messages: 1, Bytes: 4}
		if e.Number != b.Number || e.Local != b.Local || e.Result.How != outcome.Idle || e.Err != nil || e.Result.From != [2]outcome.Flow{f, f} ||
			e.Result.Duration < r.Idle {
			t.Errorf("ended: %+v", e)
		}
	}
	if n := r.Totals(); n.Open != 0 || n.Sessions != 2 {
		t.Errorf("totals: %+v", n)
	}
}

// A peer that has as many sessions as one may gives way to itself, and to nobody
// else.
func TestMakesRoomForItself(t *testing.T) {
	target, front := bound(t, "127.0.0.1:0"), bound(t, "127.0.0.1:0")
	echo(t, target)
	var ended pending[datagrams.Session]
	r := &datagrams.Relay{Dial: to(target.Name()), Limits: datagrams.Limits{MaxPerPeer: 2}, OnEnd: ended.add}
	start(t, r, front)
	other := bound(t, "127.0.0.2:0")
	if err := other.Connect(t.Context(), front.Name()); err != nil {
		t.Fatal(err)
	}
	says(t, other, "hola")
	hears(t, other, "hola")
	var peers []*socket.Socket
	for i := range 4 {
		peers = append(peers, connected(t, front.Name()))
		says(t, peers[i], "hola")
		hears(t, peers[i], "hola")
		if i == 1 {
			says(t, peers[0], "again")
			hears(t, peers[0], "again")
		}
	}
	for i, n := range []int{1, 0} { // idle longest first
		if e := ended.wait(t, i+1)[i]; e.Peer != peers[n].Name() || e.Err != datagrams.ErrMadeRoom {
			t.Errorf("ended: %+v, want that of %v", e, peers[n].Name())
		}
	}
	if n := r.Totals(); n.Open != 3 || n.MadeRoom != 2 {
		t.Errorf("totals: %+v", n)
	}
}

// Of the sessions that are open, the one that was idle longest makes room.
func TestMakesRoom(t *testing.T) {
	target, front := bound(t, "127.0.0.1:0"), bound(t, "127.0.0.1:0")
	echo(t, target)
	var ended pending[datagrams.Session]
	r := &datagrams.Relay{Dial: to(target.Name()), Limits: datagrams.Limits{Max: 3}, OnEnd: ended.add}
	name := front.Name()
	start(t, r, front)
	var peers []*socket.Socket
	talk := func(i int) {
		t.Helper()
		says(t, peers[i], "hola")
		hears(t, peers[i], "hola")
	}
	for i := range 3 {
		peers = append(peers, connected(t, name))
		talk(i)
	}
	talk(0)
	peers = append(peers, connected(t, name))
	talk(3)
	e := ended.wait(t, 1)[0]
	if e.Peer != peers[1].Name() || e.Result.How != outcome.Cancelled || e.Err != datagrams.ErrMadeRoom {
		t.Errorf("ended: %+v, want that of %v", e, peers[1].Name())
	}
	talk(1) // which begins again, and takes the place of 2
	if e := ended.wait(t, 2)[1]; e.Peer != peers[2].Name() {
		t.Errorf("ended: %+v, want that of %v", e, peers[2].Name())
	}
	if n := r.Totals(); n.MadeRoom != 2 || n.Open != 3 || n.Sessions != 5 {
		t.Errorf("totals: %+v", n)
	}
}

// Nobody listens: each session is told, none ends, and when somebody does the
// messages arrive.
func TestRefusedByICMP(t *testing.T) {
	for _, at := range []string{"127.0.0.1:0", "[::1]:0"} {
		t.Run(at, func(t *testing.T) {
			target, front := bound(t, at), bound(t, at)
			where := target.Name()
			target.Close()
			type told struct {
				datagrams.Session
				err error
			}
			var errs pending[told]
			r := &datagrams.Relay{Dial: to(where), OnError: func(s datagrams.Session, err error) { errs.add(told{s, err}) }}
			name := front.Name()
			start(t, r, front)
			a, b := connected(t, name), connected(t, name)
			for i, p := range []*socket.Socket{a, b, a} {
				says(t, p, "lost")
				e := errs.wait(t, i+1)[i]
				var q *socket.QueuedError
				if e.Peer != p.Name() || !errors.Is(e.err, syscall.ECONNREFUSED) || !errors.As(e.err, &q) || q.Origin == socket.FromLocal || q.Offender.IsZero() {
					t.Errorf("error of %v: %v", e.Peer, e.err)
				}
			}
			again := bound(t, where.String())
			echo(t, again)
			says(t, a, "found")
			hears(t, a, "found")
			if n := r.Totals(); n.Errors != 3 || n.Open != 2 || n.Sessions != 2 || lost(n) != 0 {
				t.Errorf("totals: %+v", n)
			}
		})
	}
}

// What cannot be dialed loses its messages, is dialed again after a while, and
// disturbs nobody.
func TestDialFails(t *testing.T) {
	target, front := bound(t, "127.0.0.1:0"), bound(t, "127.0.0.1:0")
	echo(t, target)
	var bad socket.Name
	failures := 2
	why := errors.New("no such road")
	var errs pending[error]
	r := &datagrams.Relay{OnError: func(_ datagrams.Session, err error) { errs.add(err) }}
	r.Dial = func(ctx context.Context, of datagrams.Session, _ []socket.Name) (*socket.Socket, error) {
		if of.Peer == bad && failures > 0 {
			failures--
			return nil, why
		}
		return dial(ctx, target.Name())
	}
	name := front.Name()
	good, worse := connected(t, name), connected(t, name)
	bad = worse.Name()
	start(t, r, front)
	says(t, worse, "lost")
	for i := range 2 {
		if err := errs.wait(t, i+1)[i]; err != why {
			t.Errorf("error: %v", err)
		}
		says(t, good, "hola")
		hears(t, good, "hola")
		until(t, "it is dialed again", func() bool {
			says(t, worse, "lost")
			return len(errs.all()) > i+1 || r.Totals().From[outcome.B].Messages > int64(i)+1
		})
	}
	says(t, worse, "found")
	b := make([]byte, 100)
	for n := 0; string(b[:n]) != "found"; {
		var err error
		n, err = worse.Read(b)
		try(t, err)
	}
	if n := r.Totals(); n.Errors != 2 || n.From[outcome.A].Dropped < 2 || n.Open != 2 {
		t.Errorf("totals: %+v", n)
	}
}

// A Dial that waits ends with its session.
func TestDialWaits(t *testing.T) {
	front := bound(t, "127.0.0.1:0")
	var ended pending[datagrams.Session]
	r := &datagrams.Relay{Limits: datagrams.Limits{Idle: 20 * time.Millisecond}, OnEnd: ended.add}
	r.Dial = func(ctx context.Context, _ datagrams.Session, _ []socket.Name) (*socket.Socket, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	name := front.Name()
	start(t, r, front)
	for i := range 40 { // more than are dialed at once
		says(t, connected(t, name), "hola")
		if e := ended.wait(t, i+1)[i]; e.Result.From[outcome.A].Dropped != 1 || e.Result.How != outcome.Idle || !e.Local.IsZero() || !e.Target.IsZero() {
			t.Errorf("ended: %+v", e)
		}
	}
}

// What was held for a session that ended before it had its far socket takes no
// room from those that come after it.
func TestDialingSessionsGiveBack(t *testing.T) {
	const long = 60_000
	front, target := bound(t, "127.0.0.1:0"), bound(t, "127.0.0.1:0")
	echo(t, target)
	r := &datagrams.Relay{Limits: datagrams.Limits{Max: 1}}
	last := connected(t, front.Name())
	name := last.Name()
	r.Dial = func(ctx context.Context, of datagrams.Session, _ []socket.Name) (*socket.Socket, error) {
		if of.Peer != name {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return dial(ctx, target.Name())
	}
	at := front.Name()
	start(t, r, front)
	for i := range 16<<20/long + 2 { // more than may be held at once
		p := connected(t, at)
		says(t, p, repeated(long))
		until(t, "it has a session", func() bool { return r.Totals().Sessions == int64(i+1) })
		try(t, p.Close())
	}
	says(t, last, repeated(long))
	until(t, "it is answered", func() bool {
		n := r.Totals()
		if dropped := n.From[outcome.A].Dropped; dropped > n.MadeRoom {
			t.Fatalf("%d messages were lost with %d sessions", dropped, n.MadeRoom)
		}
		return n.From[outcome.B].Messages == 1
	})
}

// A far socket of another kind is refused by name.
func TestDialsWhatItDoesNotTake(t *testing.T) {
	front := bound(t, "127.0.0.1:0")
	var errs pending[error]
	r := &datagrams.Relay{OnError: func(_ datagrams.Session, err error) { errs.add(err) }}
	r.Dial = func(context.Context, datagrams.Session, []socket.Name) (*socket.Socket, error) {
		a, b, err := socket.Pair(socket.Unix, socket.Stream, 0)
		if err == nil {
			b.Close()
		}
		return a, err
	}
	name := front.Name()
	start(t, r, front)
	says(t, connected(t, name), "hola")
	var no *socket.UnsupportedError
	if err := errs.wait(t, 1)[0]; !errors.As(err, &no) {
		t.Errorf("error: %v", err)
	}
}

// The target of a unix session is gone, and another is at its name later: the
// next message begins a new session.
func TestUnixTargetComesBack(t *testing.T) {
	path := aPath(t)
	first, front := bound(t, path), bound(t, aPath(t))
	var ended pending[datagrams.Session]
	r := &datagrams.Relay{Dial: to(first.Name()), OnEnd: ended.add}
	name := front.Name()
	start(t, r, front)
	p := connected(t, name)
	says(t, p, "one")
	hears(t, first, "one")
	try(t, first.Close())
	says(t, p, "lost")
	if e := ended.wait(t, 1)[0]; e.Result.How != outcome.Failed || !errors.Is(e.Err, syscall.ECONNREFUSED) || e.Errors != 1 || e.Result.From[outcome.A].Dropped != 1 {
		t.Errorf("ended: %+v", e)
	}
	os.Remove(path)
	echo(t, bound(t, path))
	says(t, p, "two")
	hears(t, p, "two")
}

func TestTurnedAway(t *testing.T) {
	list := func(words ...string) *server.List {
		l, err := server.ParseList(words)
		try(t, err)
		return l
	}
	for name, r := range map[string]*datagrams.Relay{
		"denied":      {Deny: list("127.0.0.1")},
		"not allowed": {Allow: list("127.0.0.2")},
	} {
		t.Run(name, func(t *testing.T) {
			target, front := bound(t, "127.0.0.1:0"), bound(t, "127.0.0.1:0")
			echo(t, target)
			r.Dial = to(target.Name())
			at := front.Name()
			start(t, r, front)
			says(t, connected(t, at), "hola")
			until(t, "it is counted", func() bool { return r.Totals().TurnedAway == 1 })
			p := bound(t, "127.0.0.2:0")
			try(t, p.Connect(t.Context(), at))
			says(t, p, "hola")
			hears(t, p, "hola")
			if n := r.Totals(); n.Sessions != 1 {
				t.Errorf("totals: %+v", n)
			}
		})
	}
}

// Peers without a name, as those of syslog(3), are heard in one session. What
// would answer them is counted.
func TestUnnamedPeers(t *testing.T) {
	target, front := bound(t, "127.0.0.1:0"), bound(t, aPath(t))
	r := &datagrams.Relay{Dial: to(target.Name())}
	at := front.Name()
	start(t, r, front)
	for _, text := range []string{"one", "two"} {
		p, err := socket.New(socket.Unix, socket.Datagram, 0)
		try(t, err)
		defer p.Close()
		try(t, p.Connect(t.Context(), at))
		says(t, p, text)
		hears(t, target, text)
	}
	try(t, target.Connect(t.Context(), r.Sessions()[0].Local))
	says(t, target, "answer")
	until(t, "the answer is counted", func() bool { return r.Totals().From[outcome.B].Dropped == 1 })
	if n := r.Totals(); n.Sessions != 1 || n.TurnedAway != 0 || n.From[outcome.A].Messages != 2 {
		t.Errorf("totals: %+v", n)
	}
}

// What is too long is refused both ways, and what follows passes.
func TestTooLong(t *testing.T) {
	target, front := bound(t, "127.0.0.1:0"), bound(t, "127.0.0.1:0")
	r := &datagrams.Relay{Dial: to(target.Name()), MaxMessage: 100}
	at := front.Name()
	var ended pending[datagrams.Session]
	r.OnEnd = ended.add
	stop := start(t, r, front)
	p := connected(t, at)
	says(t, p, repeated(101))
	says(t, p, repeated(100))
	hears(t, target, repeated(100))
	far := r.Sessions()[0].Local
	try(t, target.Connect(t.Context(), far))
	says(t, target, repeated(101))
	// Too long for the near kind, as datagrams of a train are: each is counted.
	m := socket.Message{SegmentSize: 150}
	m.SetData(make([]byte, 400))
	_, err := target.Send(&m)
	try(t, err)
	says(t, target, repeated(99))
	hears(t, p, repeated(99))
	stop()
	e := ended.wait(t, 1)[0]
	if e.Result.From[outcome.A].Refused != 1 || e.Result.From[outcome.B].Refused < 3 || e.Result.From[outcome.A].Messages != 1 {
		t.Errorf("ended: %+v", e)
	}
	if n := r.Totals(); n.From[outcome.A].Refused != 1 || n.From[outcome.B].Refused != int64(e.Result.From[outcome.B].Refused) {
		t.Errorf("totals: %+v", n)
	}
}

// A message of a unix peer may be longer than any of udp's.
func TestTooLongForTheFarKind(t *testing.T) {
	target, front := bound(t, "127.0.0.1:0"), bound(t, aPath(t))
	r := &datagrams.Relay{Dial: to(target.Name()), MaxMessage: 128 << 10}
	at := front.Name()
	start(t, r, front)
	p := connected(t, at)
	says(t, p, repeated(70_000))
	says(t, p, "short")
	hears(t, target, "short")
	if n := r.Totals(); n.From[outcome.A].Refused != 1 || n.From[outcome.A].Dropped != 0 {
		t.Errorf("totals: %+v", n)
	}
}

func TestDescriptorsRefused(t *testing.T) {
	target, front := bound(t, aPath(t)), bound(t, aPath(t))
	r := &datagrams.Relay{Dial: to(target.Name())}
	at := front.Name()
	start(t, r, front)
	p := connected(t, at)
	file, err := os.Open(os.DevNull)
	try(t, err)
	defer file.Close()
	var m socket.Message
	m.SetData([]byte("with a descriptor"))
	m.Ancillary.Present, m.Ancillary.Files = socket.HasFiles, []int{int(file.Fd())}
	_, err = p.Send(&m)
	try(t, err)
	says(t, p, "without")
	hears(t, target, "without")
	if n := r.Totals(); n.From[outcome.A].Refused != 1 {
		t.Errorf("totals: %+v", n)
	}
}

// A seqpacket target keeps empty messages, and ends its session.
func TestSeqPacketTarget(t *testing.T) {
	l, err := socket.New(socket.Unix, socket.SeqPacket, 0)
	try(t, err)
	defer l.Close()
	try(t, l.Bind(unixName(aPath(t))))
	try(t, l.Listen(0))
	front := bound(t, "127.0.0.1:0")
	var ended pending[datagrams.Session]
	r := &datagrams.Relay{OnEnd: ended.add}
	r.Dial = func(ctx context.Context, _ datagrams.Session, _ []socket.Name) (*socket.Socket, error) {
		s, err := socket.New(socket.Unix, socket.SeqPacket, 0)
		if err == nil {
			err = s.Connect(ctx, l.Name())
		}
		return s, err
	}
	at := front.Name()
	start(t, r, front)
	p := connected(t, at)
	says(t, p, "hola")
	c, err := l.Accept(t.Context())
	try(t, err)
	defer c.Close()
	hears(t, c, "hola")
	for _, text := range []string{"", "one", "", "two"} {
		says(t, p, text)
		hears(t, c, text)
		says(t, c, text)
		hears(t, p, text)
	}
	says(t, c, "last")
	try(t, c.Close())
	hears(t, p, "last")
	if e := ended.wait(t, 1)[0]; e.Result.How != outcome.Finished || e.Result.From[outcome.B].Messages != 5 {
		t.Errorf("ended: %+v", e)
	}
}

// A socket that has every address answers from the one that the peer has sent
// to: else a connected peer would not take the answer.
func TestAnswersFromWhereItWasAsked(t *testing.T) {
	for any, each := range map[string][]string{
		"0.0.0.0:0": {"127.0.0.1", "127.0.0.5", "127.9.9.9"},
		"[::]:0":    {"::1", "127.0.0.1", "127.0.0.5"}, // dual-stack
	} {
		target, front := bound(t, "127.0.0.1:0"), bound(t, any)
		echo(t, target)
		r := &datagrams.Relay{Dial: to(target.Name())}
		port := front.Name().AddrPort().Port()
		start(t, r, front)
		first := connected(t, socket.InetName(netip.AddrPortFrom(netip.MustParseAddr(each[0]), port)))
		says(t, first, "has it begun?")
		hears(t, first, "has it begun?")
		for _, text := range each {
			p := connected(t, socket.InetName(netip.AddrPortFrom(netip.MustParseAddr(text), port)))
			for range 2 {
				says(t, p, "hola")
				hears(t, p, "hola")
			}
		}
		if n := r.Totals(); n.Sessions != int64(len(each))+1 {
			t.Errorf("%s: totals: %+v", any, n)
		}
	}
	// One peer may ask at two of them: each answer comes from its own.
	target, front := bound(t, "127.0.0.1:0"), bound(t, "0.0.0.0:0")
	echo(t, target)
	r := &datagrams.Relay{Dial: to(target.Name())}
	port := front.Name().AddrPort().Port()
	start(t, r, front)
	first := connected(t, socket.InetName(netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port)))
	says(t, first, "has it begun?")
	hears(t, first, "has it begun?")
	p := bound(t, "127.0.0.1:0")
	for _, text := range []string{"127.0.0.2", "127.0.0.3", "127.0.0.2"} {
		m := socket.Message{Peer: socket.InetName(netip.AddrPortFrom(netip.MustParseAddr(text), port))}
		m.SetData([]byte(text))
		_, err := p.Send(&m)
		try(t, err)
		asked := m.Peer
		m.SetData(make([]byte, 100))
		try(t, p.Receive(&m))
		if got := string(m.Buffers[0][:m.N]); got != text || m.Peer != asked {
			t.Errorf("the answer %q comes from %v, and %v was asked", got, m.Peer, asked)
		}
	}
}

// What a seqpacket target has sent before its end arrives, however slowly.
func TestEndBehindARate(t *testing.T) {
	l, err := socket.New(socket.Unix, socket.SeqPacket, 0)
	try(t, err)
	defer l.Close()
	try(t, l.Bind(unixName(aPath(t))))
	try(t, l.Listen(0))
	front := bound(t, "127.0.0.1:0")
	var ended pending[datagrams.Session]
	r := &datagrams.Relay{Limits: datagrams.Limits{Rate: 100_000}, OnEnd: ended.add}
	r.Dial = func(ctx context.Context, _ datagrams.Session, _ []socket.Name) (*socket.Socket, error) {
		s, err := socket.New(socket.Unix, socket.SeqPacket, 0)
		if err == nil {
			err = s.Connect(ctx, l.Name())
		}
		return s, err
	}
	p := connected(t, front.Name())
	start(t, r, front)
	says(t, p, "hola")
	c, err := l.Accept(t.Context())
	try(t, err)
	defer c.Close()
	hears(t, c, "hola")
	for range 50 {
		says(t, c, repeated(1000))
	}
	try(t, c.Close())
	for range 50 {
		hears(t, p, repeated(1000))
	}
	if e := ended.wait(t, 1)[0]; e.Result.How != outcome.Finished || e.Result.From[outcome.B].Messages != 50 || e.Result.From[outcome.A].Dropped+e.Result.From[outcome.B].Dropped != 0 {
		t.Errorf("ended: %+v", e)
	}
}

// With recverr on the near socket, a peer that is gone is an error of its
// session, and of no other.
func TestPeerIsGone(t *testing.T) {
	target := bound(t, "127.0.0.1:0")
	front := bound(t, "127.0.0.1:0", func(s *socket.Socket) error { return option.ReceiveErrors.Set(s, true) })
	var errs pending[datagrams.Session]
	r := &datagrams.Relay{Dial: to(target.Name()), OnError: func(s datagrams.Session, err error) {
		if !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("error: %v", err)
		}
		errs.add(s)
	}}
	at := front.Name()
	start(t, r, front)
	gone, good := connected(t, at), connected(t, at)
	answer := func(p *socket.Socket) socket.Message {
		t.Helper()
		says(t, p, "hola")
		var m socket.Message
		m.SetData(make([]byte, 10))
		try(t, target.Receive(&m))
		m.SetData([]byte("answer"))
		return m
	}
	toGone, toGood := answer(gone), answer(good)
	name := gone.Name()
	try(t, gone.Close())
	for i := range 5 {
		_, err := target.Send(&toGone)
		try(t, err)
		if s := errs.wait(t, i+1)[i]; s.Peer != name {
			t.Errorf("error %d is that of %v, and %v is gone", i, s.Peer, name)
		}
		_, err = target.Send(&toGood)
		try(t, err)
		hears(t, good, "answer")
	}
	if n := r.Totals(); n.Errors != 5 || lost(n) != 0 {
		t.Errorf("totals: %+v", n)
	}
}
