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
	Change: "reuse the memory",
	Before: `for x in batches:
    y = np.empty(shape)
    np.multiply(x, 2, out=y)`,
	After: `y = np.empty(shape)
for x in batches:
    np.multiply(x, 2, out=y)`,
	Test: func(r *Rule, e *Evidence) []result.Finding {
		var out []result.Finding
		for _, c := range e.linesOrTotal(result.CausePageFault) {
			text := "Bringing in memory took " + e.took(c.Ns) + on(c.Line) + inWords(c.Detail)
			if p := e.Host.Process; p.MinorFaults+p.MajorFaults > 0 {
				text += "; the process had " + phrase.Count(p.MinorFaults, "minor fault", "minor faults") + " and " +
					phrase.Count(p.MajorFaults, "major one", "major ones")
			}
			f := r.finding(e, c.Line, c.Ns, text+".")
			if e.blocked(timeline.ReasonPageFault) < c.Ns/2 {
				f = sampled(f, e.Attribution.MainSamples)
			}
			out = append(out, f)
		}
		return out
	},
}
