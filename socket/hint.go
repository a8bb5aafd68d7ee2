package socket

// A HintError is an error with what to do about it.
type HintError struct {
	Err  error
	Hint string // as "choose another port"
}

// Error returns both in one line.
func (e *HintError) Error() string { return e.Err.Error() + ": " + e.Hint }

// Unwrap returns the error itself.
func (e *HintError) Unwrap() error { return e.Err }
