package check

import "zocalo/socket"

// A Verdict is how an experiment ended.
type Verdict string

// The verdicts.
const (
	Kept        Verdict = "kept"         // promised, and seen to hold
	Broken      Verdict = "broken"       // promised, and seen not to hold
	NotPromised Verdict = "not promised" // whatever was seen is no fault
	Skipped     Verdict = "skipped"      // not tried; Reason says why
	Failed      Verdict = "error"        // the experiment itself failed; Reason says how
)

// A Finding is what one experiment says about one property of a kind.
type Finding struct {
	Property string   `json:"property"`
	Verdict  Verdict  `json:"verdict"`
	Word     string   `json:"word,omitempty"` // what was seen, in a word or two
	Sent     string   `json:"sent,omitempty"`
	Seen     string   `json:"seen,omitempty"`
	Reason   string   `json:"reason,omitempty"` // of the verdicts Skipped and Failed
	Figures  []Figure `json:"figures,omitempty"`
}

// A Figure is a number that an experiment measured.
type Figure struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit,omitempty"`
}

// A KindReport is everything that was found out about one kind of socket.
type KindReport struct {
	Kind      string            `json:"kind"`
	Available bool              `json:"available"`
	Reason    string            `json:"reason,omitempty"` // why this machine does not have it
	Promised  socket.Properties `json:"promised"`
	Findings  []Finding         `json:"findings,omitempty"`
}

// Finding returns what was found about a property, and whether anything was.
func (k KindReport) Finding(property string) (Finding, bool) {
	for _, f := range k.Findings {
		if f.Property == property {
			return f, true
		}
	}
	return Finding{}, false
}

// A Report is the result of [Run], with the kinds in the order asked for.
type Report struct {
	Kinds []KindReport `json:"kinds"`
}

// Broken reports whether a kind broke a promise.
func (r Report) Broken() bool { return r.any(Broken) }

// Failed reports whether an experiment itself failed, so that the report says
// less than it should.
func (r Report) Failed() bool { return r.any(Failed) }

func (r Report) any(v Verdict) bool {
	for _, k := range r.Kinds {
		for _, f := range k.Findings {
			if f.Verdict == v {
				return true
			}
		}
	}
	return false
}

// judge is the verdict on a property that held or did not.
func judge(property string, promised, held bool) Finding {
	f := Finding{Property: property, Verdict: NotPromised}
	if promised {
		f.Verdict = Broken
		if held {
			f.Verdict = Kept
		}
	}
	return f
}
