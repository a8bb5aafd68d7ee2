package impair

import "math/rand/v2"

// A Loss decides which messages are lost, of one after the other.
type Loss interface {
	// Lost reports whether the next message is.
	Lost(r *rand.Rand) bool
}

// Share is a [Loss] of that share of messages, each by itself (Bernoulli): 0.1 is one in ten.
type Share float64

// Lost draws once.
func (s Share) Lost(r *rand.Rand) bool { return Chance(r, float64(s)) }

// GilbertElliott is a [Loss] with a good and a bad state, as of a radio link (E. O. Elliott, Estimates
// of Error Rates for Codes on Burst-Noise Channels, 1963). It begins in the good one. Before each message the state
// may change, then the message is lost by what the state says.
type GilbertElliott struct {
	ToBad, ToGood     float64 // chance to leave the good state, and the bad one, before each message
	LostBad, LostGood float64 // share lost in each

	bad bool
}

// Lost draws twice.
func (g *GilbertElliott) Lost(r *rand.Rand) bool {
	leave, lost := g.ToBad, g.LostGood
	if g.bad {
		leave = g.ToGood
	}
	if Chance(r, leave) {
		g.bad = !g.bad
	}
	if g.bad {
		lost = g.LostBad
	}
	return Chance(r, lost)
}

// Mean is the share lost in the long run.
func (g *GilbertElliott) Mean() float64 {
	if g.ToBad == 0 {
		return g.LostGood
	}
	bad := g.ToBad / (g.ToBad + g.ToGood)
	return bad*g.LostBad + (1-bad)*g.LostGood
}

// Bursts is a [Loss] of a share of messages in the long run, always so many in a row.
type Bursts struct {
	Share  float64 // below 1
	Length int     // messages; less than 1 counts as 1

	left int
}

// Lost draws once, but within a burst.
func (b *Bursts) Lost(r *rand.Rand) bool {
	length := float64(max(b.Length, 1))
	if b.left > 0 {
		b.left--
		return true
	}
	// A burst begins with this chance, which makes the mean number of messages between two fit the share.
	if Chance(r, b.Share/(b.Share+length*(1-b.Share))) {
		b.left = max(b.Length, 1) - 1
		return true
	}
	return false
}

// Every is a [Loss] of one in so many messages, the last of each such group. It draws nothing.
type Every struct {
	N int // less than 1 counts as 1

	count int
}

// Lost counts a message.
func (e *Every) Lost(*rand.Rand) bool {
	e.count++
	return e.count%max(e.N, 1) == 0
}

// Count returns how many messages there were.
func (e *Every) Count() int { return e.count }

// Again takes the last message back: it was not sent after all.
func (e *Every) Again() { e.count-- }
