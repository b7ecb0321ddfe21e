package markdown

import (
	"testing"

	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/report/internal/fixtures"
	"github.com/inferscope/inferscope/report/internal/golden"
)

func TestComparison(t *testing.T) {
	for _, c := range fixtures.Comparisons() {
		t.Run(c.Name, func(t *testing.T) {
			out := Comparison(c.Comparison)
			if len(out) > 100<<10 {
				t.Errorf("%d bytes do not fit into an issue", len(out))
			}
			if !c.Large {
				golden.Check(t, c.Name+".md", out)
			}
			formatsNothing(t, string(out))
		})
	}
}

func TestZeroComparison(t *testing.T) {
	if out := Comparison(&result.Comparison{}); len(out) == 0 {
		t.Error("nothing was rendered")
	}
}
