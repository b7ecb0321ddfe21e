package pprof

import (
	"github.com/google/pprof/profile"

	"github.com/inferscope/inferscope/analysis/timeline"
)

// The trace of another tool has no lines. What a thread did is told by the ranges that were active, operators and
// functions, which nest like calls: they are the stacks of its profile.

const (
	// maxNodes and maxDepth bound the tree of stacks, whose leaves are written each with all of its callers. What is
	// beyond them counts for the caller.
	maxNodes = 1 << 17
	maxDepth = 128
)

// node is a range and what called it, 0 for nothing.
type node struct {
	caller int32
	name   timeline.NameID
	kind   timeline.RangeKind
}

// tree holds each different stack of ranges once; node 0 is none.
type tree struct {
	nodes []node
	depth []int32
	index map[node]int32
}

func newTree() *tree {
	return &tree{nodes: make([]node, 1), depth: make([]int32, 1), index: map[node]int32{}}
}

// in is the node of a range inside of another's.
func (t *tree) in(caller int32, name timeline.NameID, kind timeline.RangeKind) int32 {
	n := node{caller, name, kind}
	if id, ok := t.index[n]; ok {
		return id
	}
	if len(t.nodes) >= maxNodes || t.depth[caller] >= maxDepth {
		return caller
	}
	id := int32(len(t.nodes))
	t.nodes, t.depth = append(t.nodes, n), append(t.depth, t.depth[caller]+1)
	t.index[n] = id
	return id
}

// walk tells the stretches of a window, in order and without gaps, each with the innermost range that was active.
func (t *tree) walk(r *timeline.Ranges, window timeline.Interval, visit func(start, end int64, at int32)) {
	type open struct {
		end int64
		at  int32
	}
	var active []open // innermost last
	innermost := func() int32 {
		if len(active) == 0 {
			return 0
		}
		return active[len(active)-1].at
	}
	now := window.Start
	pass := func(end int64) {
		if end > now {
			visit(now, end, innermost())
			now = end
		}
	}
	forward := func(to int64) {
		for len(active) > 0 && active[len(active)-1].end <= to {
			pass(active[len(active)-1].end)
			active = active[:len(active)-1]
		}
		pass(to)
	}
	for row, start := range r.Start {
		forward(start)
		end := r.End[row]
		if len(active) > 0 {
			end = min(end, active[len(active)-1].end)
		}
		active = append(active, open{end, t.in(innermost(), r.Name[row], r.Kind[row])})
	}
	forward(window.End)
}

// ranges sums the time of a thread by the stacks of its ranges, and notes in which of them its calls were made.
func (p *summer) ranges(id timeline.ThreadID, calls []int32) {
	t := &p.tl.Threads[id]
	p.tree.walk(&t.Ranges, p.tl.Window, func(start, end int64, at int32) {
		for ; len(calls) > 0 && p.tl.Calls.Start[calls[0]] < end; calls = calls[1:] {
			p.calledIn[calls[0]] = at
		}
		if at == 0 && !t.Main {
			return // before the thread did anything, or between
		}
		s := p.of(key{thread: id, node: at})
		s.Value[threads] += end - start
		if t.Main {
			s.Value[wall] += end - start
		}
	})
}

// callers is the stack of a node, innermost first.
func (p *summer) callers(at int32) []*profile.Location {
	var out []*profile.Location
	for ; at != 0; at = p.tree.nodes[at].caller {
		out = append(out, p.location(p.tl.Names.String(p.tree.nodes[at].name), p.cell(), 0))
	}
	return out
}
