package analysis

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/inferscope/inferscope/analysis/attribution"
	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

const (
	maxThreadLanes = 8
	maxScopeLanes  = 4
)

// picture draws the timeline into lanes of at most result.PictureColumns slices:
// what the cell's thread executed, what the devices did, and the threads.
func picture(tl *timeline.Timeline, cell result.Cell) result.Picture {
	p := result.Picture{Window: tl.Extent, Lanes: []result.Lane{}}
	if tl.Extent.End <= tl.Extent.Start {
		return p
	}
	grid := newGrid(tl.Extent)
	if tl.Main() != 0 {
		if lane := linesLane(grid, &tl.Threads[tl.Main()], cell, tl.Window.End); len(lane.Slices) > 0 {
			p.Lanes = append(p.Lanes, lane)
		}
	}
	p.Lanes = append(p.Lanes, scopeLanes(grid, tl)...)
	if lane := gcLane(grid, tl); len(lane.Slices) > 0 {
		p.Lanes = append(p.Lanes, lane)
	}
	if lane := marksLane(grid, tl); len(lane.Slices) > 0 {
		p.Lanes = append(p.Lanes, lane)
	}
	p.Lanes = append(p.Lanes, streamLanes(grid, tl)...)
	return result.Picture{Window: p.Window, Lanes: append(p.Lanes, threadLanes(grid, tl)...)}
}

// grid cuts the window into columns; each column shows what fills most of it.
type grid struct {
	w       timeline.Interval
	columns int64
}

func newGrid(w timeline.Interval) grid {
	return grid{w, min(result.PictureColumns, w.End-w.Start)}
}

func (g grid) edge(c int64) int64 {
	n := g.w.End - g.w.Start
	return g.w.Start + n/g.columns*c + n%g.columns*c/g.columns
}

func (g grid) column(t int64) int64 {
	n := g.w.End - g.w.Start
	c := int64(float64(t-g.w.Start) / float64(n) * float64(g.columns))
	c = min(max(c, 0), g.columns-1)
	for c+1 < g.columns && g.edge(c+1) <= t {
		c++
	}
	for c > 0 && g.edge(c) > t {
		c--
	}
	return c
}

// lane collects intervals in order of time and keeps, a column, the value that fills most of it.
type lane[K comparable] struct {
	g      grid
	filled []map[K]int64
}

func newLane[K comparable](g grid) *lane[K] { return &lane[K]{g, make([]map[K]int64, g.columns)} }

func (l *lane[K]) add(start, end int64, k K) {
	if end <= start {
		return
	}
	for c := l.g.column(start); c < l.g.columns && l.g.edge(c) < end; c++ {
		if l.filled[c] == nil {
			l.filled[c] = map[K]int64{}
		}
		l.filled[c][k] += min(end, l.g.edge(c+1)) - max(start, l.g.edge(c))
	}
}

// slices merges neighbouring columns of the same value. A column that is mostly
// empty stays so, unless any says that every trace of a value is to be shown.
func (l *lane[K]) slices(anything bool, less func(a, b K) bool, make func(K) result.Slice) []result.Slice {
	out := []result.Slice{}
	var last K
	open := false
	for c, values := range l.filled {
		var best K
		var most, sum int64
		for k, ns := range values {
			sum += ns
			if ns > most || ns == most && less(k, best) {
				best, most = k, ns
			}
		}
		width := l.g.edge(int64(c)+1) - l.g.edge(int64(c))
		if most == 0 || !anything && sum*2 < width {
			open = false
			continue
		}
		if open && best == last {
			out[len(out)-1].End = l.g.edge(int64(c) + 1)
			continue
		}
		s := make(best)
		s.Start, s.End = l.g.edge(int64(c)), l.g.edge(int64(c)+1)
		out = append(out, s)
		last, open = best, true
	}
	return out
}

func linesLane(g grid, t *timeline.Thread, cell result.Cell, last int64) result.Lane {
	l := newLane[int32](g)
	directive := attribution.DirectiveLine(cell.Lines)
	for i, line := range t.Lines.Line {
		end := last
		if i+1 < t.Lines.Len() {
			end = t.Lines.Time[i+1]
		}
		if line > 0 && line != directive {
			l.add(t.Lines.Time[i], end, line)
		}
	}
	return result.Lane{Kind: result.LaneLines, Name: "lines", Slices: l.slices(false, func(a, b int32) bool { return a < b },
		func(line int32) result.Slice {
			s := result.Slice{Class: "line", Line: line}
			if int(line) <= len(cell.Lines) {
				s.Label = phrase.Code(cell.Lines[line-1])
			}
			return s
		})}
}

func scopeLanes(g grid, tl *timeline.Timeline) []result.Lane {
	lanes := map[uint16]*lane[timeline.NameID]{}
	for id := 1; id < len(tl.Threads); id++ {
		s := &tl.Threads[id].Scopes
		for i, depth := range s.Depth {
			if depth >= maxScopeLanes {
				continue
			}
			if lanes[depth] == nil {
				lanes[depth] = newLane[timeline.NameID](g)
			}
			lanes[depth].add(s.Start[i], max(s.End[i], s.Start[i]+1), s.Name[i])
		}
	}
	out := []result.Lane{}
	for depth := range uint16(maxScopeLanes) {
		if l := lanes[depth]; l != nil {
			name := "scopes"
			if depth > 0 {
				name = fmt.Sprintf("scopes, depth %d", depth+1)
			}
			out = append(out, result.Lane{Kind: result.LaneScopes, Name: name, Slices: l.slices(true,
				func(a, b timeline.NameID) bool { return a < b },
				func(n timeline.NameID) result.Slice {
					return result.Slice{Class: "scope", Label: phrase.Code(tl.Names.String(n))}
				})})
		}
	}
	return out
}

