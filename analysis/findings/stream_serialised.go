package findings

import (
	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/result"
)

var streamSerialised = Rule{
	ID:    "stream-serialised",
	Title: "Streams wait for each other",
	Sees: "The GPU was idle although its next operation had been launched: the operation's stream had been told to wait for an event of " +
		"another stream.",
	Bad: "Streams exist to run side by side. An event in every step, or one recorded later than needed, makes them take turns, with a gap at each " +
		"hand-over.",
	Silent: "It is silent below 5% of the cell's wall or 20 ms on one line, or in total, when the GPU was idle for less than 10% of the wall, " +
		"and where the calls that make a stream wait were not recorded.",
	Do: "Record the event right after the operation whose result is needed, wait for it just before the use, and drop waits that no data " +
		"needs. Work that depends on itself step by step belongs into one stream.",
	Causes: []result.CauseKind{result.CauseStreamDependency},
	Change: "let the streams run side by side",
	Effort: result.Moderate,
	Before: `for x, y in pairs:
    a = left(x)
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        b = right(y)                 # needs nothing of a`,
	After: `for x, y in pairs:
    a = left(x)
    with torch.cuda.stream(side):    # no wait
        b = right(y)
torch.cuda.current_stream().wait_stream(side)`,
	Test: func(r *Rule, e *Evidence) []result.Finding {
		var out []result.Finding
		for _, c := range e.linesOrTotal(result.CauseStreamDependency) {
			text := "Launched work waited " + e.took(c.Ns) + " for an event of another stream" + on(c.Line)
			if c.Count > 1 {
				text += ", in " + phrase.Count(c.Count, "gap", "gaps")
			}
			out = append(out, r.finding(e, c.Line, c.Ns, text+"."))
		}
		return out
	},
}
