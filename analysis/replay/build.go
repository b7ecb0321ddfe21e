package replay

import (
	"cmp"
	"slices"
	"sort"

	"github.com/inferscope/inferscope/analysis/timeline"
)

const (
	// skewNs is how far two records of one moment may be apart: whole microseconds in old
	// traces, and the clocks of host and device.
	skewNs = 1_000
	// promptNs is how soon after its launch an operation begins when nothing holds it up;
	// latencyNs is what is assumed where none did (5 to 8 us on all GPUs of the last ten years).
	promptNs  = 20_000
	latencyNs = 6_500
	// callNs is a CUDA call's own work when the observed call was nearly all waiting.
	callNs = 5_000
	// queueDepth is how many launches a stream takes before a launch waits for room.
	queueDepth = 1_024
	// wokenNs is the shortest wait for another thread that gets moments of its own.
	wokenNs = 50_000
)

// point is a moment of a thread before it gets its place among the nodes.
type point struct {
	at     int64
	call   int32
	thread timeline.ThreadID
	kind   pointKind
	other  int32 // pointWoken, pointBorn: the point that woke or made it
	busy   int64 // pointWoken: until when the thread ran before
}

type pointKind uint8

const (
	pointBegin pointKind = iota
	pointReturn
	pointLaunch // begin and return of a short launch
	pointSignal
	pointWoken
	pointBorn
	pointEnd
)

// builder makes a Graph.
type builder struct {
	g       *Graph
	tl      *timeline.Timeline
	points  []point
	node    []int32 // of points
	ops     []opRow // by start
	opNode  []int32
	begins  []int32 // by call: its nodes
	returns []int32
	classes map[timeline.NameID]syncKind
	latency int64 // a launch's latency, own a launch call's own work
	own     int64
	s       *streams
	threads []threadState
	hands   map[int32]hand // by point
	// recorded is the operation behind the event that was recorded last, -1 for none.
	recorded int32
	// silences has what threads were not seen to do; see silence.go.
	silences []silence
}

// opRow is one operation.
type opRow struct {
	device, row int32
	start, end  int64
	call        int32
	stream      int32 // index into streams.list
}

// threadState is where a thread is in the walk.
type threadState struct {
	point  int32 // its last one, -1 before the first
	stream int32 // that it launched on last, -1 for none
	last   int32 // the operation it launched last, -1 for none
	event  int32 // the operation that its next launch waits for, -1 for none
}

func build(g *Graph) {
	b := &builder{g: g, tl: g.tl, classes: map[timeline.NameID]syncKind{}, recorded: -1}
	b.collect()
	b.typical()
	b.callPoints()
	b.wakeups()
	b.births()
	b.ends()
	b.handOffs()
	b.walk()
	var last int64
	for i := range g.nodes {
		if g.counts(&g.nodes[i]) {
			last = max(last, g.nodes[i].at+g.nodes[i].length-g.tl.Extent.Start)
		}
	}
	g.tail = max(g.observed-last, 0)
}

// collect lists the operations of all devices by start, and their streams.
func (b *builder) collect() {
	total := 0
	for i := range b.tl.Devices {
		total += b.tl.Devices[i].Ops.Len()
	}
	b.ops = make([]opRow, 0, total)
	b.s = newStreams(b.tl.Calls.Len())
	for i := range b.tl.Devices {
		ops := &b.tl.Devices[i].Ops
		for row, start := range ops.Start {
			b.ops = append(b.ops, opRow{int32(i), int32(row), start, ops.End[row], ops.Call[row], b.s.index(int32(i), ops.Stream[row])})
		}
	}
	if len(b.tl.Devices) > 1 {
		slices.SortStableFunc(b.ops, func(x, y opRow) int { return cmp.Compare(x.start, y.start) })
	}
	b.opNode = make([]int32, len(b.ops))
	for i := range b.opNode {
		b.opNode[i] = -1
	}
	b.s.fill(b.ops)
}

