//go:build !linux

package bench

// onLoops reports that there are no event loops on this system.
func (t *trips) onLoops() bool { return false }

func (t *trips) allOnLoops() error { return t.all() }
