package track

import (
	"slices"

	"github.com/inferscope/inferscope/analysis/attribution"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// span is an interval in which a line of the cell executes. Sampled means that exact
// events were off: samples and stacks tell the line, as they do for the report.
type span struct {
	start, end int64
	line       int32
	sampled    bool
}

// lineWalk turns the line events of a thread into properly nested spans, in order of time:
// one for a line of the cell's top-level code, and inside of it one for each line of the
// cell's functions that it leads to. What is known by samples alone is not nested.
type lineWalk struct {
	l         *timeline.Lines
	end       int64
	directive int32
	row       int // the next to look at
	runEnd    int // where the run of the top-level line that was told last ends
	inside    bool
	sampled   []span // what fills the rows without exact events
}

func (w *walker) newLineWalk(id timeline.ThreadID) *lineWalk {
	walk := &lineWalk{l: &w.tl.Threads[id].Lines, end: w.tl.Window.End, directive: attribution.DirectiveLine(w.in.Cell.Lines)}
	if walk.l.Len() > 0 && !slices.Contains(walk.l.Sampled, true) {
		return walk
	}
	w.a.Pieces(id, func(p attribution.Piece) {
		if !p.Sampled || p.Line == 0 {
			return
		}
		if n := len(walk.sampled); n > 0 && walk.sampled[n-1].end == p.Start && walk.sampled[n-1].line == p.Line {
			walk.sampled[n-1].end = p.End
			return
		}
		walk.sampled = append(walk.sampled, span{p.Start, p.End, p.Line, true})
	})
	return walk
}

// until is when a row ceases to hold.
func (w *lineWalk) until(row int) int64 {
	if row+1 < w.l.Len() {
		return w.l.Time[row+1]
	}
	return w.end
}

// top is the top-level line of a row that is known exactly, 0 when the row is no part of the cell.
func (w *lineWalk) top(row int) int32 {
	line, top := w.l.Line[row], w.l.Top[row]
	if line == 0 || line == w.directive || w.l.Sampled[row] {
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
		if len(w.sampled) > 0 && w.sampled[0].start < w.until(i) && w.l.Sampled[i] {
			s := w.sampled[0]
			w.sampled = w.sampled[1:]
			return s, true
		}
		top := w.top(i)
		if w.inside {
			if i == w.runEnd {
				w.inside = false
				continue
			}
			w.row++
			if w.l.Line[i] != top {
				return span{w.l.Time[i], w.until(i), w.l.Line[i], false}, true
			}
			continue
		}
		if top == 0 {
			w.row++
			continue
		}
		w.runEnd, w.inside = w.run(i, top), true
		return span{w.l.Time[i], w.until(w.runEnd - 1), top, false}, true
	}
	if len(w.sampled) > 0 { // of a thread without any line events
		s := w.sampled[0]
		w.sampled = w.sampled[1:]
		return s, true
	}
	return span{}, false
}

// run is the row at which one execution of a top-level line ends that is under way at row i:
// where another line follows, or the same line begins again.
func (w *lineWalk) run(i int, top int32) int {
	j := i + 1
	for ; j < w.l.Len(); j++ {
		again := w.l.Line[j] == top && w.l.Line[j-1] == top
		if w.top(j) != top || again {
			break
		}
	}
	return j
}
