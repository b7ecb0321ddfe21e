package replay

import "github.com/inferscope/inferscope/analysis/timeline"

// turns is what a stream's copies to the device and the kernels between them have done so far, as
// operations, nobody for none: the last copy, the kernel before it, and the kernel before the copy before.
// Sets count with the kernels: libraries clear their workspace before one.
type turns struct{ copied, used, usedBefore int32 }

// inTurn is the kind of the edge from the operation before on its stream to operation k. Copies from pinned
// memory that follow a kernel take turns with it; edges of their own keep what must stay in order.
func (b *builder) inTurn(s *stream, k, before int32) edgeKind {
	if !b.fills(k) {
		if s.turns.used >= 0 && b.fills(before) {
			b.edge(edgeBuffer, b.opNode[s.turns.used], 0)
		}
		if b.kind(k) == timeline.OpMemcpy {
			s.turns = turns{nobody, nobody, nobody} // what else is copied may be what the next copy waits for
		}
		return edgeStream
	}
	kind := edgeStream
	if b.kind(before) != timeline.OpMemcpy {
		kind = edgeTurn
		s.turns.usedBefore, s.turns.used = s.turns.used, before
		for _, earlier := range []int32{s.turns.copied, s.turns.usedBefore} {
			if earlier >= 0 {
				b.edge(edgeBuffer, b.opNode[earlier], 0)
			}
		}
	}
	s.turns.copied = k
	return kind
}

func (b *builder) kind(k int32) timeline.OpKind {
	ops, row := b.g.op(k)
	return ops.Kind[row]
}

// fills says that an operation copies from pinned memory to the device, on a call's behalf.
func (b *builder) fills(k int32) bool {
	ops, row := b.g.op(k)
	return ops.Call[row] >= 0 && ops.Kind[row] == timeline.OpMemcpy && ops.Copy[row] == timeline.CopyHtoD &&
		ops.Source[row] == timeline.MemoryPinned && ops.Graph[row] == 0
}

// ordered is the kind of the edge from the operation behind an event to operation k, which waits for that.
func (b *builder) ordered(k, event int32) edgeKind {
	if b.kind(k) == timeline.OpKernel && b.kind(event) == timeline.OpKernel {
		return edgeOrder
	}
	return edgeEvent
}

// EventWaits tells, for each kernel whose begin an event behind a kernel of another stream held up, the call
// that launched it and for how long, in ns: from when nothing else did.
func (g *Graph) EventWaits(each func(call int32, ns int64)) {
	ends := make([]int64, g.places)
	edges := g.edges.read()
	for i := range g.nodes {
		n := g.facts(g.nodes[i].ref)
		var event, others int64
		for more := true; more; {
			x := edges.next()
			more = !x.last()
			end := g.tl.Extent.Start
			if p := x.from(); p != fromBegin {
				end = ends[p]
			}
			switch x.kind() {
			case edgeOrder:
				event = end
			case edgeLaunch, edgeInside:
				others = max(others, end+g.edges.lag(*x))
			default:
				others = max(others, end)
			}
		}
		if p := g.nodes[i].place; p != noPlace {
			ends[p] = n.at + n.length
		}
		if n.ops != nil && n.call >= 0 && event > others {
			each(n.call, event-others)
		}
	}
}
