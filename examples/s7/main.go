// S7 asks a Siemens S7 for the size of messages that it agrees to: the first thing that
// every client of one says.
//
//	s7 iso:192.168.0.100,tsap=rack0slot2
package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"zocalo"
	"zocalo/iso"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: s7 iso:HOST,tsap=rack0slot2")
	}
	size, err := ask(context.Background(), os.Args[1])
	var refused *iso.RefusedError
	if errors.As(err, &refused) {
		log.Fatalf("s7: %v: is rack and slot right?", err)
	}
	if err != nil {
		log.Fatalf("s7: %v", err)
	}
	fmt.Println("messages of at most", size, "bytes")
}

// setup asks for one request at once each way, and messages of 480 bytes.
var setup = []byte{
	0x32, 0x01, 0, 0, 0, 1, 0, 8, 0, 0, // a job with 8 bytes of parameters
	0xf0, 0, 0, 1, 0, 1, 0x01, 0xe0,
}

func ask(ctx context.Context, address string) (size int, err error) {
	d := zocalo.Dialer{Timeout: 15 * time.Second}
	c, err := d.Dial(ctx, address)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(15 * time.Second))
	if _, err := c.Write(setup); err != nil {
		return 0, err
	}
	answer := make([]byte, 512) // a read is a whole message
	n, err := c.Read(answer)
	if err != nil {
		return 0, err
	}
	if answer = answer[:n]; n < 20 || answer[0] != 0x32 || answer[1] != 3 || answer[12] != 0xf0 {
		return 0, fmt.Errorf("that is no answer of an S7: % x", answer)
	}
	return int(binary.BigEndian.Uint16(answer[18:])), nil
}
