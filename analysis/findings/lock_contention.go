package findings

import (
	"github.com/inferscope/inferscope/analysis/result"
)

var lockContention = Rule{
	ID:    "lock-contention",
	Title: "Waits for a lock",
	Sees: "The main thread slept in a futex that is not the GIL: a `threading.Lock`, a condition, a queue, a " +
		"future's result, a join. The thread whose call ended the wait is named, with what it did meanwhile.",
	Bad: "While the main thread waits for a lock nothing else in the cell moves forward.",
	Silent: "It is silent below 5% of the cell's wall or 20 ms on one line, or in total. A wait " +
		"inside the standard library's queues, futures and joins is told as one for another thread; whether the " +
		"other thread is slow or has much to do, read from what it did.",
	Do: "Hold the lock for less: do slow work (I/O, sleep, computing) outside of it. If the wait is for a " +
		"worker's result, give the worker less to do or start it earlier.",
	Causes: []result.CauseKind{result.CauseLock},
	Change: "remove the wait for the other thread",
	Effort: result.Moderate,
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
			handover := e.Attribution.Handovers[c.Line.Number]
			if handover {
				text = "The main thread waited " + e.took(c.Ns) + " for another thread" + on(c.Line) + waits(c)
			}
			f := r.finding(e, c.Line, c.Ns, text+meanwhile("thread ", c)+".")
			if handover {
				f.Title = "Waits for another thread"
				f.Advice = "If that is work handed to it, hand over everything first and ask for results afterwards, use more workers, " +
					"or do other work meanwhile. Threads run Python code one at a time: for work in pure Python use processes."
				f.Before = "results = [pool.submit(work, x).result() for x in items]"
				f.After = "futures = [pool.submit(work, x) for x in items]\nresults = [f.result() for f in futures]"
			}
			out = append(out, f)
		}
		return out
	},
}
