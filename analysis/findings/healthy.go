package findings

import (
	"github.com/inferscope/inferscope/analysis/attribution"
	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/verdict"
)

// Healthy is the ID of the finding that nothing is to be found.
const Healthy = "healthy"

var healthy = Rule{
	ID:    Healthy,
	Title: "Nothing to fix",
	Sees:  "No other rule found anything worth changing.",
	Bad:   "It is not: this says that the cell spends its time on its own work.",
	Silent: "It is silent when there is any finding above information, when the main thread mostly waited, when less than half of the wall is " +
		"explained, where GPU work was not captured, and for cells shorter than 20 ms. With a GPU it is silent when that was idle for 10% of the wall, or copied for 20%.",
	Do:     "To make the cell faster, change what it computes: a better algorithm, less data, more cores.",
	Change: "",
	Effort: result.Hard,
	Before: ``,
	After:  ``,
	Test: func(r *Rule, e *Evidence) []result.Finding {
		if e.GPUMissing {
			return nil
		}
		if g := e.Attribution.GPU; g.Owned() {
			if e.WallNs < MinNs || e.share(g.Idle.TotalNs) >= verdict.MinIdle || e.share(g.Shares[attribution.ShareCopies]) >= 0.2 {
				return nil
			}
			return []result.Finding{r.info(e, result.Line{}, "The GPU was busy "+phrase.Percent(1-e.share(g.Idle.TotalNs))+
				" of the time, and hardly with copies.")}
		}
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
