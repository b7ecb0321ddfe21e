package findings

import (
	"github.com/inferscope/inferscope/analysis/result"
)

var dataLoaderStarved = Rule{
	ID:    "data-loader-starved",
	Title: "The GPU waits for data",
	Sees: "The GPU was idle while the thread that feeds it was inside a data loader: waiting for a worker, or making the next " +
		"batch itself.",
	Bad: "The GPU can be no faster than its data. With `num_workers=0` every batch is made between two steps; with " +
		"too few or too slow workers the loop waits for them.",
	Silent: "It is silent below 5% of the cell's wall or 20 ms on one line, or in total, when the GPU was idle for less than 10% of " +
		"the wall, and when no frame of a loader was seen.",
	Do: "Let several workers prepare batches ahead: `num_workers=8`, `prefetch_factor=4`, `persistent_workers=True`, " +
		"`pin_memory=True`. Do once, before training, what is the same for every epoch.",
	Causes:   []result.CauseKind{result.CauseDataLoading},
	Change:   "prepare batches ahead",
	Effort:   result.Easy,
	CellWide: true,
	Before: `loader = DataLoader(data, batch_size=64)
for x, y in loader:
    step(x.cuda(), y.cuda())`,
	After: `loader = DataLoader(data, batch_size=64, num_workers=8,
                    persistent_workers=True, pin_memory=True)
for x, y in loader:
    step(x.cuda(non_blocking=True), y.cuda(non_blocking=True))`,
	Test: func(r *Rule, e *Evidence) []result.Finding {
		var out []result.Finding
		for _, c := range e.linesOrTotal(result.CauseDataLoading) {
			text := "Getting the next batch took " + e.took(c.Ns) + on(c.Line)
			if waited := meanwhile("", c); waited != "" {
				text += waited
			} else {
				text += inWords(c.Detail)
			}
			out = append(out, r.finding(e, c.Line, c.Ns, text+"."))
		}
		return out
	},
}
