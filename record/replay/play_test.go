package replay

import (
	"context"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"zocalo"
	"zocalo/address"
	"zocalo/frame"
	_ "zocalo/iso"
	"zocalo/record/capture"
	"zocalo/server"
	"zocalo/socket"
)

// talk makes a conversation of words: > is of the client and < of the server, and what
// follows is what was said, or a word for what happened; a number of milliseconds between
// them is a pause.
func talk(t testing.TB, script string) *capture.Conversation {
	t.Helper()
	c := &capture.Conversation{Number: 1, Kind: "tcp", Type: socket.Stream, Began: time.Unix(1800000000, 0), Opened: true, Stood: true}
	return fill(t, c, script, capture.Data)
}

// messages is talk for messages.
func messages(t testing.TB, kind string, typ socket.Type, script string) *capture.Conversation {
	t.Helper()
	c := &capture.Conversation{Number: 1, Kind: kind, Type: typ, Began: time.Unix(1800000000, 0), Opened: true, Stood: true}
	return fill(t, c, script, capture.Message)
}

func fill(t testing.TB, c *capture.Conversation, script string, usual capture.What) *capture.Conversation {
	t.Helper()
	at := time.Duration(0)
	for word := range strings.FieldsSeq(script) {
		if pause, err := time.ParseDuration(word); err == nil {
			at += pause
			continue
		}
		e := capture.Event{At: at, What: usual}
		if word[0] == '<' {
			e.From = capture.Server
		}
		switch text := strings.ReplaceAll(word[1:], "_", " "); text {
		case "FIN":
			e.What = capture.End
		case "RST":
			e.What = capture.Reset
		case "GAP3":
			e.What, e.Size = capture.Gap, 3
		default:
			e.Data = []byte(text)
			c.Bytes[e.From] += int64(len(text))
		}
		c.Events = append(c.Events, e)
	}
	c.Ended = c.Began.Add(at)
	return c
}

