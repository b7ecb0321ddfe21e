package html

import (
	"regexp"
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
			if len(out) > MaxBytes {
				t.Fatalf("%d bytes, more than %d", len(out), MaxBytes)
			}
			harmless(t, string(out))
			if !c.Large {
				golden.Check(t, c.Name+".html", regexp.MustCompile(`(</(?:tr|h4|h5|li|p|thead)>|<tbody>)`).ReplaceAll(out, []byte("$1\n")))
			}
		})
	}
}

func TestComparisonDocument(t *testing.T) {
	c := fixtures.Comparisons()[0].Comparison
	if out := string(ComparisonDocument(c)); !strings.HasPrefix(out, "<!doctype html>") || !strings.Contains(out, string(Comparison(c))) {
		t.Errorf("%.300s", out)
	}
}

func TestZeroComparison(t *testing.T) {
	if out := Comparison(&result.Comparison{}); len(out) == 0 {
		t.Error("nothing was rendered")
	}
}
