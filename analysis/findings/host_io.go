package findings

import (
	"strings"

	"github.com/inferscope/inferscope/analysis/result"
)

// writing are the system calls that write files.
var writing = map[string]bool{"write": true, "pwrite64": true, "writev": true, "pwritev": true, "pwritev2": true,
	"fsync": true, "fdatasync": true, "sync": true, "syncfs": true, "msync": true, "ftruncate": true, "fallocate": true}

var hostIO = Rule{
	ID:    "host-io",
	Title: "Waits for files",
	Sees: "The main thread waited for reads, writes or syncs of files, pipes or terminals, or spent its CPU " +
		"time inside such calls.",
	Bad: "The program stands still while the disk works, and data read in small pieces or again and again pays" +
		" for each call.",
	Silent: "It is silent below 5% of the cell's wall or 20 ms on one line, or in total. Reads that the page " +
		"cache answers are too fast to appear. On a line that mostly imports it leaves the word to " +
		"`import-in-cell`.",
	Do: "Read the data once before the loop, read it in larger pieces, or let a background thread read ahead." +
		" Files in a column format or memory-mapped load faster than text.",
	Causes: []result.CauseKind{result.CauseHostIO},
	Change: "have the data in memory before it is needed",
	Effort: result.Moderate,
	Before: `for path in paths:
    x = np.load(path)
    step(x)`,
	After: `with ThreadPoolExecutor(4) as pool:           # reads ahead
    for x in pool.map(np.load, paths):
        step(x)`,
	Test: func(r *Rule, e *Evidence) []result.Finding {
		var out []result.Finding
		for _, c := range e.linesOrTotal(result.CauseHostIO) {
			if e.importing(c.Line) {
				continue
			}
			f := r.finding(e, c.Line, c.Ns, "File reads and writes"+inParentheses(c.Detail)+" took "+e.took(c.Ns)+on(c.Line)+waits(c)+".")
			if call, _, _ := strings.Cut(c.Detail, " "); writing[call] {
				f.Change = "have the data written in the background"
				f.Advice = "Write in larger pieces, sync less often, or let a background thread write. A compressed or a column format writes less."
				f.Before, f.After = "for row in rows:\n    file.write(row)\n    file.flush()", "file.writelines(rows)"
			}
			out = append(out, f)
		}
		return out
	},
}
