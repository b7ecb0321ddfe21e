package scene

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/inferscope/inferscope/analysis/attribution"
	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// lines is what the cell's thread executed.
func (s *stage) lines(cell result.Cell) {
	if s.tl.Main() == 0 {
		return
	}
	rows := &s.tl.Threads[s.tl.Main()].Lines
	directive := attribution.DirectiveLine(cell.Lines)
	end := func(i int) int64 {
		if i+1 < rows.Len() {
			return rows.Time[i+1]
		}
		return s.tl.Window.End
	}
	took, of := weights{}, s.keys.class("line")
	for i, line := range rows.Line {
		if line > 0 && line != directive {
			took[name{class: of, line: line}] += end(i) - rows.Time[i]
		}
	}
	s.keys.admit(took, mostLines, func(n name) string {
		if int(n.line) > len(cell.Lines) {
			return ""
		}
		return phrase.Code(cell.Lines[n.line-1])
	})
	d := s.open(result.LaneLines, "lines", 4)
	for i, line := range rows.Line {
		if line > 0 && line != directive {
			s.add(d, rows.Time[i], end(i), s.keys.find(name{class: of, line: line}))
		}
	}
	s.keep(d)
}

// span is an interval with a key, for what comes from several threads.
type span struct {
	start, end int64
	key        int32
}

// gather puts what n tracks hold, each sorted, into a lane in order of time.
func (s *stage) gather(d *draft, list []span) {
	slices.SortStableFunc(list, func(a, b span) int { return cmp.Compare(a.start, b.start) })
	for _, x := range list {
		s.add(d, x.start, x.end, x.key)
	}
	s.keep(d)
}

// scopes has a lane for each depth, of all threads together.
func (s *stage) scopes() {
	took, of := weights{}, s.keys.class("scope")
	for id := 1; id < len(s.tl.Threads); id++ {
		t := &s.tl.Threads[id].Scopes
		for i := range t.Start {
			took[name{class: of, id: t.Name[i]}] += t.End[i] - t.Start[i]
		}
	}
	s.keys.admit(took, mostNames, s.label)
	for depth := range uint16(mostScopes) {
		title := "scopes"
		if depth > 0 {
			title = fmt.Sprintf("scopes, depth %d", depth+1)
		}
		var list []span
		for id := 1; id < len(s.tl.Threads); id++ {
			t := &s.tl.Threads[id].Scopes
			for i := range t.Start {
				if t.Depth[i] == depth {
					list = append(list, span{t.Start[i], t.End[i], s.keys.find(name{class: of, id: t.Name[i]})})
				}
			}
		}
		s.gather(s.open(result.LaneScopes, title, 2), list)
	}
}

// rangeClasses are the causes that ranges stand for.
var rangeClasses = [timeline.NumRangeKinds]result.CauseKind{timeline.RangeOperator: result.CauseFramework,
	timeline.RangePython: result.CausePython, timeline.RangeLoader: result.CauseDataLoading}

// ranges has a lane for each depth of the code that a trace marks, for the threads that have most
// of it. Python functions are left out beside operators: the outermost of them never change.
func (s *stage) ranges() {
	var class [timeline.NumRangeKinds]class
	for i := range class {
		class[i] = s.keys.class(string(rangeClasses[i]))
	}
	operators := slices.ContainsFunc(s.tl.Threads, func(t timeline.Thread) bool {
		return slices.ContainsFunc(t.Ranges.Kind, func(k timeline.RangeKind) bool { return k != timeline.RangePython })
	})
	skipped := func(k timeline.RangeKind) bool { return operators && k == timeline.RangePython }
	took, ids, rows := weights{}, []timeline.ThreadID{}, make([]int, len(s.tl.Threads))
	for id := 1; id < len(s.tl.Threads); id++ {
		r := &s.tl.Threads[id].Ranges
		for i, k := range r.Kind {
			if !skipped(k) {
				took[name{class: class[k], id: r.Name[i]}] += r.End[i] - r.Start[i]
				rows[id]++
			}
		}
		if rows[id] > 0 {
			ids = append(ids, timeline.ThreadID(id))
		}
	}
	s.keys.admit(took, mostKernels, s.label)
	slices.SortStableFunc(ids, func(x, y timeline.ThreadID) int { return cmp.Compare(rows[y], rows[x]) })
	for _, id := range ids[:min(len(ids), mostCallers)] {
		t := &s.tl.Threads[id]
		var drafts [mostRanges]*draft
		for depth := range drafts {
			drafts[depth] = s.open(result.LaneRanges, threadName(t), 2)
			if depth > 0 {
				drafts[depth].Name = ""
			}
			drafts[depth].Thread = id
		}
		var ends []int64 // of the ranges that are open
		for i, start := range t.Ranges.Start {
			if skipped(t.Ranges.Kind[i]) {
				continue
			}
			for len(ends) > 0 && ends[len(ends)-1] <= start {
				ends = ends[:len(ends)-1]
			}
			if len(ends) < mostRanges {
				s.add(drafts[len(ends)], start, t.Ranges.End[i], s.keys.find(name{class: class[t.Ranges.Kind[i]], id: t.Ranges.Name[i]}))
			}
			ends = append(ends, t.Ranges.End[i])
		}
		for _, d := range drafts {
			s.keep(d)
		}
	}
}

