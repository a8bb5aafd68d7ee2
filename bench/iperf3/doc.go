// Package iperf3 speaks the protocol of iperf3 (https://github.com/esnet/iperf),
// on both sides: a [Client] measures against any iperf3 server, and a [Server]
// serves any iperf3 client, many at once, where iperf3 itself serves one and
// turns the others away.
//
// # The protocol
//
// Nobody has written it down; what follows was seen on the wire of iperf 3.12.
//
// A client opens a control connection, and sends a cookie: 36 characters
// and a zero byte. From then on each side leads the other through the states
// of a test, one byte each. The server asks for the parameters,
// a JSON object with its length before it in four bytes. It asks for the
// streams; the client opens them one after another, to the same port: over TCP
// each begins with the cookie, over UDP with four bytes that the server
// answers. The server then says that the test runs. The client says when it
// ends, both exchange their figures as JSON, and the client takes its leave.
//
//	client                          server
//	cookie                      ->
//	                            <-  PARAM_EXCHANGE
//	length, parameters          ->
//	                            <-  CREATE_STREAMS
//	streams                     ->
//	                            <-  TEST_START, TEST_RUNNING
//	data, either way or both
//	TEST_END                    ->
//	                            <-  EXCHANGE_RESULTS
//	length, results             ->
//	                            <-  length, results
//	                            <-  DISPLAY_RESULTS
//	IPERF_DONE                  ->
//
// Streams of TCP carry bytes that mean nothing. Datagrams of UDP begin with
// the time of sending, seconds and microseconds in four bytes each, and a
// number that counts from 1, in four bytes or, if the client asked for it,
// eight.
//
// # How the parts fit
//
// A [Test] is what a client wants; params.go has it as the wire does, and
// checks what a stranger sent. A run has the flows of a test at one end: it
// starts, counts and stops them, alike for client and server. Client and
// session lead the control connection. The entrance is where datagrams knock. A
// [Report] is what both ends found; its Result has it in the words of package
// bench.
//
// The package has no SCTP, and
// measures over IP and every stream socket that an address means. It prints
// nothing.
package iperf3
