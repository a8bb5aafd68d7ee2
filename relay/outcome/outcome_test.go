package outcome

import "testing"

func TestWords(t *testing.T) {
	for r := Finished; r <= Failed; r++ {
		if r.String() == "" {
			t.Errorf("reason %d has no name", r)
		}
	}
	if A.String() != "A" || B.Other() != A || EndReason(200).String() == "" {
		t.Error("sides and reasons have wrong names")
	}
}
