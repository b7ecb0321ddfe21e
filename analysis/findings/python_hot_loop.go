package findings

import (
	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/result"
)

var pythonHotLoop = Rule{
	ID:    "pure-python-hot-loop",
	Title: "A hot line of pure Python",
	Sees: "The main thread was on a CPU inside the Python interpreter itself for a large part of the cell, on " +
		"one line.",
	Bad: "The interpreter executes some ten to a hundred million simple steps a second; the same arithmetic in" +
		" a compiled library is ten to a hundred times faster.",
	Silent: "It is silent below 20% of the cell's wall or 50 ms on one line, and where the time is spent in " +
		"imports.",
	Do: "Do the work on whole arrays (NumPy, pandas, torch), or compile the function (Numba, Cython). If it " +
		"is a library's Python code, call it less often with more data.",
	Causes: []result.CauseKind{result.CausePython},
	Change: "replace the Python loop by compiled code",
	Effort: result.Moderate,
	Before: `total = 0
for x in values:
    total += x * x`,
	After: `total = np.dot(values, values)`,
	Test: func(r *Rule, e *Evidence) []result.Finding {
		var out []result.Finding
		for _, c := range e.lines(result.CausePython) {
			if !e.hot(c) {
				continue
			}
			text := "The Python interpreter ran for " + e.took(c.Ns) + on(c.Line) + inWords(c.Detail)
			if hits, exact := e.hits(c.Line.Number); hits > 1 {
				text += "; the line began "
				if !exact {
					text += "at least "
				}
				text += phrase.Count(hits, "time", "times")
			}
			out = append(out, sampled(r.finding(e, c.Line, c.Ns, text+"."), e.samplesIn(c)))
		}
		return out
	},
}

// hot says that interpreted code on a line is worth a finding.
func (e *Evidence) hot(c result.Cause) bool {
	return c.Ns >= 50_000_000 && e.share(c.Ns) >= 0.2 && e.Attribution.Imports[c.Line.Number]*2 <= c.Ns
}

// hits is how many times a line began, 0 when that was not counted, and whether all were seen.
func (e *Evidence) hits(line int32) (n int64, exact bool) {
	for i := range e.Host.Lines {
		if e.Host.Lines[i].Line.Number == line {
			return e.Host.Lines[i].Hits, e.Host.Lines[i].Exact
		}
	}
	return 0, true
}

// samplesIn is about how many of the main thread's samples carry a cause of on-CPU time.
func (e *Evidence) samplesIn(c result.Cause) int64 {
	ran := e.Host.States.RunningNs + e.Host.States.UnknownNs
	if ran <= 0 {
		return 0
	}
	return int64(float64(e.Attribution.MainSamples) * float64(c.Ns) / float64(ran))
}