// callPoints makes two points of each call, and one, its return, of a short launch whose
// operation began after it: its begin tells nothing more.
func (b *builder) callPoints() {
	c := &b.tl.Calls
	short, merge := b.own+b.own/2, b.mayMerge()
	b.points = make([]point, 0, 2*c.Len()+len(b.tl.Threads))
	for row, start := range c.Start {
		end := max(c.End[row], start)
		if merge && c.Class[row] == timeline.CallLaunch && end-start <= short && b.beganAfter(int32(row), end) {
			b.points = append(b.points, point{at: end, call: int32(row), thread: c.Thread[row], kind: pointLaunch})
			continue
		}
		b.points = append(b.points, point{at: start, call: int32(row), thread: c.Thread[row], kind: pointBegin},
			point{at: end, call: int32(row), thread: c.Thread[row], kind: pointReturn})
	}
}

// mayMerge says that moments of calls are not counted: handOffs does, where several threads make calls.
func (b *builder) mayMerge() bool {
	main := b.tl.Main()
	if main == 0 || b.tl.Threads[main].Sched.Known.Ns() > 0 {
		return true
	}
	for _, id := range b.tl.Calls.Thread {
		if id != main {
			return false
		}
	}
	return true
}

// beganAfter says that all a call launched, on one stream, began when it had returned.
func (b *builder) beganAfter(call int32, end int64) bool {
	k, nth := b.s.of[call], b.s.nth[call]
	if k < 0 {
		return false
	}
	list := b.s.list[b.ops[k].stream].launches
	return nth >= 0 && int(nth) < len(list) && b.ops[list[nth]].call == call && b.ops[list[nth]].start >= end
}

// wakeups makes points where one thread of the process woke another. Not where it only had
// the GIL: the other would have had that at another time, and waited for somebody else or not at all.
func (b *builder) wakeups() {
	for id := 1; id < len(b.tl.Threads); id++ {
		s := &b.tl.Threads[id].Sched
		for row := range s.Waker {
			if s.Wake[row]-s.Off[row] >= wokenNs && b.handed(timeline.ThreadID(id), row) {
				b.woken(timeline.ThreadID(id), row)
			}
		}
	}
	b.shortWaits()
}

// handed says that a thread's wait was ended by another of its process, which did not only have the GIL.
func (b *builder) handed(id timeline.ThreadID, row int) bool {
	s := &b.tl.Threads[id].Sched
	w := s.Waker[row]
	return w != 0 && w != id && s.Reason[row] != timeline.ReasonGIL && b.tl.Threads[w].PID == b.tl.Threads[id].PID
}

// woken makes the points of a wait that another thread ended.
func (b *builder) woken(id timeline.ThreadID, row int) {
	s := &b.tl.Threads[id].Sched
	b.points = append(b.points, point{at: s.Wake[row], call: -1, thread: s.Waker[row], kind: pointSignal},
		point{at: s.Wake[row], call: -1, thread: id, kind: pointWoken, other: int32(len(b.points)), busy: s.Off[row]})
}

// shortWaits makes points of the last wait of a thread, however short, before it woke another: a thread
// that hands on what it is given is no slower than that comes.
func (b *builder) shortWaits() {
	made := map[[2]int32]bool{}
	for i := 0; i < len(b.points); i++ { // those that it makes as well
		p := b.points[i]
		if p.kind != pointSignal || p.thread == b.g.main {
			continue
		}
		s := &b.tl.Threads[p.thread].Sched
		row := sort.Search(len(s.Off), func(x int) bool { return s.Off[x] >= p.at }) - 1
		if key := [2]int32{int32(p.thread), int32(row)}; row >= 0 && s.Wake[row] <= p.at && s.Wake[row]-s.Off[row] < wokenNs &&
			!made[key] && b.handed(p.thread, row) {
			made[key] = true
			b.woken(p.thread, row)
		}
	}
}

// briefly is how long a thread waited for others of its process in [from, to), as far as that has no moments.
func (b *builder) briefly(id timeline.ThreadID, from, to int64) (ns int64) {
	s := &b.tl.Threads[id].Sched
	for row := sort.Search(len(s.Off), func(x int) bool { return s.Off[x] >= from }); row < len(s.Off) && s.Wake[row] <= to; row++ {
		if s.Wake[row]-s.Off[row] < wokenNs && b.handed(id, row) {
			ns += s.Wake[row] - s.Off[row]
		}
	}
	return ns
}

