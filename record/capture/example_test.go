package capture_test

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"zocalo/internal/pcapng"
	"zocalo/record/capture"
)

// The conversations of a file, and what was said in them.
func ExampleRead() {
	c, err := capture.Read(context.Background(), recording(), capture.Options{
		Want: func(c *capture.Conversation) bool { return c.Kind == "udp" },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, each := range c.Conversations {
		fmt.Println(each.Kind, each.Client, each.Server)
		for _, e := range each.Events {
			fmt.Printf("%v %s: %q\n", e.At, e.From, e.Data)
		}
	}
	// Output:
	// udp 10.0.0.1:9000 10.0.0.2:53
	// 0s client: "where?"
	// 2ms server: "here"
}

// recording is a file with two datagrams of UDP over IPv4.
func recording() *bytes.Buffer {
	file := new(bytes.Buffer)
	w, _ := pcapng.NewWriter(file, pcapng.Section{})
	w.Interface(pcapng.Interface{LinkType: pcapng.LinkRaw})
	at := time.Unix(1800000000, 0)
	ip := []byte{0x45, 0, 0, 34, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2}
	udp := []byte{0x23, 0x28, 0, 53, 0, 14, 0, 0}
	w.Packet(&pcapng.Packet{Time: at, Header: append(ip, udp...), Data: []byte("where?")})
	ip = []byte{0x45, 0, 0, 32, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 2, 10, 0, 0, 1}
	udp = []byte{0, 53, 0x23, 0x28, 0, 12, 0, 0}
	w.Packet(&pcapng.Packet{Time: at.Add(2 * time.Millisecond), Header: append(ip, udp...), Data: []byte("here")})
	return file
}
