package track

import (
	"github.com/inferscope/inferscope/analysis/attribution"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// span is an interval in which a line of the cell executes. Sampled means that exact
// events were off: then its line is the one at its start.
type span struct {
	start, end int64
	line       int32
	sampled    bool
}

// lineWalk turns the line events of a thread into properly nested spans, in order of time:
// one for a line of the cell's top-level code, and inside of it one for each line of the
// cell's functions that it leads to.
type lineWalk struct {
	l         *timeline.Lines
	end       int64
	directive int32
	row       int // the next to look at
	runEnd    int // where the run of the top-level line that was told last ends
	inside    bool
}

func newLineWalk(t *timeline.Thread, window timeline.Interval, source []string) *lineWalk {
	return &lineWalk{l: &t.Lines, end: window.End, directive: attribution.DirectiveLine(source)}
}

// until is when a row ceases to hold.
func (w *lineWalk) until(row int) int64 {
	if row+1 < w.l.Len() {
		return w.l.Time[row+1]
	}
	return w.end
}

// top is the top-level line of a row, 0 when the row is no part of the cell.
func (w *lineWalk) top(row int) int32 {
	line, top := w.l.Line[row], w.l.Top[row]
	if line == 0 || line == w.directive {
		return 0
	}
	if top == 0 || top == w.directive {
		return line
	}
	return top
}

// next is the span that begins next; false when there is none.
func (w *lineWalk) next() (span, bool) {
	for w.row < w.l.Len() {
		i := w.row
		top := w.top(i)
		if w.inside {
			if i == w.runEnd {
				w.inside = false
				continue
			}
			w.row++
			if w.l.Line[i] != top {
				return span{w.l.Time[i], w.until(i), w.l.Line[i], w.l.Sampled[i]}, true
			}
			continue
		}
		if top == 0 {
			w.row++
			continue
		}
		w.runEnd, w.inside = w.run(i, top), true
		return span{w.l.Time[i], w.until(w.runEnd - 1), top, w.l.Sampled[i]}, true
	}
	return span{}, false
}

// run is the row at which one execution of a top-level line ends that is under way at row i:
// where another line follows, or the same line begins again.
func (w *lineWalk) run(i int, top int32) int {
	j := i + 1
	for ; j < w.l.Len(); j++ {
		again := w.l.Line[j] == top && w.l.Line[j-1] == top
		if w.top(j) != top || again || w.l.Sampled[j] != w.l.Sampled[i] {
			break
		}
	}
	return j
}
