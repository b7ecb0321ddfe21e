package replay

import (
	"cmp"
	"slices"
)

// walk gives points and operations their order and makes their edges. In order of observed
// time, with points first, every edge leads forwards.
func (b *builder) walk() {
	byTime := func(x, y ref) int { return cmp.Compare(b.at(x), b.at(y)) }
	if !slices.IsSortedFunc(b.points, byTime) {
		slices.SortStableFunc(b.points, byTime)
	}
	b.begins, b.returns = unset(b.tl.Calls.Len()), unset(b.tl.Calls.Len())
	b.silences = make([]silence, len(b.tl.Threads))
	b.threads = make([]threadState, len(b.tl.Threads))
	for i := range b.threads {
		b.threads[i] = threadState{noRef, nobody, nobody, nobody}
	}
	ops := int32(len(b.opNode))
	b.g.nodes = make([]node, 0, len(b.points)+len(b.opNode))
	k := int32(0)
	for _, r := range b.points {
		n := b.g.facts(r)
		for ; k < ops && b.start(k) < n.at; k++ {
			b.opEdges(k)
		}
		b.pointEdges(&point{r, n.at, n.call, n.thread})
	}
	for ; k < ops; k++ {
		b.opEdges(k)
	}
}

// add makes a node, to which the edges that follow lead, and gives its number.
func (b *builder) add(r ref) int32 {
	b.g.nodes = append(b.g.nodes, node{ref: r})
	if n := b.g.facts(r); b.g.counts(&n) {
		b.done = max(b.done, n.at+n.length-b.tl.Extent.Start)
	}
	return int32(len(b.g.nodes) - 1)
}

// edge makes an edge from a node, nobody being the begin of the cell.
func (b *builder) edge(kind edgeKind, from int32, lag int64) {
	if from == nobody {
		from = fromBegin
	}
	b.g.edges.add(kind, uint32(from), lag)
}

// pointEdges adds a moment of a thread.
func (b *builder) pointEdges(p *point) {
	st := &b.threads[p.thread]
	id := b.add(p.ref)
	from, since := nobody, b.tl.Extent.Start
	if st.point != noRef {
		from, since = b.node(st.point), b.at(st.point)
	}
	own, kind := max(p.at-since, 0), edgeOwn
	if h, ok := b.hands[p.ref]; ok && b.node(h.from) >= 0 {
		b.edge(edgeHand, b.node(h.from), p.at-b.at(h.from))
		own = min(own, h.own)
	}
	switch i := p.ref.number(); p.ref & refKind {
	case refBegin:
		b.begins[i] = id
		b.called(p.call, st)
	case refReturn:
		b.returns[i] = id
		if b.merged[i] {
			b.begins[i] = nobody
			b.called(p.call, st)
		}
		own = b.waits(p, since, own)
	case refMoment:
		switch o := &b.origins[i]; o.kind {
		case originWoken:
			o.node = id
			signal := b.origins[o.other].node
			if signal < 0 {
				break
			}
			b.edge(edgeWoken, signal, p.at-o.busy)
			own = min(own, max(o.busy-since, 0))
			if b.g.main != 0 && p.thread != b.g.main { // one that waited for whatever came would have done so before
				own = max(own-b.silentIn(p.thread, since, since+own)-b.briefly(p.thread, since, since+own), 0)
				kind = edgeBusy
			}
		case originBorn:
			o.node = id
			if maker := b.origins[o.other].node; maker >= 0 && st.point == noRef {
				from, since, own = maker, p.at, 0
			}
		default:
			o.node = id
		}
	}
	if since+own == p.at {
		own = b.silent(p, since, own)
	}
	b.edge(kind, from, own)
	b.g.edges.newest().bits |= lastEdge
	st.point = p.ref
}

// opEdges adds a device operation.
func (b *builder) opEdges(k int32) {
	o := b.op(k)
	b.opNode[k] = b.add(refOp | ref(k))
	s := &b.s.list[b.stream[k]]
	launch, kind, launchAt := nobody, edgeFixed, b.tl.Extent.Start
	ready := b.tl.Extent.Start
	least := int64(0)
	if o.call >= 0 {
		kind, launchAt = edgeLaunch, b.tl.Calls.End[o.call]
		if launchAt > o.start {
			kind, launchAt = edgeInside, b.tl.Calls.Start[o.call]
			launch = b.begins[o.call]
		} else {
			launch = b.returns[o.call]
		}
		if launchAt > o.start { // began before its call did, by the clocks: it follows what its thread did last
			launchAt, launch, kind = o.start, nobody, edgeFixed
			if last := b.threads[b.tl.Calls.Thread[o.call]].point; last != noRef {
				launchAt, launch, kind = b.at(last), b.node(last), edgeOwn
			}
		}
		least = min(o.start-launchAt, b.latency)
		ready = launchAt + least
	}
	before := b.before(s, &o)
	event := nobody
	if o.call >= 0 {
		event = b.s.eventOf(o.call)
	}
	if event >= k || event >= 0 && (b.end(event) > o.start+skewNs || event == before) {
		event = nobody // not the one it waited for
	}
	beforeEnd, eventEnd := int64(-1)<<62, int64(-1)<<62
	if before >= 0 {
		beforeEnd = b.end(before)
	}
	if event >= 0 {
		eventEnd = b.end(event)
	}
	bindStream := before >= 0 && beforeEnd >= ready && beforeEnd >= eventEnd || before >= 0 && o.call < 0
	bindEvent := !bindStream && event >= 0 && eventEnd >= ready
	if before < 0 && b.fills(k) {
		s.turns.copied = k
	}
	if before >= 0 {
		lag := int64(0)
		if bindStream {
			lag = slack(o.start - beforeEnd)
		}
		b.edge(b.inTurn(s, k, before), b.opNode[before], lag)
	}
	if event >= 0 {
		lag := int64(0)
		if bindEvent {
			lag = slack(o.start - eventEnd)
		}
		b.edge(b.ordered(k, event), b.opNode[event], lag)
	}
	switch {
	case bindStream || bindEvent:
		if o.call >= 0 && launch >= 0 {
			b.edge(kind, launch, least)
		}
	case launch >= 0:
		b.edge(kind, launch, o.start-launchAt)
	default:
		b.edge(edgeFixed, nobody, max(o.start-b.tl.Extent.Start, 0))
	}
	b.g.edges.newest().bits |= lastEdge
	if o.end > s.lastEnd || s.last < 0 {
		s.last, s.lastEnd = k, o.end
	}
}

// slack is what an edge carries: records of one moment may be out of order by the skew, and
// what is more contradicts the graph, which the error of the replay then shows.
func slack(ns int64) int64 {
	if ns < -skewNs {
		return 0
	}
	return ns
}
