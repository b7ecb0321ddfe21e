package findings

import (
	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/result"
)

var eventWait = Rule{
	ID:    "event-wait",
	Title: "Waits for events",
	Sees: "The main thread waited in epoll, poll or select: an event loop with nothing to do, or a process pool" +
		" or data loader waiting for its workers.",
	Bad: "It shows that the cell waits for somebody else. Whether that is bad depends on whom, so this is " +
		"information, without a saving.",
	Silent: "It is silent below 5% of the cell's wall or 20 ms on one line, or in total.",
	Do: "If workers are waited for, give them less to do or use more of them; if answers are waited for, ask " +
		"earlier and side by side.",
	Change: "remove the wait for events",
	Before: `for x in pool.imap(work, items):
    use(x)`,
	After: `for x in pool.imap(work, items, chunksize=32):   # fewer hand-overs
    use(x)`,
	Test: func(r *Rule, e *Evidence) []result.Finding {
		var out []result.Finding
		for _, c := range e.linesOrTotal(result.CausePoll) {
			text := "The main thread waited " + e.took(c.Ns) + " for events" + on(c.Line)
			if who := phrase.Plain(c.Thread); who != "" {
				text += "; \"" + who + "\" kept it waiting" + inWords(c.Detail)
			}
			out = append(out, r.info(e, c.Line, text+"."))
		}
		return out
	},
}
