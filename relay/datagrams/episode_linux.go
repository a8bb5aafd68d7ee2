package datagrams

import "time"

// episodes speak of each kind of trouble once, and again when it has not
// been there for a minute.
type episodes map[string]time.Duration

const (
	episodeEnd   = time.Minute
	mostEpisodes = 256
)

// begins notes trouble of a kind, and reports whether it is to be spoken of.
func (e episodes) begins(kind string, now time.Duration) bool {
	last, known := e[kind]
	if !known && len(e) >= mostEpisodes {
		clear(e)
	}
	e[kind] = now
	return !known || now-last > episodeEnd
}
