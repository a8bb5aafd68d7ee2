package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"zocalo/socket"
	"zocalo/socket/option"
)

// A sink counts what arrives.
type sink struct {
	socket *socket.Socket
	count  atomic.Int64
	done   sync.WaitGroup
}

const batch = 64

func newSink() (*sink, error) {
	s, err := socket.New(socket.Inet, socket.Datagram, 0)
	if err != nil {
		return nil, err
	}
	err = errors.Join(
		option.UDPGRO.Set(s, true),
		option.ReceiveBuffer.Set(s, 4<<20),
		s.Bind(socket.InetName(netip.MustParseAddrPort("127.0.0.1:0"))))
	if err != nil {
		s.Close()
		return nil, err
	}
	k := &sink{socket: s}
	k.done.Go(func() {
		ms := make([]socket.Message, batch)
		for i := range ms {
			ms[i].SetData(make([]byte, 64<<10))
		}
		for {
			n, err := s.ReceiveBatch(ms)
			if err != nil {
				return
			}
			got := 0
			for _, m := range ms[:n] {
				got += (m.N + *size - 1) / *size
			}
			k.count.Add(int64(got))
		}
	})
	return k, nil
}

func (k *sink) port() string {
	return strconv.Itoa(int(k.socket.Name().AddrPort().Port()))
}

func (k *sink) close() {
	k.socket.Close()
	k.done.Wait()
}

// A source sends from many sockets.
type source struct {
	work
	sockets []*socket.Socket
}

func newSource(w work, port string) (*source, error) {
	to, err := netip.ParseAddrPort("127.0.0.1:" + port)
	if err != nil {
		return nil, err
	}
	s := &source{work: w}
	for range w.peers {
		c, err := socket.New(socket.Inet, socket.Datagram, 0)
		if err == nil {
			s.sockets = append(s.sockets, c)
			err = c.Connect(context.Background(), socket.InetName(to))
		}
		if err != nil {
			s.close()
			return nil, err
		}
	}
	return s, nil
}

func (s *source) close() {
	for _, c := range s.sockets {
		c.Close()
	}
}

// greet sends from each peer until the relay has passed it on, so that every
// session is there before the measurement.
func (s *source) greet(k *sink) error {
	hello := make([]byte, 1)
	end := time.Now().Add(30 * time.Second)
	for peers := range slices.Chunk(s.sockets, 20) {
		before := k.count.Load()
		for try := 0; k.count.Load() < before+int64(len(peers)); try++ {
			if time.Now().After(end) {
				return errors.New("nothing comes through")
			}
			if try%100 == 0 {
				for _, c := range peers {
					c.Write(hello) // refused until the relay is there
				}
			}
			time.Sleep(time.Millisecond)
		}
	}
	return nil
}

// run sends until ctx ends: one train or a batch of datagrams of each peer in
// turn. It returns how many datagrams left.
func (s *source) run(ctx context.Context) (sent int) {
	ms := make([]socket.Message, s.batch)
	for i := range ms {
		ms[i].SetData(make([]byte, s.train**size))
		if s.train > 1 {
			ms[i].SegmentSize = *size
		} else {
			ms[i].Flags = socket.DontRoute // which keeps it from being joined to a train
		}
	}
	for i := 0; ctx.Err() == nil; i++ {
		n, _ := s.sockets[i%len(s.sockets)].SendBatch(ms)
		sent += n * s.train
	}
	return sent
}

// freePort returns one that the system gives to nobody by itself.
func freePort() (string, error) {
	for {
		port := strconv.Itoa(10_000 + rand.IntN(20_000))
		c, err := net.ListenPacket("udp4", "127.0.0.1:"+port)
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err != nil {
			return "", err
		}
		return port, c.Close()
	}
}
