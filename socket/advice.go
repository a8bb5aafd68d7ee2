package socket

// Advised is an error with what to do about it.
type Advised struct {
	Err    error
	Advice string // as "choose another port"
}

// Error returns both in one line.
func (e *Advised) Error() string { return e.Err.Error() + ": " + e.Advice }

// Unwrap returns the error itself.
func (e *Advised) Unwrap() error { return e.Err }
