package service_test

import (
	"context"
	"fmt"
	"io"

	"zocalo"
	"zocalo/address"
	"zocalo/service"
	"zocalo/socket"
)

// An echo server and a relay in front of it, from a text.
func Example() {
	config, err := service.Parse("example.toml", []byte(`
[service.echo]
verb = "echo"
from = "unix:@zocalo-example-echo"

[service.front]
from = "tcp-listen:127.0.0.1:0"
to = "unix:@zocalo-example-echo"
idle = "1m"
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	front := make(chan string, 1)
	set, err := service.New(config, service.Options{Listening: func(name string, l *zocalo.Listener, _ address.Address) {
		if name == "front" {
			front <- l.Address()
		}
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	over := make(chan error)
	go func() { over <- set.Run(ctx) }()

	c, err := zocalo.Dial(ctx, <-front)
	if err != nil {
		fmt.Println(err)
		return
	}
	io.WriteString(c, "hello")
	c.Shutdown(socket.ShutdownWrite)
	answer, err := io.ReadAll(c)
	fmt.Println(string(answer), err)
	c.Close()
	stop()
	fmt.Println(<-over)
	// Output:
	// hello <nil>
	// <nil>
}

// Problems are told all at once, each with its place.
func ExampleParse() {
	_, err := service.Parse("wrong.toml", []byte(`
[service.web]
from = "tcp-listen:8080"
to = "tcp:127.0.0.1:99999"
idel = "5m"
`))
	fmt.Println(err)
	// Output:
	// wrong.toml:4:6: web: tcp:127.0.0.1:99999: port 99999 is out of range: ports go from 0 to 65535
	// wrong.toml:5:1: web: unknown key "idel": did you mean idle?
}

// A config needs no file: services are text in the words of the command line.
func ExampleService_Text() {
	s := service.Service{
		Name:    "db",
		From:    []string{"tcp-listen:5432"},
		To:      []service.Target{{Address: "tcp:db1:5432", Weight: 2}, {Address: "tcp:db2:5432", Backup: true}},
		Options: map[string][]string{"idle": {"10m"}, "max-conns": {"500"}},
	}
	fmt.Print(s.Text())
	// Output:
	// [service.db]
	// from = "tcp-listen:5432"
	// to = [{ address = "tcp:db1:5432", weight = 2 }, { address = "tcp:db2:5432", backup = true }]
	// max-conns = 500
	// idle = "10m"
}
