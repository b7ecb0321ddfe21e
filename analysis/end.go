package analysis

import (
	"strings"

	"github.com/inferscope/inferscope/analysis/timeline"
)

// codeEnd is when the code of a cell that failed had ended. What follows is IPython
// showing the error: it takes a tenth of a second and more, and is not the cell's.
func codeEnd(tl *timeline.Timeline, outcome string) int64 {
	end := tl.Window.End
	if outcome == "" || outcome == "ok" || tl.Main() == 0 {
		return end
	}
	main := &tl.Threads[tl.Main()]
	l := &main.Lines
	for i := l.Len() - 1; i >= 0 && l.Line[i] == 0; i-- {
		end = l.Time[i]
	}
	if end < tl.Window.End {
		return end
	}
	// Before Python 3.12 the end of a line that raises is not recorded; stacks tell.
	showing := showingErrors(tl)
	for i, s := range main.Sched.Stack {
		if showing[s] {
			end = min(end, main.Sched.Off[i])
			break
		}
	}
	for i, s := range main.Samples.Stack {
		if showing[s] {
			end = min(end, main.Samples.Time[i])
			break
		}
	}
	return end
}

// showingErrors tells, for each stack, whether it is inside IPython's showtraceback.
func showingErrors(tl *timeline.Timeline) []bool {
	out := make([]bool, tl.Stacks.Len())
	for id := timeline.StackID(1); int(id) < len(out); id++ {
		f, _ := tl.Stacks.Deepest(id)
		out[id] = out[tl.Stacks.Caller(id)] || strings.HasSuffix(tl.Names.String(f.Func), "showtraceback") &&
			strings.HasSuffix(tl.Names.String(f.File), "interactiveshell.py")
	}
	return out
}