// marks are instants: intervals without length.
func (s *stage) marks() {
	seen, of := weights{}, s.keys.class("mark")
	for id := 1; id < len(s.tl.Threads); id++ {
		for _, n := range s.tl.Threads[id].Marks.Name {
			seen[name{class: of, id: n}]++
		}
	}
	s.keys.admit(seen, mostNames, s.label)
	var list []span
	for id := 1; id < len(s.tl.Threads); id++ {
		m := &s.tl.Threads[id].Marks
		for i, at := range m.Time {
			list = append(list, span{at, at, s.keys.find(name{class: of, id: m.Name[i]})})
		}
	}
	s.gather(s.open(result.LaneMarks, "marks", 1), list)
}

// collections are the garbage collector's runs.
func (s *stage) collections() {
	var list []span
	class := s.keys.class("gc")
	for id := 1; id < len(s.tl.Threads); id++ {
		gc := &s.tl.Threads[id].GC
		for i := range gc.Start {
			of := name{class: class, id: timeline.NameID(gc.Generation[i]) + 1}
			list = append(list, span{gc.Start[i], gc.End[i], s.keys.of(of, "generation "+strconv.Itoa(int(gc.Generation[i])))})
		}
	}
	s.gather(s.open(result.LaneGC, "garbage collection", 1), list)
}

// threads are the main thread and the busiest others, with what the scheduler says of them.
func (s *stage) threads() {
	type busy struct {
		id timeline.ThreadID
		ns int64
	}
	var list []busy
	own := attribution.OwnThreads(s.tl)
	for id := 1; id < len(s.tl.Threads); id++ {
		sched := &s.tl.Threads[id].Sched
		ran := sched.Known.Ns()
		if own[id] || ran <= 0 {
			continue
		}
		for i := range sched.Off {
			ran -= sched.On[i] - sched.Off[i]
		}
		if s.tl.Threads[id].Main {
			ran = s.window + 1 // the first
		}
		list = append(list, busy{timeline.ThreadID(id), ran})
	}
	slices.SortStableFunc(list, func(x, y busy) int { return cmp.Compare(y.ns, x.ns) })
	running, runnable := s.keys.of(name{class: s.keys.class("running")}, ""), s.keys.of(name{class: s.keys.class("runnable")}, "")
	var blocked [timeline.NumReasons]int32
	for r := range blocked {
		blocked[r] = s.keys.of(name{class: s.keys.class(timeline.Reason(r).String())}, "")
	}
	for i, b := range list[:min(len(list), mostThreads)] {
		t := &s.tl.Threads[b.id]
		share := 1
		if i == 0 {
			share = 4
		}
		d := s.open(result.LaneThread, threadName(t), share)
		d.Thread = b.id
		at := t.Sched.Known.Start
		put := func(start, end int64, key int32) {
			if end > start {
				s.add(d, start, end, key)
			}
		}
		for i := range t.Sched.Off {
			put(at, t.Sched.Off[i], running)
			put(t.Sched.Off[i], t.Sched.Wake[i], blocked[t.Sched.Reason[i]])
			put(t.Sched.Wake[i], t.Sched.On[i], runnable)
			at = t.Sched.On[i]
		}
		put(at, t.Sched.Known.End, running)
		s.keep(d)
	}
}

// threadName is a thread's name as a lane's.
func threadName(t *timeline.Thread) string {
	if n := phrase.Code(t.Name); n != "" {
		return n
	}
	return fmt.Sprintf("thread %d", t.TID)
}
