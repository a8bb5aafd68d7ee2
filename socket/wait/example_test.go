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
// are package wait's. What more a box could do, as tell who sent a message
// ([socket.Messenger]), would be methods besides.
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
		Name: "box", Endpoint: "NAME", Doc: "a box of this process", Domains: []socket.Domain{Domain}, Type: socket.Datagram,
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
	in   chan []byte
	room wait.Bell // rung when there is room in it
	mu   sync.Mutex
	name socket.Name
	peer *box
}

func newBox(k socket.Kind) (socket.Endpoint, error) {
	if k.Type != socket.Datagram || k.Protocol != 0 {
		return nil, &socket.UnsupportedError{Feature: "a box of type " + k.Type.String(), Needs: "datagrams"}
	}
	b := &box{in: make(chan []byte, 16), room: wait.NewBell()}
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
	peer, ok := boxes.Load(n)
	if !ok {
		return wait.Syscall("connect", syscall.ECONNREFUSED)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.peer = peer.(*box)
	return nil
}

// Write waits while the peer's box is full: for room, or for what ends the call.
func (b *box) Write(data []byte) (int, error) {
	b.mu.Lock()
	peer := b.peer
	b.mu.Unlock()
	if peer == nil {
		return 0, wait.Syscall("write", syscall.EDESTADDRREQ)
	}
	l := b.WriteLimits(context.Background())
	message := bytes.Clone(data)
	err := l.Await(peer.room, "write", func() (ready bool, err error) {
		if peer.Ended() {
			return false, syscall.ECONNREFUSED
		}
		select {
		case peer.in <- message:
			return true, nil
		default:
			return false, nil
		}
	})
	peer.room.Ring() // for the next who waits
	if err != nil {
		return 0, err
	}
	return len(data), nil
}

// Read takes one message.
func (b *box) Read(to []byte) (int, error) {
	l := b.ReadLimits(context.Background())
	data, err := wait.Receive(&l, b.in)
	if err != nil {
		return 0, err
	}
	b.room.Ring()
	n := copy(to, data)
	if n < len(data) {
		return n, socket.ErrTruncated
	}
	return n, nil
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
