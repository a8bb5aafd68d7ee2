package datagrams

import "time"

// A bucket is a bound on octets a second that lets a message pass whole, and
// then makes up for it: nothing passes while it is in debt. The zero bucket is
// that of a session that has sent nothing yet.
type bucket struct {
	balance int64         // octets; negative is a debt
	at      time.Duration // when that was so
}

// burst is how many octets may be saved up: an eighth of a second's.
func burst(rate int64) int64 { return max(rate/8, 1) }

func (b *bucket) refill(rate int64, now time.Duration) {
	earned := int64(float64(rate) * (now - b.at).Seconds())
	if most := burst(rate) - b.balance; earned >= most {
		b.balance, b.at = burst(rate), now
		return
	}
	b.balance += earned
	b.at += time.Duration(float64(earned) / float64(rate) * float64(time.Second)) // what is no whole octet yet stays
}

// spend takes octets that have passed, of a rate that is a bound.
func (b *bucket) spend(rate, octets int64, now time.Duration) {
	b.refill(rate, now)
	b.balance -= octets
}

// inDebt reports whether nothing may pass.
func (b *bucket) inDebt(rate int64, now time.Duration) bool {
	if b.balance >= 0 {
		return false
	}
	b.refill(rate, now)
	return b.balance < 0
}
