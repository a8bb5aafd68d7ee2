package relay

// OnLoops returns how many pairs are on event loops though their engine is join.
func (b *Relay) OnLoops() int {
	if r := b.running.Load(); r != nil && r.engine.Load() != nil && r.loops != nil {
		return r.loops.group.Open()
	}
	return 0
}