func gcLane(g grid, tl *timeline.Timeline) result.Lane {
	l := newLane[uint8](g)
	for id := 1; id < len(tl.Threads); id++ {
		gc := &tl.Threads[id].GC
		for i := range gc.Start {
			l.add(gc.Start[i], max(gc.End[i], gc.Start[i]+1), gc.Generation[i])
		}
	}
	return result.Lane{Kind: result.LaneGC, Name: "garbage collection", Slices: l.slices(true, func(a, b uint8) bool { return a > b },
		func(gen uint8) result.Slice {
			return result.Slice{Class: "gc", Label: fmt.Sprintf("generation %d", gen)}
		})}
}

// marksLane has at most one slice a column, without width; its label is the first mark's.
func marksLane(g grid, tl *timeline.Timeline) result.Lane {
	type mark struct {
		at    int64
		label string
		more  int
	}
	first := map[int64]*mark{}
	for id := 1; id < len(tl.Threads); id++ {
		m := &tl.Threads[id].Marks
		for i, at := range m.Time {
			c := g.column(at)
			f := first[c]
			if f == nil {
				first[c] = &mark{at: at, label: tl.Names.String(m.Name[i])}
				continue
			}
			f.more++
			if at < f.at {
				f.at, f.label = at, tl.Names.String(m.Name[i])
			}
		}
	}
	out := result.Lane{Kind: result.LaneMarks, Name: "marks", Slices: []result.Slice{}}
	for _, m := range first {
		label := phrase.Code(m.label)
		if m.more > 0 {
			label += fmt.Sprintf(" and %d more", m.more)
		}
		out.Slices = append(out.Slices, result.Slice{Start: m.at, End: m.at, Class: "mark", Label: label})
	}
	slices.SortFunc(out.Slices, func(x, y result.Slice) int { return cmp.Compare(x.Start, y.Start) })
	return out
}

// state is a thread's state in the picture: a timeline.Reason, or one of these.
const (
	stateRunning  = uint8(timeline.NumReasons)
	stateRunnable = uint8(timeline.NumReasons) + 1
)

func stateName(s uint8) string {
	switch s {
	case stateRunning:
		return "running"
	case stateRunnable:
		return "runnable"
	}
	return timeline.Reason(s).String()
}

// threadLanes are the main thread and the busiest others.
func threadLanes(g grid, tl *timeline.Timeline) []result.Lane {
	type busy struct {
		id int
		ns int64
	}
	var list []busy
	own := attribution.OwnThreads(tl)
	for id := 1; id < len(tl.Threads); id++ {
		if own[id] {
			continue
		}
		t := &tl.Threads[id]
		ran := t.Sched.Known.End - t.Sched.Known.Start
		if ran <= 0 {
			continue
		}
		for i := range t.Sched.Off {
			ran -= t.Sched.On[i] - t.Sched.Off[i]
		}
		list = append(list, busy{id, ran})
	}
	slices.SortStableFunc(list, func(x, y busy) int {
		mx, my := tl.Threads[x.id].Main, tl.Threads[y.id].Main
		if mx != my {
			if mx {
				return -1
			}
			return 1
		}
		return cmp.Compare(y.ns, x.ns)
	})
	out := []result.Lane{}
	for _, b := range list[:min(len(list), maxThreadLanes)] {
		t := &tl.Threads[b.id]
		l := newStateLane(g)
		at := t.Sched.Known.Start
		for i := range t.Sched.Off {
			l.add(at, t.Sched.Off[i], stateRunning)
			l.add(t.Sched.Off[i], t.Sched.Wake[i], uint8(t.Sched.Reason[i]))
			l.add(t.Sched.Wake[i], t.Sched.On[i], stateRunnable)
			at = t.Sched.On[i]
		}
		l.add(at, t.Sched.Known.End, stateRunning)
		name := phrase.Code(t.Name)
		if name == "" {
			name = fmt.Sprintf("thread %d", t.TID)
		}
		out = append(out, result.Lane{Kind: result.LaneThread, Name: name, Slices: l.slices()})
	}
	return out
}

// stateLane is a lane of few values, kept as an array: scheduler rows come by the million.
type stateLane struct {
	g      grid
	filled [][stateRunnable + 1]int64
	column int64
}

func newStateLane(g grid) *stateLane {
	return &stateLane{g: g, filled: make([][stateRunnable + 1]int64, g.columns)}
}

// add notes an interval; starts must not go backwards.
func (l *stateLane) add(start, end int64, state uint8) {
	if end <= start {
		return
	}
	for l.column+1 < l.g.columns && l.g.edge(l.column+1) <= start {
		l.column++
	}
	for c := l.column; c < l.g.columns && l.g.edge(c) < end; c++ {
		l.filled[c][state] += min(end, l.g.edge(c+1)) - max(start, l.g.edge(c))
	}
}

func (l *stateLane) slices() []result.Slice {
	out := []result.Slice{}
	open := false
	for c := range l.filled {
		best := uint8(0)
		for s, ns := range l.filled[c] {
			if ns > l.filled[c][best] {
				best = uint8(s)
			}
		}
		start, end := l.g.edge(int64(c)), l.g.edge(int64(c)+1)
		if l.filled[c][best] == 0 {
			open = false
			continue
		}
		if name := stateName(best); open && out[len(out)-1].Class == name {
			out[len(out)-1].End = end
		} else {
			out = append(out, result.Slice{Start: start, End: end, Class: name})
		}
		open = true
	}
	return out
}
