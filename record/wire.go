package record

import "context"

// Wire returns a context in which connections are recorded beneath their layers.
func (r *Recorder) Wire(ctx context.Context) context.Context { return ctx }
