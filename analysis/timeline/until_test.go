package timeline_test

import (
	"testing"

	"github.com/inferscope/inferscope/analysis/internal/chaos"
)

// A timeline that was cut keeps every invariant, and the one it was cut from is as it was.
func TestUntil(t *testing.T) {
	for seed := range uint64(300) {
		tl := chaos.Timeline(seed)
		window := tl.Window
		for part := range int64(5) {
			end := window.Start + window.Ns()/4*part
			cut := tl.Until(end)
			if err := cut.Check(); err != nil {
				t.Fatalf("seed %d, cut at %d of 4: %v", seed, part, err)
			}
			if want := min(max(end, window.Start), window.End); cut.Window.End != want {
				t.Fatalf("seed %d: ends at %d, not %d", seed, cut.Window.End, want)
			}
		}
		if err := tl.Check(); err != nil || tl.Window != window {
			t.Fatalf("seed %d: the original changed: %v", seed, err)
		}
	}
}
