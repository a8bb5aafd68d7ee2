package socket_test

import (
	"context"
	"fmt"
	"io"
	"log"

	"zocalo/socket"
)

// Urgent data comes ahead of what was sent before it. The mark tells where it
// was sent.
func ExampleSocket_ReceiveUrgent() {
	a, b, err := socket.Pair(socket.Unix, socket.Stream, 0)
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	if b.Properties().Urgent == 0 { // before Linux 5.15
		a.Close()
		return
	}
	must(a.Write([]byte("before ")))
	must(a.SendUrgent([]byte("!")))
	must(a.Write([]byte("after")))
	a.Close()

	urgent := make([]byte, 1)
	must(b.ReceiveUrgent(context.Background(), urgent))
	fmt.Printf("urgent: %s\n", urgent)
	buffer := make([]byte, 100)
	n := must(b.Read(buffer)) // ends at the mark
	fmt.Printf("%s%v\n", buffer[:n], must(b.AtMark()))
	fmt.Printf("%s\n", must(io.ReadAll(b)))
	// Output:
	// urgent: !
	// before true
	// after
}
