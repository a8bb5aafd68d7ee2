package websocket_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"zocalo"
	"zocalo/relay/join"
	"zocalo/socket"
)

// A bare is a peer of the test's own that sends frames as it likes, well made or not.
type bare struct {
	*testing.T
	conn  net.Conn
	r     *bufio.Reader
	masks bool
}

// bareClient connects to an echo server of ours; bareServer has an echo client of ours
// connect to it.
func bareClient(t *testing.T, options string) *bare { return bareClientOf(t, options, echo) }

// bareClientOfJoin is bareClient of an echo server that takes messages several at once.
func bareClientOfJoin(t *testing.T, options string) *bare {
	return bareClientOf(t, options, func(s *socket.Socket) { join.Echo(t.Context(), join.End{Socket: s}, join.Options{}) })
}

func bareClientOf(t *testing.T, options string, echo func(*socket.Socket)) *bare {
	l := server(t, "ws:127.0.0.1:0,max-message=2MiB"+options, echo)
	conn, err := net.Dial("tcp", l.Addr().String())
	try(t, err)
	u, _ := url.Parse("ws://localhost/")
	var d ws.Dialer
	_, _, err = d.Upgrade(conn, u)
	try(t, err)
	return newBare(t, conn, true)
}

func bareServer(t *testing.T, options string) *bare {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	try(t, err)
	defer l.Close()
	over := make(chan struct{})
	go func() {
		defer close(over)
		s, err := zocalo.Dial(context.Background(), "ws:"+l.Addr().String()+",max-message=2MiB"+options)
		if err != nil {
			t.Error(err)
			return
		}
		defer s.Close()
		s.SetDeadline(time.Now().Add(patience))
		echo(s)
	}()
	conn, err := l.Accept()
	try(t, err)
	_, err = ws.Upgrade(conn)
	try(t, err)
	b := newBare(t, conn, false)
	t.Cleanup(func() { conn.Close(); <-over })
	return b
}

func newBare(t *testing.T, conn net.Conn, masks bool) *bare {
	t.Cleanup(func() { conn.Close() })
	try(t, conn.SetDeadline(time.Now().Add(patience)))
	return &bare{t, conn, bufio.NewReader(conn), masks}
}

// encode makes frames.
func (b *bare) encode(frames ...ws.Frame) []byte {
	var buf bytes.Buffer
	for _, f := range frames {
		if b.masks {
			f = ws.MaskFrame(f)
		}
		ws.WriteFrame(&buf, f)
	}
	return buf.Bytes()
}

// read reads the next frame, ok false at the end of the connection.
func (b *bare) read() (f ws.Frame, ok bool) {
	b.Helper()
	h, err := ws.ReadHeader(b.r)
	if err != nil {
		if !errors.Is(err, io.EOF) && !strings.Contains(err.Error(), "reset") {
			b.Errorf("reading a frame: %v", err)
		}
		return f, false
	}
	if h.Masked == b.masks {
		b.Errorf("a frame is masked: %v", h.Masked)
	}
	f = ws.Frame{Header: h, Payload: make([]byte, h.Length)}
	_, err = io.ReadFull(b.r, f.Payload)
	try(b, err)
	if h.Masked {
		ws.Cipher(f.Payload, h.Mask, 0)
	}
	return f, true
}

// A sort of frames.
func text(s string) ws.Frame               { return ws.NewTextFrame([]byte(s)) }
func binary(s string) ws.Frame             { return ws.NewBinaryFrame([]byte(s)) }
func ping(s string) ws.Frame               { return ws.NewPingFrame([]byte(s)) }
func pong(s string) ws.Frame               { return ws.NewPongFrame([]byte(s)) }
func part(op ws.OpCode, s string) ws.Frame { return ws.NewFrame(op, false, []byte(s)) }
func more(s string) ws.Frame               { return ws.NewFrame(ws.OpContinuation, false, []byte(s)) }
func last(s string) ws.Frame               { return ws.NewFrame(ws.OpContinuation, true, []byte(s)) }
func closing(code int, reason string) ws.Frame {
	return ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusCode(code), reason))
}
func rsv(f ws.Frame, bits byte) ws.Frame { f.Header.Rsv = bits; return f }
func opcode(op int, s string) ws.Frame   { return ws.NewFrame(ws.OpCode(op), true, []byte(s)) }

