package iso

import (
	"fmt"
	"slices"
	"syscall"

	"zocalo/socket"
)

// A Reason is why a peer refused or ended a connection, as a DR carries it:
// RFC 905, section 13.5.3.
type Reason byte

// The reasons. 0 to 127 are the transport service's, the rest the protocol's.
const (
	Unspecified        Reason = 0
	Congestion         Reason = 1
	NotAttached        Reason = 2
	AddressUnknown     Reason = 3
	Normal             Reason = 128
	RemoteCongestion   Reason = 129
	NegotiationFailed  Reason = 130
	DuplicateReference Reason = 131
	MismatchedRefs     Reason = 132
	ProtocolViolation  Reason = 133
	ReferenceOverflow  Reason = 135
	RequestRefused     Reason = 136
	BadHeaderLength    Reason = 138
)

// reasons are the words for each, the kin of ECONNREFUSED that it matches
// too, and what to do about it.
var reasons = map[Reason]struct {
	text   string
	kin    syscall.Errno
	advice string
}{
	Unspecified:        {"reason not specified", 0, "check the called selector (tsap=), and the peer's log"},
	Congestion:         {"congestion at the selector", syscall.EAGAIN, "the peer has too many connections: try again later"},
	NotAttached:        {"no program is attached to the selector", 0, "start the program behind it, or check the called selector (tsap=)"},
	AddressUnknown:     {"the called selector is unknown", 0, "check the called selector (tsap=), for a PLC its rack and slot"},
	Normal:             {"normal disconnect", 0, "the peer does not want this connection: check both selectors"},
	RemoteCongestion:   {"the peer is congested", syscall.EAGAIN, "try again later"},
	NegotiationFailed:  {"negotiation failed", syscall.EPROTO, "the peer wants another class or option than class 0 has"},
	DuplicateReference: {"duplicate source reference", syscall.EPROTO, "try again"},
	MismatchedRefs:     {"mismatched references", syscall.EPROTO, "try again"},
	ProtocolViolation:  {"protocol error", syscall.EPROTO, "trace the TPDUs to see what the peer did not like"},
	ReferenceOverflow:  {"reference overflow", syscall.EAGAIN, "the peer has too many connections: try again later"},
	RequestRefused:     {"connection request refused", 0, "the peer does not want this connection: check both selectors"},
	BadHeaderLength:    {"invalid header length", syscall.EPROTO, "a parameter is too long for the peer: try a shorter selector"},
}

// String returns the reason in words.
func (r Reason) String() string {
	if known, ok := reasons[r]; ok {
		return known.text
	}
	return fmt.Sprintf("reason %d", byte(r))
}

// A RefusedError says that the peer refused a connection by a DR, or by ending
// the TCP connection without an answer, as many PLCs do. It matches
// syscall.ECONNREFUSED, and EAGAIN or EPROTO where the reason is such.
type RefusedError struct {
	Answered bool   // by a DR; else the fields below say nothing
	Reason   Reason // why
	Data     []byte // user data of the DR, which class 0 seldom has
	Err      error  // how the TCP connection ended, where it was not answered
}

// Error returns the refusal in one line.
func (e *RefusedError) Error() string {
	if e.Answered {
		return fmt.Sprintf("connection refused by the peer's transport: %v", e.Reason)
	}
	return "connection refused: the peer ended the TCP connection without an answer to the connection request"
}

// Is makes the error match ECONNREFUSED and the reason's kin.
func (e *RefusedError) Is(target error) bool {
	if target == syscall.ECONNREFUSED {
		return true
	}
	kin := reasons[e.Reason].kin
	return e.Answered && kin != 0 && target == kin
}

// Unwrap returns how the TCP connection ended, nil where a DR came.
func (e *RefusedError) Unwrap() error { return e.Err }

// refusal returns the error of a DR that answers a CR, with what to do.
func refusal(t *tpdu) error {
	e := &RefusedError{Answered: true, Reason: Reason(t.cause), Data: slices.Clone(t.data)}
	advice := reasons[e.Reason].advice
	if advice == "" {
		advice = "see the peer's documentation, and check both selectors"
	}
	return &socket.HintError{Err: e, Hint: advice}
}

// unanswered returns the error of a TCP connection that ended instead of an
// answer.
func unanswered(err error) error {
	return &socket.HintError{Err: &RefusedError{Err: err},
		Hint: "the called selector may be wrong (tsap=), for a PLC its rack and slot, or all its connections may be in use"}
}

// A Cause is what a peer did not accept, as an ER carries it: RFC 905, section
// 13.12.3.
type Cause byte

// The causes.
const (
	causeUnspecified  Cause = 0
	causeBadParameter Cause = 1
	causeBadType      Cause = 2
	causeBadValue     Cause = 3
)

// String returns the cause in words.
func (c Cause) String() string {
	switch c {
	case causeUnspecified:
		return "no reason given"
	case causeBadParameter:
		return "an unknown parameter"
	case causeBadType:
		return "an unknown type of TPDU"
	case causeBadValue:
		return "a parameter's value"
	}
	return fmt.Sprintf("cause %d", byte(c))
}

// A ProtocolError says that the peer sent what the protocol does not allow,
// or that it says so of us. It matches syscall.EPROTO.
type ProtocolError struct {
	Cause   Cause  // what an ER says about it
	Problem string // in words
	Header  []byte // of the TPDU, up to the byte that is wrong; nil where that is not known

	sentER  bool // the peer sent an ER
	refused bool // in answer to a connection request
}

// Error returns the problem.
func (e *ProtocolError) Error() string { return "protocol error: " + e.Problem }

// Is makes the error match EPROTO, and ECONNREFUSED where a connection request
// was answered by an ER.
func (e *ProtocolError) Is(target error) bool {
	return target == syscall.EPROTO || e.refused && target == syscall.ECONNREFUSED
}

func protocolError(c Cause, format string, args ...any) *ProtocolError {
	return &ProtocolError{Cause: c, Problem: fmt.Sprintf(format, args...)}
}

// at adds the header up to the byte of that offset.
func (e *ProtocolError) at(header []byte, offset int) *ProtocolError {
	e.Header = slices.Clone(header[:min(offset+1, len(header), largestLI-6)]) // as much as an ER holds
	return e
}

// errored returns the error of an ER that came.
func errored(t *tpdu, answersCR bool) error {
	e := protocolError(Cause(t.cause), "the peer rejects a TPDU for %v (ER, header % x)", Cause(t.cause), t.rejected)
	e.sentER, e.refused = true, answersCR
	return e
}
