package findings

import (
	"github.com/inferscope/inferscope/analysis/result"
)

var sleep = Rule{
	ID:     "sleep",
	Title:  "The cell sleeps",
	Sees:   "The main thread slept on purpose: `time.sleep`, or a wait with nothing but a time-out.",
	Bad:    "Sleeping is pure waiting. A polling loop wastes half of its interval on average each time.",
	Silent: "It is silent below 5% of the cell's wall or 20 ms on one line, or in total.",
	Do:     "Remove the sleep, or wait for the event itself: a condition, a queue, a future, a file watcher.",
	Causes: []result.CauseKind{result.CauseSleep},
	Change: "remove the sleep",
	Effort: result.Easy,
	Before: `while not done():
    time.sleep(0.05)`,
	After: `finished.wait()        # threading.Event, set by the worker`,
	Test: func(r *Rule, e *Evidence) []result.Finding {
		var out []result.Finding
		for _, c := range e.linesOrTotal(result.CauseSleep) {
			out = append(out, r.finding(e, c.Line, c.Ns, "The main thread slept "+e.took(c.Ns)+on(c.Line)+waits(c)+inWords(c.Detail)+"."))
		}
		return out
	},
}
