package process_test

import (
	"fmt"
	"io"

	"zocalo/process"
	"zocalo/socket"
)

// A program whose standard input and output are one end of a socket pair.
func ExampleStart() {
	ours, theirs, err := socket.Pair(socket.Unix, socket.Stream, 0)
	if err != nil {
		panic(err)
	}
	defer ours.Close()
	file, err := process.Descriptor(theirs) // blocking, as programs expect
	if err != nil {
		panic(err)
	}
	p, err := process.Start(process.Command{Args: []string{"cat"}, Stdin: file, Stdout: file})
	file.Close() // the program has its own now
	if err != nil {
		panic(err)
	}

	io.WriteString(ours, "hola")
	ours.CloseWrite()
	answer, err := io.ReadAll(ours)
	fmt.Printf("%s, %v\n", answer, err)
	fmt.Println("it ended with", p.Wait())
	// Output:
	// hola, <nil>
	// it ended with <nil>
}

func ExampleWords() {
	words, err := process.Words(`grep -c 'two words' file`)
	fmt.Printf("%q %v\n", words, err)
	// Output: ["grep" "-c" "two words" "file"] <nil>
}
