package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"zocalo/socket"
	"zocalo/socket/sockettest"
)

func aGreeting() greeting {
	return greeting{service: framed, direction: forward | reverse, verify: true, size: 1200, duration: time.Second, warmUp: time.Millisecond, count: 77, gap: 5, batch: 3, run: 1 << 60, flow: 9}
}

func TestGreeting(t *testing.T) {
	g := aGreeting()
	text := g.append(nil)
	var back greeting
	if err := back.parse(text); err != nil || back != g || len(text) != greetingSize {
		t.Errorf("%d bytes, %v: %+v, want %+v", len(text), err, back, g)
	}
	for at, change := range map[int]byte{0: 'x', 8: 2, 9: 0, 10: 4, 11: 2, 12: 0xff, 16: 0x80, 24: 0x80, 32: 0x80, 40: 0x80, 60: 0, 61: 1} {
		bad := bytes.Clone(text)
		bad[at] = change
		if err := back.parse(bad); err == nil {
			t.Errorf("byte %d as %#x is accepted: %+v", at, change, back)
		}
	}
	if back.parse(text[:63]) == nil || back.parse(nil) == nil {
		t.Error("a short greeting is accepted")
	}
}

func FuzzGreeting(f *testing.F) {
	g := aGreeting()
	f.Add(g.append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		var g greeting
		if g.parse(b) != nil {
			return
		}
		if again := g.append(nil); !bytes.Equal(again, b) {
			t.Errorf("%x is read, and written as %x", b, again)
		}
		if g.size < 1 || g.size > maxFrame || g.duration < 0 || g.batch > maxBatch {
			t.Errorf("%+v", g)
		}
	})
}

func FuzzAnswer(f *testing.F) {
	a := answer{token: 5, reason: "why"}
	f.Add(a.append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		var a answer
		if a.parse(b) == nil && len(a.reason) > reasonSize {
			t.Errorf("a reason of %d bytes", len(a.reason))
		}
	})
}

// FuzzFrames feeds a stream in pieces of any size to a receiver: nothing may
// panic, and what comes out must not hang on the pieces.
func FuzzFrames(f *testing.F) {
	var good []byte
	for n := range uint64(2) {
		frame := make([]byte, 40)
		h := header{kind: dataFrame, flags: measured, length: len(frame), number: n}
		h.put(frame)
		fill(frame[headerSize:], n)
		good = append(good, frame...)
	}
	end := make([]byte, headerSize)
	h := header{kind: endFrame, length: headerSize, number: 2}
	h.put(end)
	f.Add(append(good, end...), 7)
	f.Fuzz(func(t *testing.T, b []byte, piece int) {
		piece = min(max(piece, 1), 1<<16)
		g := aGreeting()
		take := func(step int) (r *receiver, controls int, err error) {
			r = newReceiver(&g, socket.Properties{Connected: true})
			r.control = func(*header, []byte) error { controls++; return nil }
			for rest := b; len(rest) > 0 && err == nil; rest = rest[min(step, len(rest)):] {
				err = r.stream(rest[:min(step, len(rest))])
			}
			return r, controls, err
		}
		one, n, err := take(piece)
		all, m, err2 := take(len(b))
		if n != m || (err == nil) != (err2 == nil) || one.all.bytes.Load() != all.all.bytes.Load() || one.corrupt != all.corrupt {
			t.Errorf("in pieces of %d: %d, %v, %d bytes; whole: %d, %v, %d bytes", piece, n, err, one.all.bytes.Load(), m, err2, all.all.bytes.Load())
		}
	})
}

// FuzzServer sends anything to a server, as a stream and as messages, and
// sees it end.
func FuzzServer(f *testing.F) {
	g := aGreeting()
	start := make([]byte, headerSize)
	h := header{kind: startFrame, length: headerSize, number: 1}
	h.put(start)
	f.Add(append(g.append(nil), start...), true)
	f.Add(append(g.append(nil), start...), false)
	f.Fuzz(func(t *testing.T, b []byte, stream bool) {
		kind := socket.SeqPacket
		if stream {
			kind = socket.Stream
		}
		client, end, err := socket.Pair(sockettest.Memory, kind, 0)
		if err != nil {
			t.Fatal(err)
		}
		s := &Server{Patience: 50 * time.Millisecond, MaxSize: 1 << 16}
		done := make(chan struct{})
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		go func() { defer close(done); s.Handle(ctx, end); end.Close() }()
		go func() {
			drain := make([]byte, 64<<10)
			for {
				if _, err := client.Read(drain); err != nil {
					return
				}
			}
		}()
		client.SetWriteDeadline(time.Now().Add(time.Second))
		for rest := b; len(rest) > 0; {
			n := min(len(rest), greetingSize)
			if _, err := client.Write(rest[:n]); err != nil {
				break
			}
			rest = rest[n:]
		}
		client.Close()
		<-done
	})
}

func FuzzReport(f *testing.F) {
	r := report{Program: "p", Side: Side{Received: Traffic{Bytes: 5}}}
	frames, _ := r.encode()
	f.Add(frames[0][headerSize:], uint64(0), int64(1))
	f.Fuzz(func(t *testing.T, payload []byte, number uint64, parts int64) {
		var a assembly
		whole, err := a.add(&header{number: number, stamp: parts}, payload)
		if err != nil || !whole {
			return
		}
		if r, err := a.decode(); err == nil && strings.ContainsAny(r.Program+r.Error+r.Machine.Kernel, "\x1b\n") {
			t.Errorf("control characters of a server: %+v", r)
		}
	})
}

func TestReportInParts(t *testing.T) {
	jitter := NewHistogram(Nanoseconds)
	for i := range int64(3000) {
		jitter.Record(i * i)
	}
	r := &report{Program: "p", Side: Side{Arrivals: &Arrivals{Jitter: jitter}}}
	frames, err := r.encode()
	if err != nil || len(frames) < 10 {
		t.Fatalf("%d frames, %v", len(frames), err)
	}
	var a assembly
	for i := range frames { // backwards, each twice
		frame := frames[len(frames)-1-i]
		var h header
		if err := h.parse(frame); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			whole, err := a.add(&h, frame[headerSize:])
			if err != nil || whole != (i == len(frames)-1) {
				t.Fatalf("part %d: %v, %v", h.number, whole, err)
			}
		}
	}
	back, err := a.decode()
	if err != nil {
		t.Fatal(err)
	}
	want, _ := json.Marshal(r)
	if got, _ := json.Marshal(back); !bytes.Equal(got, want) {
		t.Errorf("%.300s\nwant\n%.300s", got, want)
	}
}
