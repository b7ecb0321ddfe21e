package findings

import (
	"github.com/inferscope/inferscope/analysis/result"
)

var childWait = Rule{
	ID:    "child-wait",
	Title: "Waits for a child process",
	Sees:  "The main thread waited for a child process to end (wait4, waitid).",
	Bad: "Nothing else in the cell moves forward meanwhile. Whether that is bad depends on what the child " +
		"does, so this is information, without a saving.",
	Silent: "It is silent below 5% of the cell's wall or 20 ms on one line, or in total.",
	Do: "Look at what the child does, start it earlier, run several side by side, or do other work before " +
		"waiting for it.",
	Causes: []result.CauseKind{result.CauseChild},
	Change: "remove the wait for the child",
	Effort: result.Moderate,
	Before: `for f in files:
    subprocess.run(["convert", f])`,
	After: `procs = [subprocess.Popen(["convert", f]) for f in files]
for p in procs:
    p.wait()`,
	Test: func(r *Rule, e *Evidence) []result.Finding {
		var out []result.Finding
		for _, c := range e.linesOrTotal(result.CauseChild) {
			text := "The main thread waited " + e.took(c.Ns) + " for a child process" + on(c.Line)
			out = append(out, r.info(e, c.Line, text+meanwhile("", c)+"."))
		}
		return out
	},
}
