package findings

import (
	"strings"

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
	Causes: []result.CauseKind{result.CausePoll},
	Change: "remove the wait for events",
	Effort: result.Moderate,
	Before: `for x in pool.imap(work, items):
    use(x)`,
	After: `for x in pool.imap(work, items, chunksize=32):   # fewer hand-overs
    use(x)`,
	Test: func(r *Rule, e *Evidence) []result.Finding {
		var out []result.Finding
		for _, c := range e.linesOrTotal(result.CausePoll) {
			text := "The main thread waited " + e.took(c.Ns) + " for events" + on(c.Line)
			f := r.info(e, c.Line, text+meanwhile("", c)+".")
			if strings.HasSuffix(c.Detail, "selectors.py") && strings.HasPrefix(c.Detail, "epoll") {
				f.Evidence = "The event loop had nothing to run for " + e.took(c.Ns) + on(c.Line) + ": every task was waiting."
				f.Advice = "Find what the tasks wait for: a timer, an answer, another process. Tasks that do not depend on each other can wait side by side."
				f.Before = "for url in urls:\n    pages.append(await fetch(url))"
				f.After = "pages = await asyncio.gather(*map(fetch, urls))"
			}
			out = append(out, f)
		}
		return out
	},
}
