package main

import (
	"bufio"
	"io"
	"net"
	"net/http"

	"github.com/gobwas/ws"
	"github.com/gorilla/websocket"
	"github.com/lxzan/gws"
)

// servers are the echo servers of libraries, as their documentation has them.
var servers = map[string]func(at string) error{"gobwas": serveGobwas, "gorilla": serveGorilla, "gws": serveGws}

// serveGobwas reads and writes frames through buffers of 64 KiB, and flushes when no
// input is left: the fastest that one would write by hand.
func serveGobwas(at string) error {
	l, err := net.Listen("tcp", at)
	if err != nil {
		return err
	}
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			if _, err := ws.Upgrade(conn); err != nil {
				return
			}
			r, w := bufio.NewReaderSize(conn, 64<<10), bufio.NewWriterSize(conn, 64<<10)
			payload := make([]byte, 1<<20)
			var in, out [ws.MaxHeaderSize]byte
			for {
				h, err := ws.ReadHeaderBuffer(r, in[:0])
				if err != nil {
					return
				}
				p := payload[:h.Length]
				if _, err := io.ReadFull(r, p); err != nil {
					return
				}
				ws.Cipher(p, h.Mask, 0)
				h.Masked = false
				if ws.WriteHeaderBuffer(w, h, out[:]) != nil {
					return
				}
				w.Write(p)
				if r.Buffered() == 0 && w.Flush() != nil {
					return
				}
			}
		}()
	}
}

func serveGorilla(at string) error {
	var upgrader websocket.Upgrader
	return http.ListenAndServe(at, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		for {
			kind, message, err := conn.ReadMessage()
			if err != nil || conn.WriteMessage(kind, message) != nil {
				return
			}
		}
	}))
}

type gwsEcho struct{ gws.BuiltinEventHandler }

func (gwsEcho) OnMessage(conn *gws.Conn, message *gws.Message) {
	defer message.Close()
	conn.WriteMessage(message.Opcode, message.Bytes())
}

func serveGws(at string) error {
	upgrader := gws.NewUpgrader(gwsEcho{}, &gws.ServerOption{})
	return http.ListenAndServe(at, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r)
		if err != nil {
			return
		}
		go conn.ReadLoop()
	}))
}
