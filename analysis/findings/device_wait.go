package findings

import (
	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/result"
)

var deviceWait = Rule{
	ID:    "device-wait",
	Title: "The GPU waited, and nothing tells why",
	Sees: "The GPU was idle although its next operation had been launched more than 20 µs before, and no event, copy or call was recorded " +
		"that it waited for.",
	Bad: "The host did its part in time. What held the operation up lies on the device or in its driver: a wait that was not recorded, memory that " +
		"is moved, another process, a graph that is being prepared.",
	Silent: "It is silent below 5% of the cell's wall or 20 ms in total, and when the GPU was idle for less than 10% of the wall. It claims no " +
		"saving, and blames no line: it counts as not explained.",
	Do: "Look for other processes on the GPU (`nvidia-smi`), for managed memory that moves between host and device, and for streams that " +
		"wait for others. Nsight Systems shows what the driver did.",
	Causes:   []result.CauseKind{result.CauseDeviceWait},
	Change:   "find out what the GPU waits for",
	Effort:   result.Hard,
	CellWide: true,
	Before:   ``, After: ``,
	Test: func(r *Rule, e *Evidence) []result.Finding {
		c := e.of(result.CauseDeviceWait)
		if !e.worth(c.Ns) {
			return nil
		}
		text := "Launched work did not begin for " + e.took(c.Ns)
		if c.Count > 1 {
			text += ", in " + phrase.Count(c.Count, "gap", "gaps")
		}
		return []result.Finding{r.info(e, result.Line{}, text+", and nothing that was recorded tells why.")}
	},
}
