package record_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"

	"zocalo"
	"zocalo/address"
	"zocalo/record"
	"zocalo/record/capture"
	"zocalo/relay"
	"zocalo/relay/join"
	"zocalo/relay/outcome"
	"zocalo/socket"
)

// What passes through a relay is recorded, and read again.
func ExampleRecorder_Hook() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "talk.pcapng")
	rec, err := record.Create(file, record.Options{Must: true})
	if err != nil {
		log.Fatal(err)
	}

	from, _ := address.Parse("tcp-listen:127.0.0.1:0,once")
	to, _ := address.Parse("exec:cat")
	r := &relay.Relay{Config: relay.Config{From: from, To: []address.Address{to}}}
	listening := make(chan string, 1)
	r.Listening = func(l *zocalo.Listener, _ address.Address) error {
		listening <- l.Name().String()
		return nil
	}
	rec.Hook(&r.Hooks)
	done := make(chan error, 1)
	go func() { done <- r.Run(context.Background()) }()

	c, err := zocalo.Dial(context.Background(), "tcp:"+<-listening)
	if err != nil {
		log.Fatal(err)
	}
	io.WriteString(c, "hola")
	c.CloseWrite()
	io.ReadAll(c)
	c.Close()
	if err := <-done; err != nil {
		log.Fatal(err)
	}
	if err := rec.Close(); err != nil {
		log.Fatal(err)
	}

	f, err := os.Open(file)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	read, err := capture.Read(context.Background(), f, capture.Options{})
	if err != nil {
		log.Fatal(err)
	}
	for _, c := range read.Conversations {
		fmt.Println(c.Kind, c.Bytes)
	}
	// Output: tcp [4 4]
}

// Two ends that package join joins.
func ExampleRecorder_Join() {
	rec, err := record.New(io.Discard, record.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer rec.Close()
	a, mine, _ := socket.Pair(socket.Unix, socket.Stream, 0)
	b, yours, _ := socket.Pair(socket.Unix, socket.Stream, 0)
	var o join.Options
	pair := rec.Join(record.Info{Ends: [2]*socket.Socket{a, b}}, &o)
	go func() {
		io.WriteString(mine, "hola")
		mine.CloseWrite()
		io.ReadAll(yours)
		yours.Close()
	}()
	result, err := join.Join(context.Background(), join.End{Socket: a}, join.End{Socket: b}, o)
	pair.End(result, err)
	mine.Close()
	fmt.Println(result.From[outcome.A].Bytes, err)
	// Output: 4 <nil>
}
