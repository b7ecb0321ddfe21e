package track

import (
	"cmp"
	"slices"
	"strings"

	"github.com/inferscope/inferscope/analysis/timeline"
)

// lineFeed tells the lines of the cell that a thread executes.
type lineFeed struct {
	w    *walker
	walk *lineWalk
	at   span
	more bool
}

func newLineFeed(w *walker, id timeline.ThreadID) *lineFeed {
	f := &lineFeed{w: w, walk: w.newLineWalk(id)}
	f.at, f.more = f.walk.next()
	return f
}

func (f *lineFeed) peek() (int64, int64, bool) { return f.at.start, f.at.end, f.more }

func (f *lineFeed) take() *Slice {
	s := f.w.fill(f.at.start, f.at.end, Line, f.w.line(f.at.line))
	s.number("line", int64(f.at.line))
	if f.at.sampled {
		s.text("exact", "no: samples tell the line")
	}
	f.at, f.more = f.walk.next()
	return s
}

// rangeFeed tells the ranges of code that a thread, or a tool, marked.
type rangeFeed struct {
	w    *walker
	r    *timeline.Ranges
	rows []int32
}

func newRangeFeed(w *walker, id timeline.ThreadID) *rangeFeed {
	f := &rangeFeed{w: w, r: &w.tl.Threads[id].Ranges}
	f.rows = make([]int32, f.r.Len())
	for i := range f.rows {
		f.rows[i] = int32(i)
	}
	slices.SortStableFunc(f.rows, func(x, y int32) int {
		return cmp.Or(cmp.Compare(f.r.Start[x], f.r.Start[y]), cmp.Compare(f.r.End[y], f.r.End[x]))
	})
	return f
}

func (f *rangeFeed) peek() (int64, int64, bool) {
	if len(f.rows) == 0 {
		return 0, 0, false
	}
	return f.r.Start[f.rows[0]], f.r.End[f.rows[0]], true
}

func (f *rangeFeed) take() *Slice {
	row := f.rows[0]
	f.rows = f.rows[1:]
	category := Operator
	if f.r.Kind[row] == timeline.RangePython {
		category = Line
	}
	return f.w.fill(f.r.Start[row], f.r.End[row], category, f.w.named(f.r.Name[row], "range"))
}

// callFeed tells the CUDA calls of a thread.
type callFeed struct {
	w    *walker
	rows []int32
}

func (f *callFeed) peek() (int64, int64, bool) {
	if len(f.rows) == 0 {
		return 0, 0, false
	}
	c := &f.w.tl.Calls
	return c.Start[f.rows[0]], c.End[f.rows[0]], true
}

func (f *callFeed) take() *Slice {
	row := f.rows[0]
	f.rows = f.rows[1:]
	return f.w.call(row)
}

var classNames = [timeline.NumCallClasses]string{timeline.CallLaunch: "launch", timeline.CallCopy: "copy", timeline.CallSync: "synchronise",
	timeline.CallAlloc: "memory", timeline.CallModule: "module", timeline.CallEvent: "event", timeline.CallInit: "initialise"}

func (w *walker) call(row int32) *Slice {
	c := &w.tl.Calls
	name := w.tl.Names.String(c.Name[row])
	category := RuntimeCall
	if rest, ok := strings.CutPrefix(name, "cu"); ok && !strings.HasPrefix(rest, "da") {
		category = DriverCall
	}
	if name == "" {
		name = "CUDA call"
	}
	s := w.fill(c.Start[row], c.End[row], category, name)
	s.number("correlation", int64(c.Correlation[row]))
	s.text("class", classNames[c.Class[row]])
	w.withLine(s, w.callLine[row])
	s.Flows = w.ops.of(row, s.Flows)
	return s
}
