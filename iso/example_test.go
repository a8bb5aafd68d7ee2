package iso_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"syscall"

	"zocalo"
	"zocalo/iso"
	"zocalo/socket"
)

// A listener and a client, by the calls that every domain has.
func Example() {
	ctx := context.Background()
	name, _ := iso.MakeName(netip.MustParseAddrPort("127.0.0.1:0"), "server")

	l, _ := socket.New(iso.Domain, socket.SeqPacket, 0)
	defer l.Close()
	l.Bind(name)
	l.Listen(5)

	c, _ := socket.New(iso.Domain, socket.SeqPacket, 0)
	defer c.Close()
	if err := c.Connect(ctx, l.Name()); err != nil {
		fmt.Println(err)
		return
	}
	c.Write([]byte("one message"))
	c.Write([]byte("another"))

	s, _ := l.Accept(ctx)
	defer s.Close()
	b := make([]byte, 100)
	for range 2 {
		n, _ := s.Read(b)
		fmt.Printf("%s, for %v from %v\n", b[:n], iso.SelectorOf(s.Name()), iso.SelectorOf(s.Peer()))
	}
	// Output:
	// one message, for server from 0x0100
	// another, for server from 0x0100
}

// Two listeners of one program share a port, told apart by their selectors.
func Example_address() {
	ctx := context.Background()
	plc, err := zocalo.Listen(ctx, "iso:127.0.0.1:0,tsap=rack0slot2")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer plc.Close()
	port := iso.AddrPort(plc.Name()).Port()
	panel, err := zocalo.Listen(ctx, fmt.Sprintf("iso:127.0.0.1:%d,tsap=op-rack0slot2", port))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer panel.Close()

	c, err := zocalo.Dial(ctx, fmt.Sprintf("iso:127.0.0.1:%d,tsap=0x0202", port))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	s, _ := panel.Accept(ctx)
	defer s.Close()
	fmt.Println("called:", iso.SelectorOf(s.Name()))

	_, err = zocalo.Dial(ctx, fmt.Sprintf("iso:127.0.0.1:%d,tsap=nobody", port))
	var refused *iso.RefusedError
	if errors.As(err, &refused) {
		fmt.Println("refused:", refused.Reason, errors.Is(err, syscall.ECONNREFUSED))
	}
	// Output:
	// called: 0x0202
	// refused: the called selector is unknown true
}

func ExampleParseSelector() {
	for _, text := range []string{"0x0302", "rack0slot2", "op-rack0slot2", "basic-rack1slot0", `"MMS"`} {
		s, err := iso.ParseSelector(text)
		fmt.Printf("%s % x %v\n", s, string(s), err)
	}
	// Output:
	// 0x0302 03 02 <nil>
	// 0x0102 01 02 <nil>
	// 0x0202 02 02 <nil>
	// 0x0320 03 20 <nil>
	// MMS 4d 4d 53 <nil>
}

// The trace shows the TPDUs of a connection as they come and go.
func Example_trace() {
	ctx := context.Background()
	l, _ := zocalo.Listen(ctx, "iso:127.0.0.1:0,tsap=x")
	defer l.Close()

	socket.SetTrace(func(c socket.Call) {
		if c.Name == "tpdu-out" && c.Args[:2] == "DT" {
			fmt.Println(c.Name, c.Args, "=", c.Result)
		}
	})
	defer socket.SetTrace(nil)
	c, err := zocalo.Dial(ctx, "iso:"+l.Name().String()+",tpdu=128")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	c.Write(make([]byte, 200))
	// Output:
	// tpdu-out DT data=125 = 128
	// tpdu-out DT eot data=75 = 78
}
