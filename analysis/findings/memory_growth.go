package findings

import (
	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/result"
)

var memoryGrowth = Rule{
	ID:    "memory-growth",
	Title: "Memory grew",
	Sees: "The process's resident memory was at least 1 GiB and half again larger at the end of the cell than " +
		"at its start.",
	Bad: "Objects kept by accident (results in `Out[n]`, lists that grow, caches) push the machine towards " +
		"swapping when the cell is run again.",
	Silent: "It is silent below 1 GiB of growth. Growth is often intended, so it is information, without a " +
		"saving.",
	Do: "Delete what is no longer needed, end the last line with `;` so that the notebook does not keep its " +
		"value, and keep sums instead of lists of arrays.",
	Change: "free what is no longer needed",
	Effort: result.Moderate,
	Before: `losses.append(loss)          # keeps the whole graph`,
	After:  `losses.append(float(loss))`,
	Test: func(r *Rule, e *Evidence) []result.Finding {
		p := e.Host.Process
		if grown := p.RSSEnd - p.RSSStart; p.RSSStart > 0 && grown >= 1<<30 && grown*2 >= p.RSSStart {
			return []result.Finding{r.info(e, result.Line{}, "Resident memory grew from "+phrase.Bytes(p.RSSStart)+" to "+phrase.Bytes(p.RSSEnd)+".")}
		}
		return nil
	},
}
