package findings

import (
	"github.com/inferscope/inferscope/analysis/result"
)

var networkWait = Rule{
	ID:    "network-wait",
	Title: "Waits for the network",
	Sees:  "The main thread waited in socket calls: connecting, sending, receiving.",
	Bad:   "Each round trip stalls the cell; requests made one after the other add up.",
	Silent: "It is silent below 5% of the cell's wall or 20 ms on one line, or in total. Waits of an event loop " +
		"(epoll, select) count as event waits.",
	Do: "Send requests side by side (a thread pool or asyncio), reuse connections, ask for more in one " +
		"request, or keep answers in a local cache.",
	Causes: []result.CauseKind{result.CauseNetworkIO},
	Change: "have the answers before they are needed",
	Effort: result.Moderate,
	Before: `pages = [requests.get(u) for u in urls]`,
	After: `with ThreadPoolExecutor(16) as pool:
    pages = list(pool.map(session.get, urls))`,
	Test: func(r *Rule, e *Evidence) []result.Finding {
		var out []result.Finding
		for _, c := range e.linesOrTotal(result.CauseNetworkIO) {
			out = append(out, r.finding(e, c.Line, c.Ns, "Waiting for the network took "+e.took(c.Ns)+on(c.Line)+waits(c)+inWords(c.Detail)+"."))
		}
		return out
	},
}