// parse is an address, which is right.
func parse(t testing.TB, text string) address.Address {
	t.Helper()
	a, err := address.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// serve serves connections until the test ends, and returns the address.
func serve(t testing.TB, text string, handler func(s *socket.Socket)) address.Address {
	t.Helper()
	l, err := zocalo.Listen(t.Context(), text)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var over sync.WaitGroup
	over.Go(func() {
		h := func(_ context.Context, s *socket.Socket) { handler(s) }
		if l.Sockets()[0].Properties().Connected {
			(&server.Server{Handler: h, Drain: time.Nanosecond, MaxConnsPerPeer: -1}).Serve(ctx, l)
		} else {
			(&server.Sessions{Handler: h, Drain: time.Nanosecond}).Serve(ctx, l.Sockets()...)
		}
	})
	t.Cleanup(func() { stop(); over.Wait() })
	return parse(t, l.Address())
}

// answers makes a handler that answers each line, or message, by a function.
func answers(f func(question string) string) func(*socket.Socket) {
	return func(s *socket.Socket) {
		b := make([]byte, 4096)
		for {
			n, err := s.Read(b)
			if err != nil {
				s.CloseLingering()
				return
			}
			if a := f(string(b[:n])); a != "" {
				s.Write([]byte(a))
			}
		}
	}
}

func upper(s string) string { return strings.ToUpper(s) }

func run1(t *testing.T, c *capture.Conversation, to address.Address, o Options) *Report {
	t.Helper()
	if o.Wait == 0 {
		o.Wait = 30 * time.Second
	}
	return Run(t.Context(), []*capture.Conversation{c}, to, o)
}

func TestNoDifference(t *testing.T) {
	to := serve(t, "tcp-listen:127.0.0.1:0", answers(upper))
	for _, o := range []Options{{}, {Causal: true}, {Speed: 10}} {
		r := run1(t, talk(t, ">hello 1ms <HELLO 1ms >world 1ms <WORLD 1ms >FIN <FIN"), to, o)
		if r.Alike != 1 || r.Answers != 2+0 && r.Answers != 3 || r.BytesReceived != 10 {
			t.Errorf("%+v: %+v %v", o, r, r.Failure)
		}
	}
}

func TestDifferences(t *testing.T) {
	for name, test := range map[string]struct {
		script string
		answer func(string) string
		o      Options
		want   string
	}{
		"other": {">hello 1ms <HELlO >FIN <FIN", upper, Options{},
			"answer 1 of the server, byte 3: what came differs"},
		"after what is ignored": {">a 1ms <id=123;ok >FIN", func(string) string { return "id=4567;no" }, Options{Ignore: patterns("id=[0-9]+")},
			"answer 1 of the server, byte 7 (8 of what came): what came differs"},
		"nothing": {">a 1ms <b", func(string) string { return "" }, Options{Wait: 50 * time.Millisecond},
			"answer 1 of the server, byte 0: nothing came"},
		"less": {">a 1ms <AB >FIN <FIN", upper, Options{},
			"answer 1 of the server, byte 1: what came ends here"},
		"more": {">ab 1ms <A >FIN <FIN", upper, Options{},
			"answer 2 of the server, byte 1: more came than was recorded"},
	} {
		to := serve(t, "tcp-listen:127.0.0.1:0", answers(test.answer))
		r := run1(t, talk(t, test.script), to, test.o)
		if r.Differing != 1 || r.First == nil || r.First.Difference.Error() != test.want {
			t.Errorf("%s: %+v", name, r)
			if r.First != nil {
				t.Errorf("%s: %s, want %s", name, r.First.Difference.Error(), test.want)
			}
		}
	}
}

// An answer that does not come is missed in its time, though the client goes on.
func TestSilenceWhileMoreIsSent(t *testing.T) {
	to := serve(t, "tcp-listen:127.0.0.1:0", answers(func(string) string { return "" }))
	r := run1(t, talk(t, ">a <b "+strings.Repeat(">x 20ms ", 3000)), to, Options{Wait: 50 * time.Millisecond})
	if r.Differing != 1 || r.First.Difference.Why != Silence || r.Took > 30*time.Second {
		t.Errorf("%+v", r)
	}
}

func TestIgnored(t *testing.T) {
	to := serve(t, "tcp-listen:127.0.0.1:0", func(s *socket.Socket) {
		b := make([]byte, 100)
		s.Read(b)
		for _, piece := range []string{"id", "=1", "2", "3456;o", "k;id=77"} { // in as many segments
			s.Write([]byte(piece))
			time.Sleep(time.Millisecond)
		}
		s.Read(b)
		s.Write([]byte("!"))
		s.CloseLingering()
	})
	r := run1(t, talk(t, ">a <id=9;ok;id=8 >b <! <FIN"), to, Options{Causal: true, Ignore: patterns("id=[0-9]+")})
	if r.Alike != 1 {
		t.Errorf("%+v %+v", r, r.First)
	}
}

// A step that followed an answer is done once the answer has come, however late that is.
func TestCausal(t *testing.T) {
	var early atomic.Bool
	to := serve(t, "tcp-listen:127.0.0.1:0", func(s *socket.Socket) {
		b := make([]byte, 100)
		n, _ := s.Read(b)
		s.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		if m, _ := s.Read(b[n:]); m > 0 {
			early.Store(true)
		}
		s.SetReadDeadline(time.Time{})
		s.Write([]byte("1"))
		s.Read(b)
		s.Write([]byte("2"))
		s.CloseLingering()
	})
	r := run1(t, talk(t, ">a <1 >b <2 >FIN <FIN"), to, Options{Causal: true})
	if r.Alike != 1 || early.Load() {
		t.Errorf("%+v %+v, early: %v", r, r.First, early.Load())
	}
}

func TestEndsAsRecorded(t *testing.T) {
	ended := make(chan error, 1)
	to := serve(t, "tcp-listen:127.0.0.1:0", func(s *socket.Socket) {
		_, err := io.Copy(io.Discard, s)
		ended <- err
		s.Write([]byte("bye"))
		s.CloseLingering()
	})
	r := run1(t, talk(t, ">a >FIN 1ms <bye <FIN"), to, Options{})
	if err := <-ended; err != nil || r.Alike != 1 {
		t.Errorf("a half-close: %v %+v", err, r)
	}
	r = run1(t, talk(t, ">a 1ms >RST"), to, Options{})
	if err := <-ended; !errors.Is(err, syscall.ECONNRESET) || r.Alike != 1 {
		t.Errorf("a reset: %v %+v", err, r)
	}
}

func TestGaps(t *testing.T) {
	to := serve(t, "tcp-listen:127.0.0.1:0", answers(upper))
	if r := run1(t, talk(t, ">abcdef 1ms <AB <GAP3 <F >FIN <FIN"), to, Options{}); r.Alike != 1 {
		t.Errorf("%+v %+v", r, r.First)
	}
	r := run1(t, talk(t, ">ab 1ms <AB >GAP3 >f 1ms <F"), to, Options{})
	var gap *GapError
	if r.Failed != 1 || !errors.As(r.Failure.Err, &gap) || gap.At != 2 || gap.Size != 3 {
		t.Errorf("%+v", r)
	}
}

func TestDatagrams(t *testing.T) {
	to := serve(t, "udp-listen:127.0.0.1:0", answers(upper))
	if r := run1(t, messages(t, "udp", socket.Datagram, ">a >bc 1ms <BC <A 1ms >d <D"), to, Options{}); r.Alike != 1 {
		t.Errorf("in another order: %+v %v", r, r.First.Difference)
	}
	r := run1(t, messages(t, "udp", socket.Datagram, ">a <A >b <X"), to, Options{Causal: true})
	if r.Differing != 1 || r.First.Difference.Error() != "message 2 of the server, byte 0: what came differs" {
		t.Errorf("%+v", r.First)
	}
	r = run1(t, messages(t, "udp", socket.Datagram, ">a <AB"), to, Options{})
	if r.Differing != 1 || r.First.Difference.Error() != "message 1 of the server, byte 1: what came ends here" {
		t.Errorf("%+v", r.First)
	}
}

func TestMessageKinds(t *testing.T) {
	for _, kind := range []string{"unix-seqpacket-listen:", "unix-dgram-listen:", "iso-listen:127.0.0.1:0"} {
		if strings.HasPrefix(kind, "unix") {
			kind += t.TempDir() + "/s"
		}
		to := serve(t, kind, answers(upper))
		typ := socket.SeqPacket
		if strings.Contains(kind, "dgram") {
			typ = socket.Datagram
		}
		if r := run1(t, messages(t, "any", typ, ">a >bc <A <BC >d <D"), to, Options{}); r.Alike != 1 {
			t.Errorf("%s: %+v %v", kind, r, r.Failure)
		}
	}
}

func TestFramed(t *testing.T) {
	to := serve(t, "tcp-listen:127.0.0.1:0", func(s *socket.Socket) { io.Copy(struct{ io.Writer }{s}, struct{ io.Reader }{s}); s.CloseLingering() })
	c := messages(t, "unix-dgram", socket.Datagram, ">a >bc <a <bc")
	r := run1(t, c, parse(t, to.String()+",frame=len16"), Options{})
	if r.Alike != 1 || r.MessagesReceived != 2 {
		t.Errorf("%+v", r)
	}
	r = run1(t, c, to, Options{})
	if r.Failed != 1 || r.Failure.Err.Error() != "conversation 1 is of messages (unix-dgram), and tcp carries bytes: add frame=FORMAT to the address, such as frame=len32" {
		t.Errorf("%+v", r.Failure)
	}
}

func TestAsServer(t *testing.T) {
	l, err := zocalo.Listen(t.Context(), "tcp-listen:127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	report := make(chan *Report)
	all := []*capture.Conversation{talk(t, ">hello <HI 1ms >bye <FIN"), talk(t, "<welcome 1ms >x >FIN")}
	go func() {
		r, err := Serve(t.Context(), all, l, frame.Format{}, Options{})
		if err != nil {
			t.Error(err)
		}
		report <- r
	}()
	talks := func(say, want string) {
		c, err := net.Dial("tcp", l.Name().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		io.WriteString(c, say)
		c.(*net.TCPConn).CloseWrite()
		if got, err := io.ReadAll(c); string(got) != want || err != nil {
			t.Errorf("%q came, want %q: %v", got, want, err)
		}
	}
	talks("hellobye", "HI")
	talks("x", "welcome")
	if r := <-report; r.Alike != 2 {
		t.Errorf("%+v %+v", r, r.First)
	}
}

func TestServerSeesAnotherClient(t *testing.T) {
	l, err := zocalo.Listen(t.Context(), "udp-listen:127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	report := make(chan *Report)
	go func() {
		r, _ := Serve(t.Context(), []*capture.Conversation{messages(t, "udp", socket.Datagram, ">hello <HI")}, l, frame.Format{}, Options{})
		report <- r
	}()
	c, err := net.Dial("udp", l.Name().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "help!")
	if r := <-report; r.Differing != 1 || r.First.Difference.Error() != "message 1 of the client, byte 3: what came differs" {
		t.Errorf("%+v", r)
	}
}

func TestManyAtOnce(t *testing.T) {
	var open, most atomic.Int64
	to := serve(t, "tcp-listen:127.0.0.1:0", func(s *socket.Socket) {
		n := open.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		answers(upper)(s)
		open.Add(-1)
	})
	var all []*capture.Conversation
	for range 50 {
		all = append(all, talk(t, ">hello 5ms <HELLO >world 5ms <WORLD >FIN <FIN"))
	}
	results := 0
	r := Run(t.Context(), all, to, Options{Repeat: 3, Concurrency: 10, Wait: 30 * time.Second, OnResult: func(*Result) { results++ }})
	if r.Alike != 150 || results != 150 || most.Load() > 12 || r.Waited == 0 {
		t.Errorf("%+v, %d at once, %d told", r, most.Load(), results)
	}
	r = Run(t.Context(), all, to, Options{Rate: 2000, Repeat: 2, Wait: 30 * time.Second})
	if r.Alike != 100 || r.Took < 45*time.Millisecond {
		t.Errorf("%+v", r)
	}
}

// With causal, what one conversation had waited for another it waits for again.
func TestConversationsFollowEachOther(t *testing.T) {
	var got []string
	var mu sync.Mutex
	to := serve(t, "tcp-listen:127.0.0.1:0", answers(func(q string) string {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, q)
		return "ok"
	}))
	var all []*capture.Conversation
	for i, name := range []string{"a", "b", "c", "d"} {
		c := talk(t, ">"+name+" 5ms <ok >FIN <FIN")
		c.Began = c.Began.Add(time.Duration(i) * 10 * time.Millisecond)
		c.Ended = c.Began.Add(5 * time.Millisecond)
		all = append(all, c)
	}
	r := Run(t.Context(), all, to, Options{Causal: true})
	mu.Lock()
	defer mu.Unlock()
	if r.Alike != 4 || strings.Join(got, "") != "abcd" {
		t.Errorf("%+v %v", r, got)
	}
}

func TestInterrupted(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	to := serve(t, "tcp-listen:127.0.0.1:0", answers(func(string) string { stop(); return "" }))
	c := talk(t, ">a 1h <b 1h >c")
	r := Run(ctx, []*capture.Conversation{c, talk(t, ">x")}, to, Options{Repeat: -1})
	if r.Unplayed == 0 || r.Differing+r.Failed != 0 {
		t.Errorf("%+v %+v", r, r.First)
	}
}

func TestNoCompare(t *testing.T) {
	to := serve(t, "tcp-listen:127.0.0.1:0", answers(func(q string) string { return "another answer" }))
	r := run1(t, talk(t, ">a <b >c <d >FIN <FIN"), to, Options{NoCompare: true, Causal: true})
	if r.Alike != 1 || r.BytesReceived < 15 {
		t.Errorf("%+v %+v", r, r.Failure)
	}
}

func TestNobodyThere(t *testing.T) {
	l, _ := zocalo.Listen(t.Context(), "tcp-listen:127.0.0.1:0")
	to := parse(t, l.Address())
	l.Close()
	r := run1(t, talk(t, ">a"), to, Options{})
	if r.Failed != 1 || !errors.Is(r.Failure.Err, syscall.ECONNREFUSED) {
		t.Errorf("%+v", r)
	}
}

// Lateness does not add up, whatever the answers take.
func TestTimesAreOfOneClock(t *testing.T) {
	script := strings.Repeat(">x 2ms ", 100)
	to := serve(t, "tcp-listen:127.0.0.1:0", func(s *socket.Socket) { io.Copy(io.Discard, s) })
	began := time.Now()
	r := run1(t, talk(t, script), to, Options{})
	if took := time.Since(began); took < 198*time.Millisecond || r.Late != 100 || r.Alike != 1 {
		t.Errorf("%v, %+v", took, r)
	}
	if r := run1(t, talk(t, script), to, Options{Speed: math.Inf(1)}); r.Alike != 1 || r.Late != 0 {
		t.Errorf("%+v", r)
	}
}

// BenchmarkClock shows how late what is sent is: the median, and the 99th percentile.
func BenchmarkClock(b *testing.B) {
	to := serve(b, "tcp-listen:127.0.0.1:0", func(s *socket.Socket) { io.Copy(io.Discard, s) })
	var all []*capture.Conversation
	for i := range 20 {
		c := talk(b, "5ms "+strings.Repeat(">x 10ms ", 100))
		random := rand.New(rand.NewPCG(uint64(i), 0))
		for n := range c.Events { // each at its own times
			c.Events[n].At += time.Duration(random.IntN(10_000)) * time.Microsecond
		}
		all = append(all, c)
	}
	for b.Loop() {
		r := Run(b.Context(), all, to, Options{})
		b.ReportMetric(float64(r.LateP50.Microseconds()), "µs-p50")
		b.ReportMetric(float64(r.LateP99.Microseconds()), "µs-p99")
		b.ReportMetric(float64(r.LateMost.Microseconds()), "µs-max")
	}
}
