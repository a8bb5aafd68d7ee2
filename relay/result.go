package relay

import "zocalo/internal/pass"

// The words in which relays tell of what passed. They are those of the engines too, and
// are listed here since their package is internal.
type (
	// A Side is an end of a pair: [A] or [B]. Its method Other is the other one.
	Side = pass.Side

	// A Result says what passed between the two ends of a [Pair], and how it ended:
	//
	//	From     [2]Flow       // by the Side that it came from: From[A] is what A sent to B
	//	How      EndReason
	//	Side     Side          // where How began: of Reset and Failed
	//	Duration time.Duration
	Result = pass.Result

	// A Flow is what passed in one direction:
	//
	//	Bytes, Messages      int64  // written to the far end; messages whole ones, 0 between streams
	//	Urgent, UrgentInLine uint32 // urgent messages passed on as urgent, and among the others
	//	Refused, Dropped     uint32 // messages that did not fit; datagrams lost on their way
	//	Files, FilesRefused  uint32 // descriptors passed on; messages whose descriptors were closed
	//	EndOfFile            bool   // the source finished in order, and all it sent was written
	//	EndOfFileTold        bool   // the far end knows of it, by a half-close
	Flow = pass.Flow

	// An EndReason is how a pair ended: [Finished], [Reset] ... Its String is one word.
	EndReason = pass.EndReason

	// An EndError is the failure of one end: its Side, and the socket's own error as
	// Err.
	EndError = pass.EndError
)

// The sides of a pair: A is FROM's, B is TO's.
const (
	A = pass.A
	B = pass.B
)

// The reasons for which a pair ends.
const (
	Finished  = pass.Finished
	Reset     = pass.Reset
	Idle      = pass.Idle
	Lifetime  = pass.Lifetime
	Cancelled = pass.Cancelled
	Failed    = pass.Failed
)
