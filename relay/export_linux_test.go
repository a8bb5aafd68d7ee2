package relay

// OnLoops returns how many pairs are on event loops though their engine is join.
func (b *Relay) OnLoops() int {
	if r := b.running.Load(); r != nil && r.engine.Load() != nil && r.loops != nil {
		return r.loops.group.Open()
	}
	return 0
}

// EndLoops ends those loops, as if the relay did, and returns when no pair can be handed
// to them any more.
func (b *Relay) EndLoops() { b.running.Load().loops.close() }
