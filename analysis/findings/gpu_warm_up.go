package findings

import (
	"github.com/inferscope/inferscope/analysis/result"
)

var warmUp = Rule{
	ID:    "gpu-warm-up",
	Title: "The first use of the GPU is part of the time",
	Sees:  "CUDA was initialised inside the cell.",
	Bad: "The first use of CUDA in a process takes from a few tenths of a second to several seconds, once. It is not what the cell " +
		"costs when it is run again.",
	Silent: "It is silent below 5% of the cell's wall or 20 ms, and when the GPU was idle for less than 10% of the wall.",
	Do:     "Use the GPU once in a cell before this one, and profile this one again.",
	Causes: []result.CauseKind{result.CauseWarmUp},
	Change: "use the GPU before the cell",
	Effort: result.Easy,
	Before: `x = torch.randn(1000, device="cuda")
run(x)`,
	After: `# cell 1
torch.zeros(1, device="cuda")

# cell 2
x = torch.randn(1000, device="cuda")
run(x)`,
	Test: func(r *Rule, e *Evidence) []result.Finding {
		c := e.of(result.CauseWarmUp)
		if !e.worth(c.Ns) {
			return nil
		}
		return []result.Finding{r.finding(e, c.Line, c.Ns, "Initialising CUDA took "+e.took(c.Ns)+on(c.Line)+inWords(c.Detail)+".")}
	},
}
