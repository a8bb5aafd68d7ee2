package relay

import "zocalo/relay/outcome"

// The words in which relays tell of what passed: those of package outcome, which all
// engines share.
type (
	// A Side is an end of a pair: [A] or [B].
	Side = outcome.Side

	// A Result says what passed between the two ends of a [Pair], and how it ended.
	Result = outcome.Result

	// A Flow is what passed in one direction.
	Flow = outcome.Flow

	// An EndReason is how a pair ended: [Finished], [Reset] ...
	EndReason = outcome.EndReason

	// An EndError is the failure of one end.
	EndError = outcome.EndError
)

// The sides of a pair: A is FROM's, B is TO's.
const (
	A = outcome.A
	B = outcome.B
)

// The reasons for which a pair ends.
const (
	Finished  = outcome.Finished
	Reset     = outcome.Reset
	Idle      = outcome.Idle
	Lifetime  = outcome.Lifetime
	Cancelled = outcome.Cancelled
	Failed    = outcome.Failed
)
