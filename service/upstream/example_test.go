package upstream_test

import (
	"context"
	"fmt"
	"sync"

	"zocalo/address"
	"zocalo/relay"
	"zocalo/service/upstream"
)

// A relay that balances what comes to port 5432 over two servers, which it asks every
// two seconds whether they answer.
func ExamplePool() {
	from, _ := address.Parse("tcp-listen:127.0.0.1:0")
	one, _ := address.Parse("tcp:10.0.0.1:5432")
	two, _ := address.Parse("tcp:10.0.0.2:5432")
	spare, _ := address.Parse("tcp:10.0.9.9:5432")
	pool, err := upstream.New(upstream.Config{
		Members: []upstream.Member{{Address: one, Weight: 3}, {Address: two}, {Address: spare, Backup: true}},
		Check:   upstream.Check{Kind: upstream.CheckConnect},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	r := &relay.Relay{Config: relay.Config{From: from, To: pool.Addresses()}}
	pool.Link().Hook(&r.Hooks)

	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { pool.Run(ctx) })
	running.Go(func() { r.Run(ctx) })

	pool.Eject("tcp:10.0.0.2:5432")
	for _, s := range pool.Status().Servers {
		fmt.Println(s.Address, s.Weight, s.Health == upstream.Off)
	}
	stop() // the program ends
	running.Wait()
	// Output:
	// tcp:10.0.0.1:5432 3 false
	// tcp:10.0.0.2:5432 1 true
	// tcp:10.0.9.9:5432 1 false
}
