package text

import (
	"strings"
	"testing"

	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/report/internal/fixtures"
	"github.com/inferscope/inferscope/report/internal/golden"
)

func TestComparison(t *testing.T) {
	for _, c := range fixtures.Comparisons() {
		t.Run(c.Name, func(t *testing.T) {
			out := Comparison(c.Comparison)
			if !c.Large {
				golden.Check(t, c.Name+".txt", out)
			}
			fitsATerminal(t, string(out))
		})
	}
}

func TestZeroComparison(t *testing.T) {
	if out := string(Comparison(&result.Comparison{})); !strings.Contains(out, "before: no run") {
		t.Errorf("%s", out)
	}
}
