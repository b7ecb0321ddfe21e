package findings

import (
	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/result"
)

// cpuSectionShare is the share of the wall from which on a line that leaves the GPU alone is worth a word.
const cpuSectionShare = 0.1

// hostWork are the causes of idle time in which the host computes.
var hostWork = []result.CauseKind{result.CausePython, result.CauseNative, result.CauseFramework, result.CauseSyscall, result.CausePageFault}

var cpuSection = Rule{
	ID:    "cpu-only-section",
	Title: "A line computes on the CPU while the GPU has nothing to do",
	Sees:  "A line that launched nothing kept the GPU idle with work of its own: Python, a compiled library, new memory.",
	Bad: "Preparation and bookkeeping in between two pieces of GPU work add to the wall in full: neither side goes on " +
		"while the other works.",
	Silent: "It is silent below 10% of the cell's wall or 20 ms on one line, for lines that launch GPU work or mostly import, where " +
		"`pure-python-hot-loop` or `page-faults` speaks of the line, and when the GPU was idle for less than 10% of the wall.",
	Do: "Do it on the GPU, do it once before the loop, or do it for the next step while the GPU is busy with this one: launch first, then " +
		"prepare, and read results last.",
	Causes: hostWork,
	Change: "do the work of the CPU beside that of the GPU",
	Effort: result.Moderate,
	Before: `for frame in frames:
    x = preprocess(frame)          # NumPy
    y = model(torch.from_numpy(x).cuda())`,
	After: `with ThreadPoolExecutor(2) as pool:               # prepares the next frames meanwhile
    for x in pool.map(preprocess, frames):
        y = model(torch.from_numpy(x).cuda())`,
	Test: func(r *Rule, e *Evidence) []result.Finding {
		var out []result.Finding
		if !e.Attribution.GPU.Owned() {
			return nil
		}
		sums := map[int32]int64{}
		most := map[int32]result.Cause{}
		for _, k := range hostWork {
			list, _ := e.causes()
			for _, c := range list {
				if c.Kind != k || c.Line.Number <= 0 {
					continue
				}
				sums[c.Line.Number] += c.Ns
				if c.Ns > most[c.Line.Number].Ns {
					most[c.Line.Number] = c
				}
			}
		}
		for i := range e.Host.Lines {
			l := &e.Host.Lines[i]
			ns, c := sums[l.Line.Number], most[l.Line.Number]
			if !e.worth(ns) || e.share(ns) < cpuSectionShare || l.Launches+l.Copies > 0 || e.importing(l.Line) || e.spokenOf(l.Line) {
				continue
			}
			out = append(out, r.finding(e, l.Line, ns, "Line "+lineNumber(l.Line)+" launches nothing, and kept the GPU idle for "+e.wall(ns)+", mostly "+
				phrase.Kind(c.Kind)+inParentheses(c.Detail)+"."))
		}
		return out
	},
}

// spokenOf says that a rule with a narrower answer speaks of the host's work on a line.
func (e *Evidence) spokenOf(l result.Line) bool {
	for _, k := range []result.CauseKind{result.CausePython, result.CausePageFault} {
		for _, c := range e.lines(k) {
			if c.Line.Number == l.Number && (k == result.CausePageFault || e.hot(c)) {
				return true
			}
		}
	}
	return false
}
