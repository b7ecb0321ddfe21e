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

// origin says how a moment of a thread came about.
type origin struct {
	kind  originKind
	other int32 // of those woken and born: the moment that woke or made it
	busy  int64 // of those woken: until when the thread ran before
	node  int32 // nobody until it has one
}

type originKind uint8

const (
	originSignal originKind = iota
	originWoken
	originBorn
	originEnd
)

// builder makes a Graph.
type builder struct {
	g       *Graph
	tl      *timeline.Timeline
	points  []ref    // of threads, in order of time once walk has sorted them
	origins []origin // of Graph.moments
	stream  []int32  // by operation: an index into streams.list
	// opNode are the nodes of operations, nobody for those that have not begun; begins and returns are those
	// of calls, begins being nobody for one that is merged, of which the return stands for both.
	opNode  []int32
	begins  []int32
	returns []int32
	merged  []bool // by call
	classes map[timeline.NameID]syncKind
	latency int64 // a launch's latency, own a launch call's own work
	own     int64
	s       *streams
	threads []threadState
	hands   map[ref]hand
	// recorded is the operation behind the event that was recorded last, -1 for none.
	recorded int32
	// silences has what threads were not seen to do; see silence.go.
	silences []silence
	done     int64 // when the last node was that the wall lasts until, from the begin of the cell
}

// point is a moment of a thread while it gets its edges.
type point struct {
	ref    ref
	at     int64
	call   int32
	thread timeline.ThreadID
}

// opFacts is one operation.
type opFacts struct {
	ops        *timeline.Ops
	row        int32
	start, end int64
	call       int32
}

// threadState is where a thread is in the walk.
type threadState struct {
	point  ref   // its last one, noRef before the first
	stream int32 // that it launched on last, -1 for none
	last   int32 // the operation it launched last, -1 for none
	event  int32 // the operation that its next launch waits for, -1 for none
}

func build(g *Graph) {
	b := &builder{g: g, tl: g.tl, classes: map[timeline.NameID]syncKind{}, recorded: nobody}
	b.collect()
	b.typical()
	b.callPoints()
	b.wakeups()
	b.births()
	b.ends()
	b.handOffs()
	b.walk()
	g.settle()
	g.tail = max(g.observed-b.done, 0)
}

// collect lists the operations of all devices by start, and their streams.
func (b *builder) collect() {
	total := 0
	for i := range b.tl.Devices {
		total += b.tl.Devices[i].Ops.Len()
	}
	if len(b.tl.Devices) > 1 {
		b.g.order = make([]opRow, 0, total)
		for i := range b.tl.Devices {
			for row := range b.tl.Devices[i].Ops.Start {
				b.g.order = append(b.g.order, opRow{int32(i), int32(row)})
			}
		}
		slices.SortStableFunc(b.g.order, func(x, y opRow) int {
			return cmp.Compare(b.tl.Devices[x.device].Ops.Start[x.row], b.tl.Devices[y.device].Ops.Start[y.row])
		})
	}
	b.opNode, b.stream = unset(total), make([]int32, total)
	b.s = newStreams(b.tl.Calls.Len())
	b.streams()
}

// unset are n numbers of nobody.
func unset(n int) []int32 {
	out := make([]int32, n)
	for i := range out {
		out[i] = nobody
	}
	return out
}

func (b *builder) op(k int32) opFacts {
	ops, row := b.g.op(k)
	return opFacts{ops, row, ops.Start[row], ops.End[row], ops.Call[row]}
}

func (b *builder) start(k int32) int64 {
	ops, row := b.g.op(k)
	return ops.Start[row]
}

func (b *builder) end(k int32) int64 {
	ops, row := b.g.op(k)
	return ops.End[row]
}

func (b *builder) call(k int32) int32 {
	ops, row := b.g.op(k)
	return ops.Call[row]
}

// at is when a point was.
func (b *builder) at(r ref) int64 { return b.g.facts(r).at }

// node is that of a point, nobody while it has none.
func (b *builder) node(r ref) int32 {
	switch i := r.number(); r & refKind {
	case refBegin:
		return b.begins[i]
	case refReturn:
		return b.returns[i]
	default:
		return b.origins[i].node
	}
}

// callPoints makes two points of each call, and one, its return, of a short launch whose
// operation began after it: its begin tells nothing more.
func (b *builder) callPoints() {
	c := &b.tl.Calls
	short, merge := b.own+b.own/2, b.mayMerge()
	b.merged = make([]bool, c.Len())
	n := 2 * c.Len()
	for row, start := range c.Start {
		end := max(c.End[row], start)
		if merge && c.Class[row] == timeline.CallLaunch && end-start <= short && b.beganAfter(int32(row), end) {
			b.merged[row] = true
			n--
		}
	}
	b.points = make([]ref, 0, n+1)
	for row, merged := range b.merged {
		if !merged {
			b.points = append(b.points, refBegin|ref(row))
		}
		b.points = append(b.points, refReturn|ref(row))
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
	list := b.s.list[b.stream[k]].launches
	return nth >= 0 && int(nth) < len(list) && b.call(list[nth]) == call && b.start(list[nth]) >= end
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
	signal := b.moment(s.Wake[row], s.Waker[row], origin{kind: originSignal})
	b.moment(s.Wake[row], id, origin{kind: originWoken, other: signal, busy: s.Off[row]})
}

// moment makes a point of a thread, and gives its number among the moments.
func (b *builder) moment(at int64, thread timeline.ThreadID, from origin) int32 {
	i := int32(len(b.g.moments))
	from.node = nobody
	b.g.moments, b.origins = append(b.g.moments, moment{at, thread}), append(b.origins, from)
	b.points = append(b.points, refMoment|ref(i))
	return i
}

// shortWaits makes points of the last wait of a thread, however short, before it woke another: a thread
// that hands on what it is given is no slower than that comes.
func (b *builder) shortWaits() {
	made := map[[2]int32]bool{}
	for i := 0; i < len(b.origins); i++ { // those that it makes as well
		p := b.g.moments[i]
		if b.origins[i].kind != originSignal || p.thread == b.g.main {
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
		signal := b.moment(at, main, origin{kind: originSignal})
		b.moment(at, timeline.ThreadID(id), origin{kind: originBorn, other: signal})
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
	b.moment(end, main, origin{kind: originEnd})
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
	every := int32(len(b.stream)/typicalOf + 1)
	for k := range int32(len(b.stream)) {
		o, stream := b.op(k), b.stream[k]
		free := done[stream]
		done[stream] = max(free, o.end)
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
