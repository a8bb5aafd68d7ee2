package capture

import "zocalo/internal/pcapng"

// exported takes a packet that has no link layer but tags.
func (r *reader) exported(p *pcapng.Packet) bool { return false }
