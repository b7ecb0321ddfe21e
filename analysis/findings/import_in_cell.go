package findings

import (
	"strings"

	"github.com/inferscope/inferscope/analysis/result"
)

var importInCell = Rule{
	ID:    "import-in-cell",
	Title: "Imports are part of the time",
	Sees:  "Frames of Python's import machinery were on the stack while the main thread ran or waited.",
	Bad: "The first import of a large package takes seconds and happens once a process: it is not what the " +
		"cell costs when it is run again.",
	Silent: "It is silent below 5% of the cell's wall or 20 ms on one line. Of a cell in which only imports take time it says so, " +
		"and asks for nothing.",
	Do: "Put imports into a cell of their own, so that timings of this one speak of its work; import " +
		"submodules only where they are used.",
	Causes: []result.CauseKind{anyCause},
	Change: "import before the cell",
	Effort: result.Easy,
	Before: `import torch, transformers
run(model)`,
	After: `# cell 1
import torch, transformers

# cell 2
run(model)`,
	Test: func(r *Rule, e *Evidence) []result.Finding {
		if f, ok := r.onlyImports(e); ok {
			return []result.Finding{f}
		}
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

// onlyImports is what to say of a cell in which all lines that take time are imports.
func (r *Rule) onlyImports(e *Evidence) (result.Finding, bool) {
	var ns int64
	for i := range e.Host.Lines {
		l := &e.Host.Lines[i]
		text := strings.TrimSpace(l.Line.Text)
		if e.share(l.WallNs) >= 0.01 && !strings.HasPrefix(text, "import ") && !strings.HasPrefix(text, "from ") {
			return result.Finding{}, false
		}
		ns += min(e.Attribution.Imports[l.Line.Number], l.WallNs)
	}
	if !e.worth(ns) {
		return result.Finding{}, false
	}
	f := r.info(e, result.Line{}, "Importing modules took "+e.took(ns)+". It happens once a process: run again, the cell takes almost no time.")
	f.Title = "A cell of imports"
	f.Advice = "Nothing has to change. To start faster, import what is rarely needed where it is used; `python -X importtime` tells what each module costs."
	f.Before, f.After = "", ""
	return sampled(f, e.Attribution.MainSamples), true
}
