package fault

import (
	"math/bits"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// What is held has memory of its own, though a piece comes in parts of which some had that before others: no
// byte is of what comes later.
func TestHeldIsOwned(t *testing.T) {
	for _, c := range []struct {
		name  string
		like  func(*tester)
		specs []string
	}{
		{"slices", func(x *tester) { x.like = bytesLike }, []string{"slices=100", "corrupt=50%", "latency=10ms"}},
		{"copies", func(x *tester) { x.like = lossyLike }, []string{"duplicate=100%", "corrupt=50%", "latency=10ms"}},
		{"jitter", func(x *tester) { x.like = lossyLike }, []string{"duplicate=100%", "duplicate=100%", "latency=10ms~5ms,reorder"}},
		{"order", func(x *tester) { x.like = lossyLike }, []string{"reorder=30%,2", "latency=10ms"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := impairs(t, bytesLike, c.specs...)
				c.like(x)
				const text = "0123456789abcdef"
				for range 50 {
					x.pass(strings.Repeat(text, 400))
				}
				time.Sleep(time.Second)
				for _, got := range x.texts() {
					wrong := 0
					at := 0 // slices begin anywhere in the text
					if c.name == "slices" {
						at = best(got, text)
					}
					for i := range got {
						wrong += bits.OnesCount8(got[i] ^ text[(at+i)%len(text)])
					}
					if wrong > 1 {
						t.Fatalf("%d bits differ in %q", wrong, got[:min(len(got), 40)])
					}
				}
			})
		})
	}
}

// best is where in the text a slice begins that has few bits of its own.
func best(got, text string) int {
	for at := range text {
		same := 0
		for i := range got {
			if got[i] == text[(at+i)%len(text)] {
				same++
			}
		}
		if same >= len(got)-1 {
			return at
		}
	}
	return 0
}
