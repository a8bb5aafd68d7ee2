package replay

import (
	"bytes"
	"context"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"zocalo"
	"zocalo/address"
	_ "zocalo/layer/tls"
	_ "zocalo/layer/websocket"
	"zocalo/record"
	"zocalo/record/capture"
	"zocalo/relay"
	"zocalo/socket"
)

// recorded relays from one address to another, records, and returns what the file has of
// what talk said to the relay.
func recorded(t *testing.T, from string, to address.Address, say func(s *socket.Socket)) []*capture.Conversation {
	t.Helper()
	file := new(bytes.Buffer)
	rec, err := record.New(file, record.Options{})
	if err != nil {
		t.Fatal(err)
	}
	listening, ended := make(chan string, 1), make(chan relay.Pair, 1)
	r := &relay.Relay{Config: relay.Config{From: parse(t, from), To: []address.Address{to}, Hooks: relay.Hooks{
		Listening: func(l *zocalo.Listener, _ address.Address) error { listening <- l.Address(); return nil },
		Ended:     func(p relay.Pair) { ended <- p },
	}}}
	r.Drain = time.Nanosecond
	rec.Hook(&r.Hooks)
	ctx, stop := context.WithCancel(t.Context())
	var over sync.WaitGroup
	over.Go(func() {
		if err := r.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	s, err := zocalo.Dial(t.Context(), <-listening)
	if err != nil {
		stop()
		t.Fatal(err)
	}
	say(s)
	s.Close()
	if s.Properties().Connected {
		<-ended
	}
	stop()
	over.Wait()
	if err := rec.Close(); err != nil {
		t.Fatal(err)
	}
	c, err := capture.Read(t.Context(), file, capture.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return c.Conversations
}

// asks makes what says these and hears an answer to each.
func asks(t *testing.T, questions ...string) func(s *socket.Socket) {
	return func(s *socket.Socket) {
		b := make([]byte, 1<<20)
		for _, q := range questions {
			if _, err := s.Write([]byte(q)); err != nil {
				t.Error(err)
			}
			for got, bounded := 0, s.Properties().Bounded; ; {
				n, err := s.Read(b[got:])
				if err != nil {
					t.Error(err)
					return
				}
				if got += n; bounded || got >= len(q) {
					break
				}
			}
		}
	}
}

// What a relay has recorded of each kind is played to the same server without a difference, and to
// another with one.
func TestOurRecordings(t *testing.T) {
	long := strings.Repeat("long ", 14_000)
	for _, test := range []struct {
		kind, listen string
		bounded      bool
		questions    []string
	}{
		{"tcp", "tcp-listen:127.0.0.1:0", false, []string{"hello", long, "bye"}},
		{"tcp over IPv6", "tcp-listen:[::1]:0", false, []string{"hello", "bye"}},
		{"udp", "udp-listen:127.0.0.1:0", true, []string{"hello", "", strings.Repeat("x", 30_000), "bye"}},
		{"unix", "unix-listen:", false, []string{"hello", long, "bye"}},
		{"unix-seqpacket", "unix-seqpacket-listen:", true, []string{"hello", "", long, "bye"}},
		{"unix-dgram", "unix-dgram-listen:", true, []string{"hello", "", "bye"}},
		{"iso", "iso-listen:127.0.0.1:0", true, []string{"hello", long, "bye"}},
		{"ws", "ws-listen:127.0.0.1:0", true, []string{"hello", "", long, "bye"}},
		{"tls", "tls-listen:127.0.0.1:0", false, []string{"hello", "bye"}},
	} {
		t.Run(test.kind, func(t *testing.T) {
			at := func() string {
				if strings.HasPrefix(test.listen, "unix") {
					return test.listen + filepath.Join(t.TempDir(), "s")
				}
				return test.listen
			}
			to := serve(t, at(), answersLong(upper))
			all := recorded(t, at(), to, asks(t, test.questions...))
			if len(all) != 1 {
				t.Fatalf("%d conversations", len(all))
			}
			c := all[0]
			if c.Bounded() != test.bounded || !c.Opened || c.Missing != 0 {
				t.Errorf("%+v", c)
			}
			if c.Bounded() && (c.Messages[capture.Client] != len(test.questions) || c.Messages[capture.Server] != len(test.questions)) {
				t.Errorf("%d messages there and %d back", c.Messages[capture.Client], c.Messages[capture.Server])
			}
			for _, o := range []Options{{Causal: true}, {Causal: true, Repeat: 2}} {
				if r := run1(t, c, to, o); r.Alike != o.rounds() {
					t.Errorf("%+v", r)
					if r.First != nil {
						t.Errorf("%v\n%s", r.First.Difference, r.First.Difference.Dump())
					}
					if r.Failure != nil {
						t.Error(r.Failure.Err)
					}
				}
			}
			other := serve(t, at(), answersLong(func(q string) string { return strings.ReplaceAll(upper(q), "BYE", "BYe") }))
			r := run1(t, c, other, Options{Causal: true})
			if r.Differing != 1 || r.First.Difference.Why != Differs {
				t.Errorf("%+v", r)
			}
		})
	}
}

// answersLong is answers for messages of any length.
func answersLong(f func(string) string) func(*socket.Socket) {
	return func(s *socket.Socket) {
		b := make([]byte, 1<<20)
		for {
			n, err := s.Read(b)
			if err != nil {
				s.CloseLingering()
				return
			}
			if _, err := s.Write([]byte(f(string(b[:n])))); err != nil {
				return
			}
		}
	}
}

// A logger over unix datagrams, who gets no answers, and empty messages.
func TestLogger(t *testing.T) {
	heard := make(chan string, 10)
	listen := "unix-dgram-listen:" + filepath.Join(t.TempDir(), "log")
	to := serve(t, listen, func(s *socket.Socket) {
		b := make([]byte, 1000)
		for {
			n, err := s.Read(b)
			if err != nil {
				return
			}
			heard <- string(b[:n])
		}
	})
	hears := func(want ...string) {
		t.Helper()
		for _, w := range want {
			if got := <-heard; got != w {
				t.Errorf("%q was heard, want %q", got, w)
			}
		}
	}
	all := recorded(t, "unix-dgram-listen:"+filepath.Join(t.TempDir(), "from"), to, func(s *socket.Socket) {
		for _, line := range []string{"<13>one", "", "<13>two"} {
			s.Write([]byte(line))
		}
		hears("<13>one", "", "<13>two")
	})
	if len(all) != 1 || all[0].Kind != "unix-dgram" || !strings.HasSuffix(all[0].Server.Name, "/log") {
		t.Fatalf("%+v", all)
	}
	if r := run1(t, all[0], to, Options{}); r.Alike != 1 {
		t.Errorf("%+v", r)
	}
	hears("<13>one", "", "<13>two")
}

// A recording of one kind is played to another, with its boundaries.
func TestAcrossKinds(t *testing.T) {
	to := serve(t, "unix-seqpacket-listen:"+filepath.Join(t.TempDir(), "s"), answers(func(q string) string { return "to " + q }))
	all := recorded(t, "ws-listen:127.0.0.1:0", to, asks(t, "a", "b"))
	if len(all) != 1 || all[0].Kind != "ws+tcp" {
		t.Fatalf("%+v", all)
	}
	if r := run1(t, all[0], to, Options{Causal: true}); r.Alike != 1 {
		t.Errorf("%+v", r)
	}
}

// A reset in the recording is one when it is played.
func TestResetRecorded(t *testing.T) {
	heard := make(chan bool, 2)
	to := serve(t, "tcp-listen:127.0.0.1:0", func(s *socket.Socket) {
		s.Read(make([]byte, 5))
		heard <- true
		io.Copy(io.Discard, s)
	})
	all := recorded(t, "tcp-listen:127.0.0.1:0", to, func(s *socket.Socket) {
		s.Write([]byte("hello"))
		<-heard
		s.Abort()
	})
	if len(all) != 1 || !all[0].Aborted {
		t.Fatalf("%+v", all[0])
	}
	if r := run1(t, all[0], to, Options{Causal: true}); r.Alike != 1 {
		t.Errorf("%+v", r)
	}
}
