package findings

import (
	"github.com/inferscope/inferscope/analysis/attribution"
	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/result"
)

var healthy = Rule{
	ID:    "healthy",
	Title: "Nothing to fix",
	Sees:  "No other rule found anything worth changing.",
	Bad:   "It is not: this says that the cell spends its time on its own work.",
	Silent: "It is silent when there is any finding above information, when the main thread mostly waited, when less than half of the wall is " +
		"explained, and for cells shorter than 20 ms.",
	Do:     "To make the cell faster, change what it computes: a better algorithm, less data, more cores.",
	Change: "",
	Before: ``,
	After:  ``,
	Test: func(r *Rule, e *Evidence) []result.Finding {
		if e.WallNs < MinNs || e.share(e.of(result.CauseUnknown).Ns) > 0.5 || len(e.Host.ByKind) == 0 {
			return nil
		}
		top := e.Host.ByKind[0]
		if !attribution.Working(top.Kind) {
			return nil
		}
		return []result.Finding{r.info(e, result.Line{}, "No wait, pause or hot loop stands out; the largest part, "+
			phrase.Percent(top.Share)+", was "+phrase.Kind(top.Kind)+".")}
	},
}
