package findings

import (
	"slices"
	"strings"

	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/result"
)

var gcPauses = Rule{
	ID:    "gc-pauses",
	Title: "The garbage collector runs",
	Sees:  "Python's cyclic garbage collector ran in the main thread while the cell executed.",
	Bad: "A full collection looks at every container object that lives, so with many objects alive each one " +
		"takes long, whether it finds garbage or not.",
	Silent: "It is silent below 5% of the cell's wall or 20 ms in total.",
	Do: "Remove calls of `gc.collect()`; after loading long-lived data call `gc.freeze()` once, so that the " +
		"collector no longer looks at it; raise the threshold, or break reference cycles.",
	Causes:   []result.CauseKind{result.CauseGC},
	Change:   "keep the garbage collector from running",
	Effort:   result.Easy,
	CellWide: true,
	Before: `for batch in batches:
    step(batch)
    gc.collect()`,
	After: `gc.collect()
gc.freeze()
for batch in batches:
    step(batch)`,
	Test: func(r *Rule, e *Evidence) []result.Finding {
		c := e.of(result.CauseGC)
		if !e.worth(c.Ns) {
			return nil
		}
		g := e.Host.GC
		text := "The garbage collector took " + e.took(c.Ns) + on(c.Line) + ": " + phrase.Count(g.Count, "run", "runs") + ", the longest " +
			phrase.Duration(g.MaxNs) + ", " + phrase.Count(g.Collected, "object", "objects") + " freed"
		f := r.finding(e, c.Line, c.Ns, text+".")
		if !slices.ContainsFunc(e.Host.Lines, func(l result.LineStat) bool { return strings.Contains(l.Line.Text, "gc.") }) {
			// It ran by itself, as it does after so and so many new objects.
			f.Advice = "It runs by itself while many objects are made. Switch it off while objects are made that are to stay, and call " +
				"`gc.freeze()` once after loading long-lived data, so that the collector no longer looks at it."
			f.Before, f.After = "rows = [parse(line) for line in lines]", "gc.disable()\nrows = [parse(line) for line in lines]\ngc.enable()"
		}
		return []result.Finding{f}
	},
}
