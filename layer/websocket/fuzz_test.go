package websocket

import (
	"bytes"
	"context"
	"io"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"zocalo/socket"
)

// said returns the end of a connection whose peer has said that, and no more.
func said(t *testing.T, what []byte) *socket.Socket {
	if len(what) > 16<<10 {
		t.Skip("more than a socket holds")
	}
	a, b, err := socket.Pair(socket.Unix, socket.Stream, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	b.Write(what)
	b.CloseWrite()
	return a
}

func frames(list ...ws.Frame) []byte {
	var b bytes.Buffer
	for _, f := range list {
		ws.WriteFrame(&b, f)
	}
	return b.Bytes()
}

// Whatever frames come, reading ends, messages are no longer than what came or the bound,
// and the end stays the end.
func FuzzFrames(f *testing.F) {
	hello := ws.NewTextFrame([]byte("hola"))
	for _, seed := range [][]byte{
		frames(hello, ws.NewPingFrame([]byte("x")), ws.NewCloseFrame(ws.NewCloseFrameBody(1000, "adios"))),
		frames(ws.NewFrame(ws.OpText, false, []byte("ho")), ws.NewPongFrame(nil), ws.NewFrame(ws.OpContinuation, true, []byte("la"))),
		frames(ws.MaskFrame(hello), ws.MaskFrame(ws.NewBinaryFrame(bytes.Repeat([]byte("x"), 300)))),
		frames(ws.Frame{Header: ws.Header{Fin: true, Rsv: ws.Rsv(true, false, false), OpCode: ws.OpText, Length: 6}, Payload: []byte("\xca\xc8\xcfIL\x02")}),
		{0x81, 0x7f, 0xff, 0, 0, 0, 0, 0, 0, 0}, {0xc1, 0x01, 0}, {0x88, 0x01, 0}, {},
	} {
		for mode := range byte(8) {
			f.Add(mode, seed)
		}
	}
	f.Fuzz(func(t *testing.T, mode byte, what []byte) {
		p := &prepared{layer: messageLayer, passive: mode&1 != 0, maxMessage: 1 << 10}
		if mode&2 != 0 {
			p.layer = streamLayer
		}
		s := p.socket(p.endpoint(said(t, what)), mode&4 != 0, nil)
		defer s.Close()
		s.SetDeadline(time.Now().Add(10 * time.Second))
		b := make([]byte, 100)
		for total := 0; ; {
			if err := s.WaitRead(); err != nil {
				t.Fatalf("WaitRead: %v", err)
			}
			n, err := s.Read(b)
			total += n
			switch {
			case err == nil && n == 0 && p.layer == streamLayer:
				t.Fatal("a stream has an empty read")
			case total > len(what) && mode&4 == 0:
				t.Fatalf("%d bytes of %d", total, len(what))
			case err == nil, socket.ErrTruncated.Error() == errText(err):
				continue
			}
			if _, again := s.Read(b); again == nil || (err == io.EOF) != (again == io.EOF) {
				t.Fatalf("after %v comes %v", err, again)
			}
			return
		}
	})
}

// errText is the text of the error beneath what a socket adds.
func errText(err error) string {
	for {
		under, ok := err.(interface{ Unwrap() error })
		if !ok || under.Unwrap() == nil {
			return err.Error()
		}
		err = under.Unwrap()
	}
}

// Whatever a client asks, it is refused or served.
func FuzzRequest(f *testing.F) {
	const good = "GET /chat?x=1 HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	for _, seed := range []string{
		good + "\r\n", good + "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\nSec-WebSocket-Protocol: a, b\r\n\r\n\x81\x00",
		"GET / HTTP/1.1\r\n\r\n", "POST", "", "\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	p := &prepared{layer: messageLayer, passive: true, path: "/chat", subprotocols: []string{"b"}, deflate: true, maxMessage: 1 << 10}
	f.Fuzz(func(t *testing.T, what []byte) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		s, err := p.accept(ctx, said(t, what), func() {})
		if err == nil && !bytes.Contains(what, []byte("\r\n\r\n")) {
			t.Fatalf("%q is served", what)
		}
		if err == nil {
			s.Close()
		}
	})
}

// Whatever a server answers, it is an error: it cannot know the key.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
		"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\n<p>no", "HTTP/1.1 301 Moved\r\nLocation: /x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
		"SSH-2.0-x\r\n\r\n", "HTTP/1.0 200\r\n\r\n", "",
	} {
		f.Add([]byte(seed))
	}
	p := &prepared{layer: messageLayer, host: "localhost:80", subprotocols: []string{"b"}, deflate: true, maxMessage: 1 << 10}
	f.Fuzz(func(t *testing.T, what []byte) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if s, err := p.connect(ctx, said(t, what)); err == nil {
			s.Close()
			t.Fatalf("%q is an answer", what)
		}
	})
}
