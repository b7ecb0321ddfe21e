package findings

import (
	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/result"
)

var allocatorChurn = Rule{
	ID:    "allocator-churn",
	Title: "GPU memory is allocated again and again",
	Sees:  "The GPU was idle while the host was inside calls that allocate, free or pin memory for it.",
	Bad: "`cudaMalloc` and `cudaFree` take 0.1 to several milliseconds, and freeing waits for all of the GPU's work. Frameworks " +
		"keep freed memory to avoid that; `empty_cache()` and ever larger sizes defeat it.",
	Silent: "It is silent below 5% of the cell's wall or 20 ms, and when the GPU was idle for less than 10% of the wall.",
	Do: "Remove `empty_cache()` from the loop, allocate the largest size first, and keep sizes the same from step to step. " +
		"`PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True` helps with growing ones.",
	Causes:   []result.CauseKind{result.CauseAllocator},
	Change:   "allocate once",
	Effort:   result.Easy,
	CellWide: true,
	Before: `for x in batches:
    y = model(x.cuda())
    torch.cuda.empty_cache()`,
	After: `for x in batches:
    y = model(x.cuda())`,
	Test: func(r *Rule, e *Evidence) []result.Finding {
		c := e.of(result.CauseAllocator)
		if !e.worth(c.Ns) {
			return nil
		}
		text := "Allocating and freeing GPU memory took " + e.took(c.Ns) + largestOn(c.Line)
		if c.Count > 0 {
			text += ", in " + phrase.Count(c.Count, "gap", "gaps")
		}
		return []result.Finding{r.finding(e, c.Line, c.Ns, text+inWords(c.Detail)+".")}
	},
}
