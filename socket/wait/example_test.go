package wait_test

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"syscall"

	"zocalo"
	"zocalo/socket"
	"zocalo/socket/scheme"
	"zocalo/socket/wait"
)

// A family of one's own: boxes in memory, which have a name and are sent messages. It is
// all that package socket and the address language need; deadlines, contexts and Close
// are package wait's. What more a box could do, as answer whether something waits
// ([socket.ReadWaiter]), would be methods besides.
func Example_family() {
	ctx := context.Background()
	l, err := zocalo.Listen(ctx, "box:office")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer l.Close()
	c, err := zocalo.Dial(ctx, "box:office")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	fmt.Fprint(c, "Hello world!")

	office := l.Sockets()[0]
	b := make([]byte, 100)
	n, err := office.Read(b)
	fmt.Printf("%v got %q, %v\n", office.Name(), b[:n], err)

	_, err = zocalo.Dial(ctx, "box:cellar")
	fmt.Println(err)
	// Output:
	// office got "Hello world!", <nil>
	// box:cellar: connection refused: nothing is listening there: start the server, or check the address
}

// Domain is the family's number. The kernel's are below 256.
const Domain socket.Domain = 0x1f0

func init() {
	socket.Register(&socket.Family{
		Name:       "box",
		Domains:    map[socket.Domain]string{Domain: "AF_BOX"},
		New:        newBox,
		FormatName: func(n socket.Name) string { return string(n.AppendData(nil)) },
		KindName:   func(socket.Kind) string { return "box" },
		Properties: func(socket.Kind) socket.Properties {
			return socket.Properties{Reliable: true, Ordered: true, Unduplicated: true, Bounded: true}
		},
	})
	scheme.Register(&scheme.Scheme{
		Name: "box", Endpoint: "name", Doc: "a box of this process", Domains: []socket.Domain{Domain}, Type: socket.Datagram,
		Resolve: func(_ context.Context, t scheme.Target) ([]socket.Name, error) {
			n, err := socket.MakeName(Domain, []byte(t.Endpoint))
			return []socket.Name{n}, err
		},
	})
}

var boxes sync.Map // by name

// A box is an endpoint: what it embeds has its deadlines, and ends its calls.
type box struct {
	wait.Life
	in   chan letter
	room wait.Bell // rung when there is room in it
	mu   sync.Mutex
	name socket.Name
	peer *box
}

type letter struct {
	from socket.Name
	data []byte
}

func newBox(k socket.Kind) (socket.Endpoint, error) {
	if k.Type != socket.Datagram || k.Protocol != 0 {
		return nil, &socket.UnsupportedError{Feature: "a box of type " + k.Type.String(), Needs: "datagrams"}
	}
	b := &box{in: make(chan letter, 16), room: wait.NewBell()}
	b.Init()
	return b, nil
}

// Bind gives the box its name.
func (b *box) Bind(n socket.Name) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, taken := boxes.LoadOrStore(n, b); taken {
		return wait.Syscall("bind", syscall.EADDRINUSE)
	}
	b.name = n
	return nil
}

// Connect remembers where Write sends to.
func (b *box) Connect(_ context.Context, n socket.Name) error {
	peer, err := b.receiver(n)
	if err != nil {
		return wait.Syscall("connect", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.peer = peer
	return nil
}

// Send waits while the peer's box is full: for room, or for what ends the call. A peer that
// the message names counts more than the connected one.
func (b *box) Send(m *socket.Message) (int, error) {
	to, err := b.receiver(m.Peer)
	if err != nil {
		return 0, wait.Syscall("send", err)
	}
	l := b.WriteLimits(context.Background())
	sent := letter{b.Name(), bytes.Join(m.Buffers, nil)}
	err = l.Await(to.room, "send", func() (ready bool, err error) {
		if to.Ended() {
			return false, syscall.ECONNREFUSED
		}
		select {
		case to.in <- sent:
			return true, nil
		default:
			return false, nil
		}
	})
	to.room.Ring() // for the next one that waits
	if err != nil {
		return 0, err
	}
	return len(sent.data), nil
}

func (b *box) receiver(n socket.Name) (*box, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n.IsZero() {
		if b.peer == nil {
			return nil, syscall.EDESTADDRREQ
		}
		return b.peer, nil
	}
	to, ok := boxes.Load(n)
	if !ok {
		return nil, syscall.ECONNREFUSED
	}
	return to.(*box), nil
}

// Receive takes one letter.
func (b *box) Receive(m *socket.Message) error {
	l := b.ReadLimits(context.Background())
	got, err := wait.Receive(&l, b.in)
	if err != nil {
		return err
	}
	b.room.Ring()
	m.Peer, m.N, m.Size, m.Flags = got.from, 0, len(got.data), 0
	for _, to := range m.Buffers {
		m.N += copy(to, got.data[m.N:])
	}
	if m.N < m.Size {
		m.Flags = socket.Truncated
		return socket.ErrTruncated
	}
	return nil
}

func (b *box) Write(data []byte) (int, error) {
	var m socket.Message
	m.SetData(data)
	return b.Send(&m)
}

func (b *box) Read(data []byte) (int, error) {
	var m socket.Message
	m.SetData(data)
	err := b.Receive(&m)
	return m.N, err
}

// Close ends every call that waits.
func (b *box) Close() error {
	if err := b.End(); err != nil {
		return err
	}
	boxes.CompareAndDelete(b.Name(), b)
	b.room.Ring() // whoever waits to write finds it closed
	return nil
}

func (b *box) Name() socket.Name {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.name
}

func (b *box) Peer() socket.Name {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.peer == nil {
		return socket.Name{}
	}
	return b.peer.Name()
}