// A frameCase is what a peer sends, and what it gets: messages and pongs in their order,
// then a Close frame with a code, 0 for one without.
type frameCase struct {
	name string
	send []ws.Frame
	want []ws.Frame
	code int
}

const normal = 1000

var bye = closing(normal, "")

// frameCases are those of Autobahn's test suite, by its numbers: https://github.com/crossbario/autobahn-testsuite,
// which needs Python 2.
func frameCases() (all []frameCase) {
	add := func(name string, code int, want []ws.Frame, send ...ws.Frame) {
		all = append(all, frameCase{name, send, want, code})
	}
	same := func(name string, send ...ws.Frame) {
		add(name, normal, send, append(send[:len(send):len(send)], bye)...)
	}
	fails := func(name string, code int, send ...ws.Frame) { add(name, code, nil, send...) }
	list := func(f ...ws.Frame) []ws.Frame { return f }

	for _, n := range []int{0, 125, 126, 127, 128, 65535, 65536} {
		same(fmt.Sprint("1.1 text of ", n), text(strings.Repeat("*", n)))
		same(fmt.Sprint("1.2 binary of ", n), binary(strings.Repeat("\xfe", n)))
	}
	same("1.1.8 several texts", text("a"), text("b"), text(""), text("c"))
	same("several of both", text("a"), binary("b"), binary(""), text("c"), text("d"), binary("\xff"))

	for name, said := range map[string]string{
		"2.1 nothing": "", "2.2 text": "Hello, world!", "2.3 binary": "\x00\xff\xfe\xfd\xfc\xfb\x00\xff", "2.4 longest": strings.Repeat("\xfe", 125),
	} {
		add(name, normal, list(pong(said)), ping(said), bye)
	}
	fails("2.5 ping too long", 1002, ping(strings.Repeat("\xfe", 126)))
	add("2.7 pong nobody asked for", normal, nil, pong(""), bye)
	add("2.8 pong with payload", normal, nil, pong("unsolicited"), bye)
	add("2.9 pong, then ping", normal, list(pong("ping payload")), pong("unsolicited"), ping("ping payload"), bye)
	var pings, pongs []ws.Frame
	for i := range 10 {
		pings, pongs = append(pings, ping(fmt.Sprint("payload-", i))), append(pongs, pong(fmt.Sprint("payload-", i)))
	}
	add("2.10 ten pings", normal, pongs, append(pings, bye)...)

	for bits := byte(1); bits < 8; bits++ {
		fails(fmt.Sprint("3 reserved bits ", bits, " of a text"), 1002, rsv(text("Hello"), bits))
		fails(fmt.Sprint("3 reserved bits ", bits, " of a ping"), 1002, rsv(ping("Hello"), bits))
		fails(fmt.Sprint("3.7 reserved bits ", bits, " of a close"), 1002, rsv(bye, bits))
		add(fmt.Sprint("3.2 reserved bits ", bits, " after a message"), 1002, list(text("Hello")), text("Hello"), rsv(text("again"), bits), ping(""))
	}
	for _, op := range []int{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		fails(fmt.Sprint("4 opcode ", op), 1002, opcode(op, ""))
		fails(fmt.Sprint("4 opcode ", op, " with payload"), 1002, opcode(op, "reserved"))
		add(fmt.Sprint("4 opcode ", op, " after a message"), 1002, list(text("Hello")), text("Hello"), opcode(op, "x"), ping(""))
	}

	fails("5.1 fragmented ping", 1002, part(ws.OpPing, "frag"), last("ment"))
	fails("5.2 fragmented pong", 1002, part(ws.OpPong, "frag"), last("ment"))
	add("5.3 two fragments", normal, list(text("fragment1fragment2")), part(ws.OpText, "fragment1"), last("fragment2"), bye)
	add("5.6 ping between", normal, list(pong("ping"), text("fragment1fragment2")), part(ws.OpText, "fragment1"), ping("ping"), last("fragment2"), bye)
	fails("5.9 continuation of nothing", 1002, last("non-continuation payload"), text("Hello"))
	fails("5.12 unfinished continuation of nothing", 1002, more("non-continuation payload"), text("Hello"))
	fails("5.15 continuation after a message", 1002, more("fragment"), text("x"))
	add("5.15 continuation after two fragments", 1002, list(text("fragment1fragment2")), part(ws.OpText, "fragment1"), last("fragment2"), last("fragment3"), text("x"))
	fails("5.18 a text within a text", 1002, part(ws.OpText, "fragment1"), text("fragment2"))
	add("5.19 five fragments with pings", normal, list(pong("pongme 1"), pong("pongme 2"), text("fragment1fragment2fragment3fragment4fragment5")),
		part(ws.OpText, "fragment1"), more("fragment2"), ping("pongme 1"), more("fragment3"), more("fragment4"), ping("pongme 2"), last("fragment5"), bye)
	add("5 empty fragments", normal, list(text("")), part(ws.OpText, ""), more(""), last(""), bye)
	add("5 empty fragments around", normal, list(binary("x")), part(ws.OpBinary, ""), more("x"), last(""), bye)

	for _, s := range []string{"Hello-µ@ßöäüàá-UTF-8!!", "κόσμε", "\x00", "\u0080", "ࠀ", "\U00010000", "\x7f", "\u07ff", "\uffff", "\U0010ffff", "\ud7ff", "\ue000", "\ufffd", "\ufffe", "\U0001fffe"} {
		same(fmt.Sprintf("6 valid %+q", s), text(s))
		var bytewise []ws.Frame
		for i := range len(s) {
			f := more(s[i : i+1])
			if i == 0 {
				f.Header.OpCode = ws.OpText
			}
			bytewise = append(bytewise, f)
		}
		add(fmt.Sprintf("6 valid %+q, byte by byte", s), normal, list(text(s)), append(bytewise, last(""), bye)...)
	}
	for _, s := range []string{
		"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited", "\xf8\x88\x80\x80\x80", "\xfc\x84\x80\x80\x80\x80", "\xf7\xbf\xbf\xbf", "\xf4\x90\x80\x80",
		"\x80", "\xbf", "\x80\xbf\x80", "\xc0\x20\xc1\x20", "\xe0\x20", "\xf0\x20", "\xfe", "\xff", "\xc0\xaf", "\xe0\x80\xaf", "\xf0\x80\x80\xaf",
		"\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xc0\x80", "\xed\xa0\x80", "\xed\xbf\xbf", "\xed\xa0\x80\xed\xb0\x80", "\xce", "\xce\xba\xe1", "\xf0\x90\x80",
	} {
		fails(fmt.Sprintf("6 invalid %q", s), 1007, text(s))
		add(fmt.Sprintf("6 invalid %q after two", s), 1007, list(text("a"), text("ß")), text("a"), text("ß"), text(s), text("b"))
		fails(fmt.Sprintf("6 invalid %q in fragments", s), 1007, part(ws.OpText, s[:len(s)/2]), last(s[len(s)/2:]))
	}
	// Before the last fragment, and before the frame is whole.
	fails("6.4 invalid at once", 1007, part(ws.OpText, "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90"))
	add("6 binary need not be", normal, list(binary("\xff\xfe")), part(ws.OpBinary, "\xff"), last("\xfe"), bye)

	same("7.1.1 message, then close", text("Hello World!"))
	add("7.1.2 two closes", normal, nil, bye, bye)
	add("7.1.3 ping after close", normal, nil, bye, ping("x"))
	add("7.1.4 text after close", normal, nil, bye, text("x"))
	fails("7.1.5 close in a message", 1002, part(ws.OpText, "fragment1"), bye, last("fragment2"))
	same("7.1.6 much, then close", text(strings.Repeat("BAsd7&jh23", 26<<10)))
	add("7.3.1 close without a code", 0, nil, ws.NewCloseFrame(nil))
	fails("7.3.2 close with half a code", 1002, ws.NewCloseFrame([]byte("a")))
	add("7.3.3 close with a code", normal, nil, bye)
	add("7.3.4 close with a reason", normal, nil, closing(normal, "Hello World!"))
	add("7.3.5 close with the longest reason", normal, nil, closing(normal, strings.Repeat("*", 123)))
	fails("7.3.6 close with one longer", 1002, ws.NewCloseFrame([]byte("\x03\xe8"+strings.Repeat("*", 124))))
	fails("7.5.1 reason that is no text", 1007, closing(normal, "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited"))
	for _, code := range []int{1000, 1001, 3000, 3999, 4000, 4999} {
		add(fmt.Sprint("7.7 close with ", code), code, nil, closing(code, ""))
	}
	for _, code := range []int{0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535} {
		fails(fmt.Sprint("7.9 close with ", code), 1002, closing(code, ""))
	}

	large := strings.Repeat("0123456789abcdef", 64<<10)
	same("9.1 text of 1 MiB", text(large))
	same("9.2 binary of 1 MiB", binary(large))
	var pieces []ws.Frame
	for i := 0; i < len(large); i += 4 << 10 {
		pieces = append(pieces, more(large[i:i+4<<10]))
	}
	pieces[0].Header.OpCode = ws.OpBinary
	add("9.4 1 MiB in fragments", normal, list(binary(large)), append(pieces, last(""), bye)...)
	fails("9 longer than max-message", 1009, ws.Frame{Header: ws.Header{Fin: true, OpCode: ws.OpBinary, Length: 1 << 40}})
	fails("9 longer by its fragments", 1009, part(ws.OpBinary, large), more(large), last("x"))
	add("10 one frame, two fragments", normal, list(binary(large[:65536])), part(ws.OpBinary, large[:1300]), last(large[1300:65536]), bye)
	return all
}

