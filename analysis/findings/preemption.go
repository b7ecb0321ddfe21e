package findings

import (
	"strconv"

	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/result"
)

var preemption = Rule{
	ID:    "preemption",
	Title: "Too few CPUs",
	Sees: "The main thread was ready to run and had to wait for a CPU: other processes or other threads of this" +
		" one had it.",
	Bad: "The work is ready and the CPU is not: every part of the cell gets slower by the same share, and " +
		"measurements made meanwhile mislead.",
	Silent: "It is silent below 5% of the cell's wall or 20 ms in total. Waits of a few microseconds after each " +
		"wake-up are normal and sum to less.",
	Do: "Stop the other work, give the process more CPUs (`taskset`, the container's CPU limit), or lower the" +
		" number of threads of numerical libraries to the number of CPUs.",
	Causes:   []result.CauseKind{result.CausePreempted},
	Change:   "give the thread a CPU of its own",
	Effort:   result.Easy,
	CellWide: true,
	Before: `# 2 CPUs
torch.set_num_threads(16)`,
	After: `torch.set_num_threads(2)`,
	Test: func(r *Rule, e *Evidence) []result.Finding {
		c := e.of(result.CausePreempted)
		if !e.worth(c.Ns) {
			return nil
		}
		text := "The main thread was ready to run but had no CPU for " + e.took(c.Ns)
		if n := e.Host.Process.CPUs; n > 0 {
			text += "; the process may use " + phrase.Count(int64(n), "CPU", "CPUs")
			if e.WallNs > 0 {
				busy := float64(e.Attribution.RunningThreads) / float64(e.WallNs)
				text += ", and its threads kept " + strconv.FormatFloat(busy, 'f', 1, 64) + " busy on average"
				if busy < 0.7*float64(n) {
					if text += ": other programs had the rest"; n > 1 {
						text += ", or the thread may not run on all of them"
					}
				} else if n > 1 {
					text += ": the process has more to run than that"
				}
			}
		}
		return []result.Finding{r.finding(e, c.Line, c.Ns, text+".")}
	},
}