// births makes points where the main thread made another: what that does depends on it from then on. Who
// made a thread is not recorded, and nearly all are made by the main one, or by one that it waits for.
func (b *builder) births() {
	main := b.tl.Main()
	if main == 0 || b.tl.Threads[main].Sched.Known.Ns() <= 0 {
		return
	}
	for id := 1; id < len(b.tl.Threads); id++ {
		t := &b.tl.Threads[id]
		at := t.Sched.Known.Start
		if timeline.ThreadID(id) == main || t.PID != b.tl.Threads[main].PID || t.Sched.Known.Ns() <= 0 || at <= b.tl.Extent.Start || at >= b.tl.Window.End {
			continue
		}
		b.points = append(b.points, point{at: at, call: -1, thread: main, kind: pointSignal},
			point{at: at, call: -1, thread: timeline.ThreadID(id), kind: pointBorn, other: int32(len(b.points))})
	}
}

// ends makes the last point of the main thread: the end of a cell, or of what a trace shows of the thread.
func (b *builder) ends() {
	main := b.tl.Main()
	if main == 0 {
		return
	}
	end := b.tl.Window.End
	if b.tl.NoCell {
		end = b.tl.Window.Start
		for _, e := range b.tl.Threads[main].Ranges.End {
			end = max(end, e)
		}
		for row, e := range b.tl.Calls.End {
			if b.tl.Calls.Thread[row] == main {
				end = max(end, e)
			}
		}
	}
	b.points = append(b.points, point{at: end, call: -1, thread: main, kind: pointEnd})
}

// typicalOf is how many launches, evenly spread, tell what is typical of them.
const typicalOf = 1 << 16

// typical measures what a launch takes on the host, and until its operation begins.
func (b *builder) typical() {
	own, latency := make([]int64, 0, typicalOf), make([]int64, 0, typicalOf)
	c := &b.tl.Calls
	done := make([]int64, len(b.s.list)) // by stream
	for i := range done {
		done[i] = b.tl.Extent.Start
	}
	every := len(b.ops)/typicalOf + 1
	for k, o := range b.ops {
		free := done[o.stream]
		done[o.stream] = max(free, o.end)
		if o.call < 0 || k%every > 0 {
			continue
		}
		if c.Class[o.call] == timeline.CallLaunch {
			own = append(own, c.End[o.call]-c.Start[o.call])
		}
		if after := o.start - c.End[o.call]; after >= 0 && after <= promptNs && free <= c.End[o.call] {
			latency = append(latency, after)
		}
	}
	// Most launches may have waited for room: a call's own work is that of a short one.
	b.own, b.latency = quantile(own, 10, callNs), quantile(latency, 2, latencyNs)
}

// quantile is the value below which one part in n of a list lies; none where it is empty.
func quantile(list []int64, n int, none int64) int64 {
	if len(list) == 0 {
		return none
	}
	slices.Sort(list)
	return list[len(list)/n]
}

// walk gives points and operations their order and makes their edges. In order of observed
// time, with points first, every edge leads forwards.
func (b *builder) walk() {
	order := make([]int32, len(b.points))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortStableFunc(order, func(x, y int32) int { return cmp.Compare(b.points[x].at, b.points[y].at) })
	b.node = make([]int32, len(b.points))
	for i := range b.node {
		b.node[i] = -1
	}
	b.begins, b.returns = make([]int32, b.tl.Calls.Len()), make([]int32, b.tl.Calls.Len())
	b.silences = make([]silence, len(b.tl.Threads))
	b.threads = make([]threadState, len(b.tl.Threads))
	for i := range b.threads {
		b.threads[i] = threadState{-1, -1, -1, -1}
	}
	n := len(order) + len(b.ops)
	b.g.nodes, b.g.edges = make([]node, 0, n), make([]edge, 0, 2*n)
	for i, k := 0, 0; i < len(order) || k < len(b.ops); {
		if i < len(order) && (k == len(b.ops) || b.points[order[i]].at <= b.ops[k].start) {
			b.point(order[i])
			i++
		} else {
			b.op(int32(k))
			k++
		}
		b.g.nodes[len(b.g.nodes)-1].edges = int32(len(b.g.edges))
	}
}

func (b *builder) edge(kind edgeKind, from int32, since, lag int64) {
	b.g.edges = append(b.g.edges, edge{since, lag, from, kind})
}