// What the cases of Autobahn's suite ask for holds for both roles, for whole segments and
// for single bytes.
func TestFrames(t *testing.T) {
	for role, make := range map[string]func(*testing.T, string) *bare{"server": bareClient, "server of a join": bareClientOfJoin, "client": bareServer} {
		t.Run(role, func(t *testing.T) {
			for _, c := range frameCases() {
				for _, chop := range []int{0, 1} {
					b := make(t, "")
					data := b.encode(c.send...)
					if chop > 0 && len(data) > 1000 {
						continue
					}
					t.Run(fmt.Sprint(c.name, " in pieces of ", chop), func(t *testing.T) {
						b.T = t
						go func() {
							for len(data) > 0 {
								n := len(data)
								if chop > 0 {
									n = chop
								}
								if _, err := b.conn.Write(data[:n]); err != nil {
									return // the rest is not wanted
								}
								data = data[n:]
							}
						}()
						b.expect(c.want, c.code)
					})
					b.conn.Close()
				}
			}
		})
	}
}

// expect reads frames, and then a Close frame.
func (b *bare) expect(want []ws.Frame, code int) {
	b.Helper()
	pongs, messages := split(want)
	for {
		f, ok := b.read()
		if !ok {
			b.Errorf("the connection ended without a Close frame, and %d pongs and %d messages short", len(pongs), len(messages))
			return
		}
		of := &messages
		switch f.Header.OpCode {
		case ws.OpClose:
			is, reason := ws.ParseCloseFrameData(f.Payload)
			if int(is) != code {
				b.Errorf("closed with %d %q; want %d", is, reason, code)
			}
			if len(messages) > 0 || code == normal && len(pongs) > 0 {
				b.Errorf("closed with %d pongs and %d messages short", len(pongs), len(messages))
			}
			return
		case ws.OpPong:
			of = &pongs
		}
		if len(*of) == 0 {
			b.Errorf("a frame too many: %v, %.100q", f.Header, f.Payload)
			return
		}
		w := (*of)[0]
		if *of = (*of)[1:]; f.Header.OpCode != w.Header.OpCode || !f.Header.Fin || !bytes.Equal(f.Payload, w.Payload) {
			b.Errorf("came %v, %.100q; want %v, %.100q", f.Header, f.Payload, w.Header, w.Payload)
		}
	}
}

// split parts pongs, which may come earlier, from messages.
func split(frames []ws.Frame) (pongs, messages []ws.Frame) {
	for _, f := range frames {
		if f.Header.OpCode == ws.OpPong {
			pongs = append(pongs, f)
		} else {
			messages = append(messages, f)
		}
	}
	return pongs, messages
}

// Who is to mask must, and who is not to must not.
func TestMask(t *testing.T) {
	for role, make := range map[string]func(*testing.T, string) *bare{"server": bareClient, "client": bareServer} {
		t.Run(role, func(t *testing.T) {
			b := make(t, "")
			b.masks = !b.masks
			data := b.encode(text("x"))
			b.masks = !b.masks
			_, err := b.conn.Write(data)
			try(t, err)
			b.expect(nil, 1002)
		})
	}
}
