package findings

import (
	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/result"
)

var gilContention = Rule{
	ID:    "gil-contention",
	Title: "Another thread held the GIL",
	Sees: "The main thread wanted to run Python and waited for the global interpreter lock, because another " +
		"thread was running Python. The scheduler saw each wait (a futex inside the interpreter's runtime); " +
		"the thread that gave the lock up, or that ran Python meanwhile, is named as its holder.",
	Bad: "Only one thread of a process runs Python at a time. Each hand-over may take a switch interval of 5 " +
		"ms, so a busy background thread can slow the main one down by much more than its own share of work.",
	Silent: "It is silent below 5% of the cell's wall or 20 ms, summed over all lines, because a GIL wait strikes" +
		" whichever line is executing. It does not speak of InferScope's own threads, nor of threads that only wait for each other's locks.",
	Do: "Move the busy thread's work to a process, or into code that releases the GIL, or do it before or " +
		"after the cell.",
	Causes:   []result.CauseKind{result.CauseGIL},
	Change:   "take the other thread off the GIL",
	Effort:   result.Hard,
	CellWide: true,
	Before:   `threading.Thread(target=crunch, args=(data,)).start()`,
	After: `from concurrent.futures import ProcessPoolExecutor
with ProcessPoolExecutor(1) as pool:
    pool.submit(crunch, data)`,
	Test: func(r *Rule, e *Evidence) []result.Finding {
		c := e.of(result.CauseGIL)
		if !e.worth(c.Ns) {
			return nil
		}
		text := "The main thread waited " + e.took(c.Ns) + " for the GIL" + waits(c)
		if who := phrase.Plain(c.Thread); who != "" {
			text += "; thread \"" + who + "\" had it" + inWords(c.Detail)
		} else {
			text += "; which thread had it was not seen"
		}
		return []result.Finding{r.finding(e, c.Line, c.Ns, text+".")}
	},
}
