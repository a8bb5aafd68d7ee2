package main

import (
	"fmt"
	"strings"

	"zocalo/bench"
	"zocalo/internal/units"
)

// interval shows how a run goes: a line for each interval that was asked for,
// or one that changes, on a terminal.
func (b *benching) interval(mode bench.Mode, i bench.Interval) {
	text := intervalText(i)
	switch {
	case b.jsonl:
		b.printEvent(intervalEvent{"interval", mode, i})
	case b.shorter && !b.json:
		b.print(text + "\n") // what fails here fails for the result too
	case !b.quiet && b.liveWidth() > 0:
		b.showLine(text)
	}
}

// An intervalEvent is what --jsonl prints of an interval.
type intervalEvent struct {
	Event string     `json:"event"` // "interval"
	Mode  bench.Mode `json:"mode"`
	bench.Interval
}

// endLive takes the live line away.
func (b *benching) endLive() {
	if !b.shorter {
		b.eraseLive()
	}
}

// intervalText is an interval in a line.
func intervalText(i bench.Interval) string {
	var b strings.Builder
	if i.WarmUp {
		b.WriteString("warm-up          ")
	} else {
		fmt.Fprintf(&b, "%6.2f to %6.2f s", i.Start.Seconds(), i.End.Seconds())
	}
	if i.Traffic.Bytes > 0 {
		fmt.Fprintf(&b, "  %10s", units.Rate(i.Traffic.BitsPerSecond()))
	}
	fmt.Fprintf(&b, "  %9s messages/s", units.Number(i.Traffic.MessagesPerSecond()))
	if i.Max > 0 {
		fmt.Fprintf(&b, "  median %s, max %s", units.Time(i.Median), units.Time(i.Max))
	}
	return b.String()
}
