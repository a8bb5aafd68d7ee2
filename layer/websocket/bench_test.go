package websocket_test

import (
	"bufio"
	"bytes"
	"context"
	"net"
	"testing"

	"github.com/gobwas/ws"

	"zocalo"
	"zocalo/relay/join"
)

// 64 bytes there and back through the engine of relays, many on their way.
func BenchmarkEcho(b *testing.B) {
	l, err := zocalo.Listen(b.Context(), "ws:127.0.0.1:0")
	try(b, err)
	defer l.Close()
	over := make(chan struct{})
	go func() {
		defer close(over)
		if s, err := l.Accept(context.Background()); err == nil {
			join.Echo(context.Background(), join.End{Socket: s}, join.Options{})
		}
	}()
	conn, err := net.Dial("tcp", l.Addr().String())
	try(b, err)
	_, _, err = ws.Dialer{}.Upgrade(conn, localURL)
	try(b, err)
	const window, size, answer = 64, 64, 66
	var frame bytes.Buffer
	ws.WriteHeader(&frame, ws.Header{Fin: true, OpCode: ws.OpBinary, Length: size, Masked: true})
	frame.Write(make([]byte, size))
	frames := bytes.Repeat(frame.Bytes(), window)
	r := bufio.NewReaderSize(conn, 64<<10)
	b.ReportAllocs()
	b.ResetTimer()
	sent := min(b.N, window)
	conn.Write(frames[:sent*frame.Len()])
	for got, n := 0, 0; n < b.N; {
		_, err := r.Peek(1)
		try(b, err)
		k, _ := r.Discard(r.Buffered())
		got += k
		more := min(got/answer-n, b.N-sent)
		n = got / answer
		for more > 0 {
			m := min(more, window)
			conn.Write(frames[:m*frame.Len()])
			more, sent = more-m, sent+m
		}
	}
	b.StopTimer()
	conn.Close()
	<-over
}
