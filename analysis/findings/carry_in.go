package findings

import (
	"github.com/inferscope/inferscope/analysis/attribution"
	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

var carryIn = Rule{
	ID:    "carry-in",
	Title: "The GPU was still busy with earlier work",
	Sees: "At the cell's start the GPU was executing what an earlier cell had launched. CUPTI waits for that when it is " +
		"switched on; then the time is told that passed before the cell could begin.",
	Bad: "Launches return before their work is done. Time that an earlier cell's work takes is paid by whoever waits for the GPU " +
		"next, so this cell looks slower than it is.",
	Silent: "It is silent below 5% of the cell's wall or 20 ms. It claims no saving: the work must be done, in the cell before or in this one. " +
		"What if tells how long this cell takes if that one waits.",
	Do:     "End the earlier cell with `torch.cuda.synchronize()` when you compare timings.",
	Change: "wait for the GPU before the cell",
	Effort: result.Easy,
	Before: `# cell 1
y = big_model(x)

# cell 2
print(small(z).item())`,
	After: `# cell 1
y = big_model(x)
torch.cuda.synchronize()

# cell 2
print(small(z).item())`,
	Test: func(r *Rule, e *Evidence) []result.Finding {
		if ns := e.Attribution.EarlierNs; e.worth(ns) {
			who := "the first line that waits for the GPU"
			line, _ := e.Attribution.EarlierWait()
			if line.Number > 0 {
				who = phrase.Line(line)
			}
			return []result.Finding{r.info(e, line, "Before the cell began, the GPU was busy for another "+phrase.Duration(ns)+
				" with what had been launched earlier. InferScope waited for that, so it is no part of the cell's time; without "+
				"InferScope "+who+" would wait for it too.")}
		}
		g := e.Attribution.GPU
		if g == nil || !e.worth(g.Shares[attribution.ShareCarryIn]) {
			return nil
		}
		f := r.info(e, result.Line{}, "The GPU ran only work that was launched before the cell for "+e.wall(g.Shares[attribution.ShareCarryIn])+".")
		if g.Coverage == nil { // in windows, other launches were not recorded either
			e.operations(&f, func(ops *timeline.Ops, row int) bool { return ops.Call[row] < 0 })
		}
		return []result.Finding{f}
	},
}
