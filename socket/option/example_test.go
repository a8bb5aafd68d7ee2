package option_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"zocalo"
	"zocalo/address"
	"zocalo/socket/option"
)

// An option is set by its variable on a socket that is open, and by With on an address that
// is to be. Each has its type.
func Example() {
	ctx := context.Background()
	l, err := zocalo.Listen(ctx, "tcp:127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	a, err := address.Parse(l.Address())
	if err != nil {
		log.Fatal(err)
	}
	a.Settings = append(a.Settings, option.KeepAliveIdle.With(time.Minute)) // as ",keepidle=1m" in the text
	s, err := zocalo.DialAddress(ctx, a)
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	if err := option.NoDelay.Set(s, false); err != nil {
		log.Fatal(err)
	}
	idle, err := option.KeepAliveIdle.Get(s)
	fmt.Println(idle, err)

	// What a socket does not have is an error that says so.
	fmt.Println(option.UDPGRO.Set(s, true))
	// Output:
	// 1m0s <nil>
	// UDP_GRO is not supported here: it needs a udp socket on Linux
}
