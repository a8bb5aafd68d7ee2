package relay

import "zocalo/internal/pass"

// What passed between the two ends of a [Pair], and how it ended.
type (
	Side      = pass.Side
	Result    = pass.Result
	Flow      = pass.Flow
	EndReason = pass.EndReason
	EndError  = pass.EndError
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
