package iperf3

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"zocalo/internal/units"
	"zocalo/socket"
)

// DefaultPort is iperf3's.
const DefaultPort = 5201

// A state is what one side tells the other over the control connection, in one
// byte.
type state int8

// The states that are sent.
const (
	testStart        state = 1
	testRunning      state = 2
	testEnd          state = 4
	paramExchange    state = 9
	createStreams    state = 10
	serverTerminate  state = 11
	clientTerminate  state = 12
	exchangeResults  state = 13
	displayResults   state = 14
	iperfDone        state = 16
	accessDenied     state = -1
	serverError      state = -2
	lengthOfCookie         = 37
	mostParameters         = 64 << 10 // bytes of JSON
	mostResults            = 8 << 20  // bytes of JSON; a server's output may come along
	controlPatience        = 30 * time.Second
	strangerPatience       = 10 * time.Second
)

var stateNames = map[state]string{
	testStart: "TEST_START", testRunning: "TEST_RUNNING", testEnd: "TEST_END", paramExchange: "PARAM_EXCHANGE",
	createStreams: "CREATE_STREAMS", serverTerminate: "SERVER_TERMINATE", clientTerminate: "CLIENT_TERMINATE",
	exchangeResults: "EXCHANGE_RESULTS", displayResults: "DISPLAY_RESULTS", iperfDone: "IPERF_DONE",
	accessDenied: "ACCESS_DENIED", serverError: "SERVER_ERROR",
}

// String returns the state's name in iperf3's source.
func (s state) String() string {
	if name, ok := stateNames[s]; ok {
		return name
	}
	return fmt.Sprintf("state %d", int8(s))
}

// A cookie tells the connections of one test from those of others.
type cookie [lengthOfCookie]byte

// newCookie returns one of the characters that iperf3 uses.
func newCookie() (c cookie) {
	var random [24]byte
	rand.Read(random[:])
	copy(c[:], strings.ToLower(base32.StdEncoding.EncodeToString(random[:]))[:lengthOfCookie-1])
	return c
}

// String returns the cookie without its end, fit to print.
func (c cookie) String() string {
	text, _, _ := strings.Cut(string(c[:]), "\x00")
	return printable(text)
}

// control is the control connection of a test. Its calls last no longer than
// patience.
type control struct {
	s        *socket.Socket
	patience time.Duration
}

func (c *control) send(s state) error {
	return c.write([]byte{byte(s)}, s.String())
}

func (c *control) write(b []byte, what string) error {
	c.s.SetWriteDeadline(time.Now().Add(c.patience))
	if _, err := c.s.Write(b); err != nil {
		return fmt.Errorf("control connection: sending %s: %w", what, err)
	}
	return nil
}

// state waits for the next state that the other side tells, however long that
// takes: whoever must not wait sets a deadline.
func (c *control) state() (state, error) {
	var b [1]byte
	if _, err := io.ReadFull(c.s, b[:]); err != nil {
		return 0, fmt.Errorf("control connection: %w", closedEarly(err))
	}
	return state(b[0]), nil
}

var errGone = errors.New("the peer closed it in the middle of the test")

func closedEarly(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errGone
	}
	return err
}

// A silentError is of a peer that did not answer in time.
type silentError struct {
	peer     string
	awaited  state
	patience time.Duration
}

func (e *silentError) Error() string {
	if e.awaited == paramExchange {
		return fmt.Sprintf("%s: no answer within %s: is an iperf3 server there?", e.peer, units.Set(e.patience))
	}
	return fmt.Sprintf("control connection: no %v came within %s", e.awaited, units.Set(e.patience))
}

// Is reports whether target is os.ErrDeadlineExceeded.
func (e *silentError) Is(target error) bool { return target == os.ErrDeadlineExceeded }

// expect waits for one state, and refuses every other.
func (c *control) expect(want state) error {
	c.s.SetReadDeadline(time.Now().Add(c.patience))
	defer c.s.SetReadDeadline(time.Time{})
	got, err := c.state()
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &silentError{c.s.Peer().String(), want, c.patience}
	case err != nil:
		return fmt.Errorf("waiting for %v: %w", want, err)
	case got != want:
		return c.refusal(got, want)
	}
	return nil
}

// refusal is the error of a state that was not the one expected.
func (c *control) refusal(got, want state) error {
	switch got {
	case accessDenied:
		return errors.New("the server is busy with another test: try again when that is over")
	case serverTerminate:
		return errors.New("the server was stopped")
	case clientTerminate:
		return errors.New("the client was stopped")
	case serverError:
		c.s.SetReadDeadline(time.Now().Add(c.patience))
		var b [8]byte
		if n, _ := io.ReadFull(c.s, b[:]); n < 4 { // where it wants a user there is no errno
			return errors.New("the server failed, and did not say why")
		}
		return &PeerError{Code: int(binary.BigEndian.Uint32(b[:])), Errno: int(binary.BigEndian.Uint32(b[4:]))}
	}
	return fmt.Errorf("the peer said %v where the protocol has %v: it is not iperf3, or another version of it", got, want)
}

// sendJSON sends v with its length before it.
func (c *control) sendJSON(v any, what string) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return c.write(append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...), what)
}

// receiveJSON fills in v from JSON of at most most bytes.
func (c *control) receiveJSON(v any, most int, what string) error {
	c.s.SetReadDeadline(time.Now().Add(c.patience))
	defer c.s.SetReadDeadline(time.Time{})
	text, err := readSized(c.s, most)
	if err == nil {
		err = json.Unmarshal(text, v)
	}
	if err != nil {
		return fmt.Errorf("control connection: receiving %s: %w", what, closedEarly(err))
	}
	return nil
}

// readSized reads what has its length before it. Memory grows with what
// arrives, not with what was announced.
func readSized(r io.Reader, most int) ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(size[:])
	if int64(n) > int64(most) {
		return nil, fmt.Errorf("%d bytes are announced, and %d is the most: the peer is not iperf3", n, most)
	}
	text, err := io.ReadAll(io.LimitReader(r, int64(n)))
	if err == nil && len(text) < int(n) {
		err = io.ErrUnexpectedEOF
	}
	return text, err
}