// point adds a moment of a thread.
func (b *builder) point(i int32) {
	p := &b.points[i]
	st := &b.threads[p.thread]
	id := int32(len(b.g.nodes))
	b.node[i] = id
	b.g.nodes = append(b.g.nodes, node{at: p.at, call: p.call, thread: p.thread})
	from, since := int32(-1), b.tl.Extent.Start
	if st.point >= 0 {
		from, since = b.node[st.point], b.points[st.point].at
	}
	own, kind := max(p.at-since, 0), edgeOwn
	if h, ok := b.hands[i]; ok && b.node[h.from] >= 0 {
		b.edge(edgeHand, b.node[h.from], b.points[h.from].at, p.at-b.points[h.from].at)
		own = min(own, h.own)
	}
	switch p.kind {
	case pointWoken:
		if signal := b.node[p.other]; signal >= 0 {
			b.edge(edgeWoken, signal, p.busy, 0)
			own = min(own, max(p.busy-since, 0))
			if b.g.main != 0 && p.thread != b.g.main { // one that waited for whatever came would have done so before
				own = max(own-b.silentIn(p.thread, since, since+own)-b.briefly(p.thread, since, since+own), 0)
				kind = edgeBusy
			}
		}
	case pointBorn:
		if maker := b.node[p.other]; maker >= 0 && st.point < 0 {
			from, since, own = maker, p.at, 0
		}
	case pointReturn:
		b.returns[p.call] = id
		own = b.waits(p, since, own)
	case pointLaunch:
		b.returns[p.call], b.begins[p.call] = id, -1
		b.called(p.call, st)
		own = b.waits(p, since, own)
	case pointBegin:
		b.begins[p.call] = id
		b.called(p.call, st)
	}
	if since+own == p.at {
		own = b.silent(p, since, own)
	}
	b.edge(kind, from, since, own)
	st.point = i
}

// op adds a device operation.
func (b *builder) op(k int32) {
	o := &b.ops[k]
	ops := &b.tl.Devices[o.device].Ops
	id := int32(len(b.g.nodes))
	b.opNode[k] = id
	n := node{at: o.start, length: o.end - o.start, call: o.call, name: ops.Name[o.row], kind: ops.Kind[o.row], op: true}
	if o.call >= 0 {
		n.thread = b.tl.Calls.Thread[o.call]
	}
	b.g.nodes = append(b.g.nodes, n)
	s := &b.s.list[o.stream]
	launch, kind, launchAt := int32(-1), edgeFixed, b.tl.Extent.Start
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
			launchAt, launch, kind = o.start, -1, edgeFixed
			if last := b.threads[n.thread].point; last >= 0 {
				launchAt, launch, kind = b.points[last].at, b.node[last], edgeOwn
			}
		}
		least = min(o.start-launchAt, b.latency)
		ready = launchAt + least
	}
	before := b.s.before(s, b.ops, k, o)
	event := int32(-1)
	if o.call >= 0 {
		event = b.s.after[o.call]
	}
	if event >= k || event >= 0 && (b.ops[event].end > o.start+skewNs || event == before) {
		event = -1 // not the one it waited for
	}
	beforeEnd, eventEnd := int64(-1)<<62, int64(-1)<<62
	if before >= 0 {
		beforeEnd = b.ops[before].end
	}
	if event >= 0 {
		eventEnd = b.ops[event].end
	}
	bindStream := before >= 0 && beforeEnd >= ready && beforeEnd >= eventEnd || before >= 0 && o.call < 0
	bindEvent := !bindStream && event >= 0 && eventEnd >= ready
	if before >= 0 {
		lag := int64(0)
		if bindStream {
			lag = slack(o.start - beforeEnd)
		}
		b.edge(edgeStream, b.opNode[before], beforeEnd, lag)
	}
	if event >= 0 {
		lag := int64(0)
		if bindEvent {
			lag = slack(o.start - eventEnd)
		}
		b.edge(edgeEvent, b.opNode[event], eventEnd, lag)
	}
	switch {
	case bindStream || bindEvent:
		if o.call >= 0 && launch >= 0 {
			b.edge(kind, launch, launchAt, least)
		}
	case launch >= 0:
		b.edge(kind, launch, launchAt, o.start-launchAt)
	default:
		b.edge(edgeFixed, -1, b.tl.Extent.Start, max(o.start-b.tl.Extent.Start, 0))
	}
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
