package attribution

import (
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// EarlierWait is where and how long, in ns, the cell would have waited for work from before it, had InferScope not
// waited for that before the cell began: on the line of the main thread's first call that waits for the device, less
// what the host does up to there, which the device would have worked beside. It is 0 where no line is known to wait.
func (a *Attribution) EarlierWait() (line result.Line, ns int64) {
	if a.EarlierNs <= 0 {
		return result.Line{}, 0
	}
	tl := a.from.tl
	lines := a.CallLines()
	for row, class := range tl.Calls.Class {
		if class == timeline.CallSync && tl.Calls.Thread[row] == a.from.mainID && lines[row] > 0 {
			return a.from.line(lines[row]), max(a.EarlierNs-max(tl.Calls.Start[row]-tl.Window.Start, 0), 0)
		}
	}
	return result.Line{}, 0
}
