package findings

import (
	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

var pageFaults = Rule{
	ID:    "page-faults",
	Title: "Time goes to new memory",
	Sees: "The main thread was in page faults: the kernel cleared and mapped memory that was touched for the " +
		"first time, gave memory back, or read pages from disk. Calls that map and unmap memory are counted " +
		"with it.",
	Bad: "New memory costs about a quarter of a second a gigabyte before the first useful byte is written, and" +
		" an array that is freed and made anew pays each time. A major fault waits for the disk.",
	Silent: "It is silent below 5% of the cell's wall or 20 ms on one line, or in total.",
	Do: "Allocate once and reuse: write into an existing array with `out=`, or keep a buffer across " +
		"iterations. If pages are read from disk, load the file ahead or leave more memory free.",
	Causes: []result.CauseKind{result.CausePageFault},
	Change: "reuse the memory",
	Effort: result.Moderate,
	Before: `for x in batches:
    y = np.empty(shape)
    np.multiply(x, 2, out=y)`,
	After: `y = np.empty(shape)
for x in batches:
    np.multiply(x, 2, out=y)`,
	Test: func(r *Rule, e *Evidence) []result.Finding {
		var out []result.Finding
		for _, c := range e.linesOrTotal(result.CausePageFault) {
			if e.importing(c.Line) {
				continue
			}
			text := "Bringing in memory" + inParentheses(c.Detail) + " took " + e.took(c.Ns) + on(c.Line)
			if p := e.Host.Process; p.MinorFaults+p.MajorFaults > 0 {
				text += "; the process had " + phrase.Count(p.MinorFaults+p.MajorFaults, "page fault", "page faults")
				if p.MajorFaults > 0 {
					text += ", " + phrase.Count(p.MajorFaults, "of which", "of which") + " waited for the disk"
				} else {
					text += ", none of which waited for the disk"
				}
			}
			f := r.finding(e, c.Line, c.Ns, text+".")
			if e.objects(c.Line) {
				f.Advice = "The line makes many Python objects, and each takes memory: keep fewer of them at a time (a generator, a " +
					"part after the other), or hold the data in arrays."
				f.Before, f.After = "rows = [parse(line) for line in file]\ntotal = sum(r.size for r in rows)",
					"total = sum(parse(line).size for line in file)"
			}
			if e.blocked(timeline.ReasonPageFault) < c.Ns/2 {
				f = sampled(f, e.Attribution.MainSamples)
			}
			out = append(out, f)
		}
		return out
	},
}

// objects says that on a line the interpreter ran, and hardly any compiled code: the new memory is that of Python objects.
func (e *Evidence) objects(l result.Line) bool {
	var python, native int64
	for _, c := range e.Host.Causes {
		if c.Line.Number == l.Number {
			switch c.Kind {
			case result.CausePython:
				python += c.Ns
			case result.CauseNative:
				native += c.Ns
			}
		}
	}
	return l.Number > 0 && python > 0 && python > 4*native
}
