package iperf3

import (
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"
)

// Codes by which iperf3 names errors to its peer (iperf_api.h).
const (
	codeDuration     = 5
	codeFlows        = 6
	codeBlockSize    = 7
	codeWindow       = 8
	codeSegment      = 10
	codeOmit         = 12
	codeUnsupported  = 13
	codeBurst        = 15
	codeUDPBlockSize = 20
	codeTOS          = 21
	codeParameters   = 114
	codeBuffer       = 124
	codeCongestion   = 134
	codeStreams      = 204
	codeLogin        = 142
	codeRate         = 27
	codeIdle         = 144
)

// errLogin is what a server's refusal means to a client that has told a user.
var errLogin = errors.New("the server refused the user, the password or the time: clocks may differ by 10 s, the key must be the server's, and an iperf3 before 3.17 needs the option pkcs1")

var codes = map[int]string{
	codeDuration:     "the test is too long",
	codeFlows:        "too many flows",
	codeBlockSize:    "the block size is out of bounds",
	codeWindow:       "the window is out of bounds",
	codeSegment:      "the segment size is out of bounds",
	codeOmit:         "the time to omit is out of bounds",
	codeUnsupported:  "the server cannot do that",
	codeBurst:        "the burst is out of bounds",
	codeUDPBlockSize: "the size of datagrams is out of bounds",
	codeTOS:          "the type of service is out of bounds",
	codeRate:         "the rate is beyond what the server allows",
	codeParameters:   "the parameters could not be read",
	119:              "the client was stopped",
	120:              "the server was stopped",
	codeBuffer:       "the buffers could not be set",
	130:              "the window could not be set",
	codeCongestion:   "the server does not know that congestion control",
	codeLogin:        "it wants a user name and a password: give user=, password-file= and public-key=",
	codeIdle:         "nothing arrived for too long",
	codeStreams:      "the streams were not opened in time",
}

// A PeerError is what an iperf3 server says of its own failure.
type PeerError struct {
	Code  int // by iperf3's numbers, i_errno
	Errno int // the system's, of the server's system; 0 for none
}

func (e *PeerError) Error() string {
	text, ok := codes[e.Code]
	if !ok {
		text = fmt.Sprintf("iperf3's error %d", e.Code)
	}
	if e.Errno > 0 && e.Errno < 4096 {
		text += fmt.Sprintf(" (%v)", syscall.Errno(e.Errno))
	}
	return "the server failed: " + text
}

// A refusal is why a server does not serve a test, and iperf3's number for
// that.
type refusal struct {
	code int
	text string
}

func (r *refusal) Error() string { return r.text }

func refuse(code int, format string, args ...any) *refusal {
	return &refusal{code, fmt.Sprintf(format, args...)}
}

// frame is what the wire has for it: the state and two numbers.
func (r *refusal) frame() []byte {
	state := serverError
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32([]byte{byte(state)}, uint32(r.code)), 0)
}
