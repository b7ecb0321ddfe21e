package findings

import (
	"github.com/inferscope/inferscope/analysis/result"
)

var importInCell = Rule{
	ID:    "import-in-cell",
	Title: "Imports are part of the time",
	Sees:  "Frames of Python's import machinery were on the stack while the main thread ran or waited.",
	Bad: "The first import of a large package takes seconds and happens once a process: it is not what the " +
		"cell costs when it is run again.",
	Silent: "It is silent below 5% of the cell's wall or 20 ms on one line.",
	Do: "Put imports into a cell of their own, so that timings of this one speak of its work; import " +
		"submodules only where they are used.",
	Change: "import before the cell",
	Before: `import torch, transformers
run(model)`,
	After: `# cell 1
import torch, transformers

# cell 2
run(model)`,
	Test: func(r *Rule, e *Evidence) []result.Finding {
		var out []result.Finding
		for i := range e.Host.Lines {
			line := e.Host.Lines[i].Line
			ns := min(e.Attribution.Imports[line.Number], e.Host.Lines[i].WallNs)
			if e.Attribution.GPU.Owned() {
				ns = min(ns, e.Host.Lines[i].IdleCausedNs)
			}
			if e.worth(ns) {
				out = append(out, sampled(r.finding(e, line, ns, "Importing modules took "+e.took(ns)+on(line)+"."), e.Attribution.MainSamples))
			}
		}
		return out
	},
}
