package fault_test

import (
	"fmt"
	"io"
	"log"
	"net"
	"time"

	"zocalo/fault"
)

// A connection of a test whose answers are late. In a bubble of testing/synctest this takes no
// time at all.
func ExamplePlan_Conn() {
	plan := fault.New(42)
	if _, err := plan.Add(fault.Fault{Direction: fault.Down, Effect: fault.Latency{Mean: 50 * time.Millisecond}}); err != nil {
		log.Fatal(err)
	}
	client, server := net.Pipe()
	go func() {
		io.WriteString(server, "late")
		server.Close()
	}()
	c := plan.Conn(client, 1)
	began := time.Now()
	text, err := io.ReadAll(c)
	fmt.Println(string(text), err, time.Since(began) >= 50*time.Millisecond)
	c.Close()
	// Output: late <nil> true
}

// The words of the command are faults too, and faults are words.
func ExampleParse() {
	f, err := fault.Parse("up:loss=ge(1%,30%)")
	fmt.Println(f, err)
	_, err = fault.Parse("up:latncy=1s")
	fmt.Println(err)
	// Output:
	// up:loss=ge(1%,30%,100%,0%) <nil>
	// fault "up:latncy=1s": unknown effect "latncy": did you mean latency?
}

// Faults change while data passes.
func ExamplePlan_Add() {
	plan := fault.New(fault.DrawSeed())
	slow, err := plan.Add(fault.Fault{Name: "slow", Effect: fault.Rate{Bytes: 1000}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(plan)
	if err := slow.Set(fault.Fault{Direction: fault.Down, Effect: fault.Rate{Bytes: 1e6}}); err != nil {
		log.Fatal(err)
	}
	fmt.Print(plan)
	slow.Remove()
	fmt.Print(plan)
	// Output:
	// slow@rate=1000
	// slow@down:rate=1000000
}

// A schedule says what begins and ends when.
func ExampleParseSchedule() {
	s, err := fault.ParseSchedule([]byte(`
[[fault]]
do = "partition"
after = "10s"
for = "2s"
every = "1m"
`))
	if err != nil {
		log.Fatal(err)
	}
	plan := fault.New(1)
	if err := plan.Set(s.Faults...); err != nil {
		log.Fatal(err)
	}
	fmt.Print(plan)
	// Output: partition@partition,after=10s,for=2s,every=1m0s
}
