package frame_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"strings"

	"zocalo/frame"
)

func Example() {
	format, err := frame.Parse("netstring")
	if err != nil {
		log.Fatal(err)
	}
	var stream bytes.Buffer // for a connection
	w, err := frame.NewWriter(&stream, format, 0)
	if err != nil {
		log.Fatal(err)
	}
	for _, msg := range []string{"Hello world!", "", "two\nlines"} {
		if _, err := w.Write([]byte(msg)); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Printf("%q\n", stream.String())

	r, err := frame.NewReader(&stream, format, 0)
	if err != nil {
		log.Fatal(err)
	}
	for {
		msg, err := r.Next()
		if err == io.EOF {
			break
		} else if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%q\n", msg)
	}
	// Output:
	// "12:Hello world!,0:,9:two\nlines,"
	// "Hello world!"
	// ""
	// "two\nlines"
}

// A message that is too long is counted, and the stream goes on.
func ExampleReader_Next() {
	stream := strings.NewReader("short\nmuch too long\nlast")
	r, err := frame.NewReader(stream, frame.Format{Kind: frame.Lines}, 8)
	if err != nil {
		log.Fatal(err)
	}
	refused := 0
	for {
		msg, err := r.Next()
		if errors.Is(err, frame.ErrRefused) {
			refused++
			continue
		} else if err != nil {
			fmt.Println(err, "after", refused, "refused")
			break
		}
		fmt.Printf("%s\n", msg)
	}
	// Output:
	// short
	// last
	// EOF after 1 refused
}

// Several messages can go out in one write.
func ExampleFormat_Append() {
	format := frame.Format{Kind: frame.Len16}
	var batch []byte
	for _, msg := range []string{"one", "two"} {
		var err error
		if batch, err = format.Append(batch, []byte(msg)); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Printf("%q\n", batch)
	// Output: "\x00\x03one\x00\x03two"
}

func ExampleParse() {
	f, err := frame.Parse("fixed:4KiB")
	fmt.Println(f, err)
	_, err = frame.Parse("netstrng")
	fmt.Println(err)
	// Output:
	// fixed:4096 <nil>
	// unknown format "netstrng": did you mean netstring?
}
