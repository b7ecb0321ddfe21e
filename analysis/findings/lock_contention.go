package findings

import (
	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/result"
)

var lockContention = Rule{
	ID:    "lock-contention",
	Title: "Waits for a lock",
	Sees: "The main thread slept in a futex that is not the GIL: a `threading.Lock`, a condition, a queue, a " +
		"future's result, a join. The thread whose call ended the wait is named, with what it did meanwhile.",
	Bad: "While the main thread waits for a lock nothing else in the cell moves forward.",
	Silent: "It is silent below 5% of the cell's wall or 20 ms on one line, or in total. It cannot tell a lock " +
		"held too long from work that was handed to another thread on purpose: read what that thread did.",
	Do: "Hold the lock for less: do slow work (I/O, sleep, computing) outside of it. If the wait is for a " +
		"worker's result, give the worker less to do or start it earlier.",
	Change: "remove the wait for the lock",
	Before: `with lock:
    row = fetch(url)     # slow, under the lock
    rows.append(row)`,
	After: `row = fetch(url)
with lock:
    rows.append(row)`,
	Test: func(r *Rule, e *Evidence) []result.Finding {
		var out []result.Finding
		for _, c := range e.linesOrTotal(result.CauseLock) {
			text := "The main thread waited " + e.took(c.Ns) + " for a lock" + on(c.Line) + waits(c)
			if who := phrase.Plain(c.Thread); who != "" {
				text += "; thread \"" + who + "\" kept it waiting" + inWords(c.Detail)
			}
			out = append(out, r.finding(e, c.Line, c.Ns, text+"."))
		}
		return out
	},
}
