package findings

import (
	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/result"
)

// manySyncs is from how many synchronisations on a loop is meant.
const manySyncs = 10

var syncInLoop = Rule{
	ID:    "sync-in-loop",
	Title: "The loop waits for the GPU in every step",
	Sees: "The GPU fell idle while the host waited for it, and stayed idle until the host had launched something new; " +
		"the line that waited is named. `.item()`, `.cpu()`, `print`, `nonzero` and an `if` on a tensor all wait.",
	Bad: "The host can only launch ahead of the GPU as long as it does not wait for results. Each wait empties the queue, " +
		"and the GPU stands still until it is filled again.",
	Silent: "It is silent below 5% of the cell's wall or 20 ms on one line, below 10 waits, and when the GPU was idle for " +
		"less than 10% of the wall.",
	Do: "Keep results on the GPU and read them once, after the loop or every hundred steps. Where a value must be " +
		"read each step, read the one of the step before.",
	Causes: []result.CauseKind{result.CauseSyncRefill},
	Change: "do not wait for the GPU",
	Effort: result.Easy,
	Before: `total = 0.0
for x in batches:
    total += model(x).mean().item()`,
	After: `total = torch.zeros((), device="cuda")
for x in batches:
    total += model(x).mean()
total = total.item()`,
	Test: func(r *Rule, e *Evidence) []result.Finding {
		var out []result.Finding
		for _, c := range e.lines(result.CauseSyncRefill) {
			if c.Count < manySyncs {
				continue
			}
			out = append(out, r.finding(e, c.Line, c.Ns, "The host waited for the GPU "+phrase.Count(c.Count, "time", "times")+on(c.Line)+
				", and until it had launched something again the GPU had nothing to do: "+e.wall(c.Ns)+inWords(c.Detail)+"."))
		}
		return out
	},
}
