package html

import (
	"strings"
	"testing"

	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/report/internal/fixtures"
)

// Information is a finding: where there is any, none is not said.
func TestNoFindingIsSaidOfNone(t *testing.T) {
	r := fixtures.CallsOnly()
	for _, want := range []bool{true, false} {
		var p page
		findings(&p, r, generous)
		if got := strings.Contains(p.b.String(), "No finding"); got != want {
			t.Errorf("of %d findings it says that there is none: %v", len(r.Findings), got)
		}
		r.Findings = append(r.Findings, result.Finding{ID: "carry-in", Title: "The GPU was still busy", Severity: result.Info})
	}
}
