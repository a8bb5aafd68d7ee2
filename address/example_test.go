package address_test

import (
	"fmt"
	"os"

	"zocalo/address"
	"zocalo/socket/scheme"
)

func ExampleParse() {
	a, err := address.Parse("TCP-LISTEN:8080,fork,reuseaddr,backlog=16")
	if err != nil {
		fmt.Println(err)
		return
	}
	backlog, _ := address.Backlog.In(a.Settings)
	fmt.Println(a.Scheme.Name, a.Listen, a.Endpoint, backlog)
	fmt.Println(a)
	// Output:
	// tcp true 8080 16
	// tcp-listen:8080,fork,reuseaddr,backlog=16
}

func ExampleParse_mistake() {
	for _, text := range []string{"tpc:localhost:80", "localhost:80", "tcp:localhost:http,bind", "unix:/x,backlog=many"} {
		_, err := address.Parse(text)
		fmt.Println(err)
	}
	// Output:
	// unknown scheme "tpc": did you mean tcp?
	// unknown scheme "localhost": did you mean tcp:localhost:80?
	// option bind of tcp: it needs a value: write bind=NAME
	// option backlog of unix: "many" is not a whole number of at most 32 bits
}

// A comma in a path is written twice.
func ExampleAddress_String() {
	unix, _ := scheme.Lookup("unix")
	a := address.Address{Scheme: unix, Listen: true, Endpoint: "/tmp/a,b"}
	fmt.Println(a)
	b, err := address.Parse("unix-listen:/tmp/a,,b")
	fmt.Println(b.Endpoint, err)
	// Output:
	// unix-listen:/tmp/a,,b
	// /tmp/a,b <nil>
}

func ExampleExplain() {
	a, err := address.Parse("tcp-listen:5346")
	if err != nil {
		fmt.Println(err)
		return
	}
	e := address.Explain(a)
	e.Options = nil // there are many
	if err := e.WriteText(os.Stdout, 80); err != nil {
		fmt.Println(err)
	}
	// Output:
	// tcp-listen:5346
	//
	//   tcp       TCP, a stream
	//   side      passive: it waits there for peers
	//   endpoint  host: not given (localhost, on every address that it has)
	//             port: 5346
	//   socket    socket(AF_INET, SOCK_STREAM, 0)
	//   socket    socket(AF_INET6, SOCK_STREAM, 0)
	//   promises  reliable, ordered, unduplicated, connected, urgent (1 byte), not
	//             bounded
}
