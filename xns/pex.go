package xns

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"syscall"
	"time"

	"zocalo/socket"
)

// The times of a Packet Exchange (XSIS 028112): how many times a request is
// sent, and how far apart.
const (
	exchangeTries = 3
	exchangeWait  = time.Second
)

const pexHeader = 6 // bytes: identifier, client type

// Client types of the Packet Exchange Protocol.
const (
	ClientUnspecified   = 0
	ClientTime          = 1
	ClientClearinghouse = 2
)

// Exchange sends a request by the Packet Exchange Protocol and returns the
// reply. It asks up to 3 times, a second apart; ETIMEDOUT means that nobody
// answered, and ctx may end it before. With the host [Broadcast] the first
// reply counts.
func (h *Host) Exchange(ctx context.Context, to Addr, client uint16, request []byte) (reply []byte, err error) {
	_, reply, err = h.exchange(ctx, to, client, request)
	return reply, err
}

// exchange also says who replied.
func (h *Host) exchange(ctx context.Context, to Addr, client uint16, request []byte) (from Addr, reply []byte, err error) {
	asked := exchangeRequest(rand.Uint32(), client, request)
	q := question{host: h, to: to, kind: TypePEX, data: asked, tries: exchangeTries, every: exchangeWait}
	err = q.ask(ctx, func(who Addr, data []byte) (ok bool) {
		from = who
		reply, ok = exchangeReply(asked, data)
		return ok
	})
	return from, reply, err
}

// exchangeRequest is the data of a packet of Packet Exchange.
func exchangeRequest(id uint32, client uint16, request []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, id)
	b = binary.BigEndian.AppendUint16(b, client)
	return append(b, request...)
}

// exchangeReply returns what a packet replies to a request, if it does.
func exchangeReply(request, data []byte) (reply []byte, ok bool) {
	if len(data) < pexHeader || string(data[:4]) != string(request[:4]) {
		return nil, false
	}
	return data[pexHeader:], true
}

// A question is a datagram that is sent until enough answers came.
type question struct {
	host  *Host
	to    Addr
	kind  uint8
	data  []byte
	tries int
	every time.Duration
}

// ask sends the question and gives each answer to take, until that returns
// true. The answer is take's to keep.
func (q *question) ask(ctx context.Context, take func(from Addr, data []byte) (enough bool)) error {
	s, err := q.host.Socket(socket.Datagram)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := errors.Join(PacketType.Set(s, q.kind), Broadcasting.Set(s, true), MTU.Set(s, MaxPacket-HeaderSize-SPPHeaderSize)); err != nil {
		return err
	}
	if err := s.Connect(ctx, q.to.Name()); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { s.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	m := socket.Message{Buffers: [][]byte{nil}}
	for range q.tries {
		if _, err := s.Write(q.data); err != nil {
			return err
		}
		s.SetReadDeadline(time.Now().Add(q.every))
		for {
			if err := ctx.Err(); err != nil {
				return err
			}
			m.Buffers[0] = make([]byte, MaxPacket)
			err := s.Receive(&m)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break
			}
			if err != nil {
				return err
			}
			from, _ := AddrOf(m.Peer)
			if TypeOf(&m) == q.kind && take(from, m.Buffers[0][:m.N]) {
				return nil
			}
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return os.NewSyscallError("exchange", syscall.ETIMEDOUT)
}

// A Responder answers a request by the Packet Exchange Protocol; nil is no
// answer. The request is its own only until it returns.
type Responder func(from Addr, client uint16, request []byte) (reply []byte)

// Respond answers the requests to one of the host's sockets until the result
// is closed. A repeated request is answered again, which should do no harm.
func (h *Host) Respond(number uint16, answer Responder) (*Service, error) {
	s, err := h.Socket(socket.Datagram)
	if err != nil {
		return nil, err
	}
	name := Addr{Socket: number}.Name()
	if err := errors.Join(Reserved.Set(s, true), PacketType.Set(s, TypePEX), MTU.Set(s, MaxPacket-HeaderSize-SPPHeaderSize), s.Bind(name)); err != nil {
		s.Close()
		return nil, err
	}
	r := &Service{s: s, done: make(chan struct{})}
	go r.serve(answer)
	return r, nil
}

// A Service answers requests; see [Host.Respond].
type Service struct {
	s    *socket.Socket
	done chan struct{}
}

// Addr returns the socket at which it answers.
func (r *Service) Addr() Addr {
	a, _ := AddrOf(r.s.Name())
	return a
}

// Done returns what is closed when the service has ended: by Close, or since
// its host did.
func (r *Service) Done() <-chan struct{} { return r.done }

func (r *Service) serve(answer Responder) {
	defer close(r.done)
	buf := make([]byte, MaxPacket)
	for {
		m := socket.Message{Buffers: [][]byte{buf}}
		if err := r.s.Receive(&m); err != nil {
			return
		}
		if TypeOf(&m) != TypePEX || m.N < pexHeader {
			continue
		}
		from, _ := AddrOf(m.Peer)
		reply := answer(from, binary.BigEndian.Uint16(buf[4:]), buf[pexHeader:m.N])
		if reply != nil {
			r.s.Send(&socket.Message{Buffers: [][]byte{buf[:pexHeader], reply}, Peer: m.Peer})
		}
	}
}

// Close ends the service.
func (r *Service) Close() error {
	err := r.s.Close()
	<-r.done
	return err
}
