package check

import (
	"fmt"

	"zocalo/internal/units"
	"zocalo/socket"
)

// The load is so many records, of sizes that differ from one to the next.
const (
	loadRecords  = 2000
	loadSmallest = 40
	loadLargest  = 2048
)

// loadSize returns the size of the i-th record, where none is longer than
// largest.
func loadSize(i, largest int) int { return loadSmallest + i*677%(largest-loadSmallest+1) }

// load is the experiment on what the numbered records of a transfer tell: all
// arrive, in order, once, as they were sent. For a kind that may lose, the
// receiver is overrun.
func load(t *trial) ([]Finding, error) {
	a, b, err := t.pair()
	if err != nil {
		return nil, err
	}
	promised := t.Promised
	largest := t.fitting(loadLargest)
	got, err := t.transfer(a, b, loadRecords, func(i int) int { return loadSize(i, largest) }, !promised.Reliable)
	if err != nil {
		return nil, err
	}
	arrived, lost, firstLost := got.counts()
	sent := fmt.Sprintf("%s numbered messages of %d to %s bytes", units.Count(loadRecords), loadSmallest, units.Count(largest))
	if !promised.Reliable {
		sent += ", to a receiver that does not read yet"
	}

	reliable := judge("reliable", promised.Reliable, lost == 0)
	reliable.Word, reliable.Seen = "all came", "all arrived"
	if lost > 0 {
		reliable.Word = fmt.Sprintf("lost %d%%", max(1, lost*100/loadRecords))
		reliable.Seen = fmt.Sprintf("%s did not arrive: %s", units.Count(lost), firstLost)
	}
	reliable.Figures = []Figure{{"sent", loadRecords, ""}, {"lost", float64(lost), ""}}

	ordered := judgeFault("ordered", promised.Ordered, got.disordered, "in order", "of those that arrived, %d out of order: %s")
	once := judgeFault("unduplicated", promised.Unduplicated, got.repeated, "once", "%d came more than once: %s")
	// Every kind but a raw one has a check sum, or no wire where it could be
	// needed.
	intact := judgeFault("intact", t.Kind.Type != socket.Raw, got.altered, "as sent", "%d differ from what was sent: %s")
	if arrived == 0 {
		const nothing = "no message arrived whole"
		ordered, once = skipped("ordered", nothing), skipped("unduplicated", nothing)
		if got.altered.count == 0 {
			intact = skipped("intact", nothing)
		}
	}
	findings := []Finding{reliable, ordered, once, intact}
	for i := range findings {
		findings[i].Sent = sent
	}
	return findings, nil
}

// judgeFault is judge for a property that a count of faults denies.
func judgeFault(property string, promised bool, f fault, word, format string) Finding {
	finding := judge(property, promised, f.count == 0)
	finding.Word, finding.Seen = word, word
	if f.count > 0 {
		finding.Word = "not " + word
		finding.Seen = fmt.Sprintf(format, f.count, f.first)
	}
	return finding
}
