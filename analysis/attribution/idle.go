package attribution

import (
	"math"

	"github.com/inferscope/inferscope/analysis/coverage"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// How idle time gets its cause. A gap of the busiest device is cut at every change
// of what the thread that launched the next operation did, and each piece takes the
// first cause that fits, in the order of idleKinds:
//
//   - profiler, warm_up and compile, while a record or a call says so;
//   - launch_latency, stream_dependency or device_wait once the launch of the next
//     operation had returned: from then on the host is not to blame;
//   - sync_refill while the thread is in the synchronising call that saw the device
//     fall idle, and right after it, until the next launch. A wait, a collection, an
//     allocation or a pageable copy that follows keeps its own cause, and so does
//     whatever comes later than refillNs: a host that needs longer than that to launch
//     something is held up by something else;
//   - the call that the thread is in, its wait, or, while it runs, what samples say.
//
// A thread other than the main one that only waits to be given work passes the
// question on to the main thread.

const (
	// launchNs is how soon after its launch an operation begins when nothing holds it up.
	launchNs = 20_000
	// refillNs is how long after a synchronisation the host is still refilling the queue.
	refillNs = 1_000_000
)

// idleLine is the idle time of one line.
type idleLine struct {
	index, number int32
	kinds, counts [numIdle]int64
	// seen is what was told of kinds piece by piece, without estimates and votes; unsure the part of it whose
	// line is only that of the nearest sample.
	seen, unsure [numIdle]int64
	proofs       [numIdle]majority
	// shared is the time to be shared out by samples, votes how many there are, sampled
	// the time that they were taken in: shared, before anything is estimated.
	shared, votes, sampled int64
	// ballots has the votes by kind.
	ballots [numIdle]int64
	// last is the kind that most of the shared time went to.
	last idle
	// sample is what was seen of all this where the capture was not whole; otherwise nil.
	sample *lineSample
}

// idleVote is one class of samples.
type idleVote struct {
	line  int32
	kind  idle
	group packed
}

// column is a column of the picture while it is filled.
type column struct {
	kinds  [numIdle]int64
	shared int64
	lines  majorityLine
}

// majorityLine keeps the line that carries most of a sum, when any carries half.
type majorityLine struct {
	line int32
	ns   int64
}

func (m *majorityLine) add(line int32, ns int64) {
	switch {
	case m.line == line:
		m.ns += ns
	case m.ns < ns:
		m.line, m.ns = line, ns-m.ns
	default:
		m.ns -= ns
	}
}

// idleSweep walks the idle time of one device.
type idleSweep struct {
	a       *attributor
	tl      *timeline.Timeline
	c       *calls
	ops     *timeline.Ops
	plan    *coverage.Plan
	seen    *coverage.Device
	carried []bool
	actors  []*actor
	main    *actor
	kernel  bool // the main thread's samples come from the kernel

	lines  []*idleLine
	byLine map[int32]int
	at     *idleLine
	votes  map[idleVote]int64
	code   [numIdle][]int64 // the time of ranges by what they stand for, an index into fns
	libs   map[timeline.NameID]role

	overhead int // the first of Overheads that has not ended
	covered  int64

	blocks       cutter
	pieces       int // into which blocks cuts
	blockKinds   [Blocks][NumShares]int64
	blockShared  [Blocks]int64
	columns      cutter
	filled       []column
	totalNs      int64
	lastK        idle
	lastLine     int32
	lastGap, gap int64
	// costing says that the piece at hand is what the capture of a launch cost, where the capture was not whole.
	costing bool

	journal journal
	// who is the thread that the piece at hand is told of, call the call that explains it (-1 for
	// none); before and next are the operations around the gap, -1 where there is none.
	who          *actor
	call         int32
	before, next int
	// unsure says that the piece at hand has its line from a call of which that is only the nearest sample's.
	unsure bool
	// hostDue says that the gap is known to wait for the host: the launch of the operation
	// that ends it was recorded, or none followed.
	hostDue bool
}

func newIdleSweep(a *attributor, c *calls, device int, plan *coverage.Plan) *idleSweep {
	tl := a.tl
	s := &idleSweep{a: a, tl: tl, c: c, ops: &tl.Devices[device].Ops, actors: make([]*actor, len(tl.Threads)),
		plan: plan, seen: &plan.Devices[device], pieces: Blocks,
		kernel: a.kernelSamples, byLine: map[int32]int{}, votes: map[idleVote]int64{}, libs: map[timeline.NameID]role{},
		columns: newCutter(tl.Extent, result.PictureColumns)}
	if !plan.Whole() {
		s.pieces = plan.Slots()
	}
	s.blocks = s.cutter()
	s.carried = s.seen.Carried
	s.main = s.actor(tl.Main())
	s.filled = make([]column, s.columns.n)
	return s
}

func (s *idleSweep) actor(id timeline.ThreadID) *actor {
	if s.actors[id] == nil {
		s.actors[id] = newActor(s.c, s.a.frames, id)
		s.actors[id].code = newRangeCursor(s.a.code, s.actors[id].t)
	}
	return s.actors[id]
}

// cutter cuts the wall into the pieces of GPU.Blocks.
func (s *idleSweep) cutter() cutter {
	if s.plan.Whole() {
		return newCutter(s.tl.Extent, Blocks)
	}
	return stretchCutter(s.seen.Stretches)
}

// run walks the gaps between operations in the stretches over which the device is known.
func (s *idleSweep) run() {
	row, at := 0, s.tl.Extent.Start
	s.before = -1
	for i := 0; i < len(s.seen.Stretches); i++ {
		x := s.seen.Stretches[i].Interval
		for ; i+1 < len(s.seen.Stretches) && s.seen.Stretches[i+1].Start == x.End; i++ {
			x.End = s.seen.Stretches[i+1].End
		}
		at = max(at, x.Start)
		for ; row < len(s.ops.Start) && s.ops.Start[row] < x.End; row++ {
			if start := s.ops.Start[row]; start > at {
				s.idle(at, start, row)
			}
			if end := s.ops.End[row]; end >= at {
				at, s.before = end, row
			}
		}
		if at < x.End { // what ended this gap was not seen
			s.idle(at, x.End, -1)
			at = x.End
		}
	}
}

// refill is the time after a synchronisation.
type refill struct {
	call       int32 // -1 for none
	left, ends int64
}

func (s *idleSweep) refill(v *actor, t, end int64, launch int32) refill {
	v.at(t)
	row := v.left(t, end, launch)
	if row < 0 {
		return refill{call: -1, left: math.MinInt64, ends: math.MinInt64}
	}
	left := s.tl.Calls.End[row]
	return refill{row, left, left + refillNs}
}

// idle attributes one gap, before the operation next, or after the last when next is -1.
func (s *idleSweep) idle(start, end int64, next int) {
	s.gap++
	s.next = next
	s.totalNs += end - start
	thread, call, returned, after := s.main.id, int32(-1), int64(math.MaxInt64), iDeviceWait
	if next >= 0 {
		call = s.ops.Call[next]
		switch {
		case call >= 0:
			if id := s.tl.Calls.Thread[call]; id != 0 {
				thread = id
			}
			returned = s.tl.Calls.End[call]
			if end-returned <= launchNs {
				after = iLaunch
			} else if s.c.flags[call]&callAfterWait != 0 {
				after = iDependency
			}
		case s.carried[next]:
			returned = start
		}
	}
	s.hostDue = next < 0 || call >= 0
	v := s.actor(thread)
	own := s.refill(v, start, end, call)
	fromMain := own
	if thread != s.main.id && s.main.id != 0 {
		fromMain = s.refill(s.main, start, end, call)
	}
	cost := s.cost(start, end, call)
	for t := start; t < end; {
		who, refilling := v, own
		v.at(t)
		until := cost.next(t, min(end, v.until))
		inCall := cost.in(t)
		if v != s.main && s.main.id != 0 {
			s.main.at(t)
			until = min(until, s.main.until)
			if v.idleHand() || !v.t.Python && s.compiling() {
				who, refilling = s.main, fromMain
			}
		}
		s.who, s.call = who, who.innermost()
		line := who.line
		s.unsure = who.unsure
		if line == 0 {
			line, s.unsure = s.main.line, s.main.unsure
		}
		profiled := s.profiled(t, &until)
		s.costing = inCall || profiled
		if t < s.tl.Window.End {
			until = min(until, s.tl.Window.End)
		}
		if t < returned {
			until = min(until, returned)
		}
		if refilling.call >= 0 {
			if t < refilling.left {
				until = min(until, refilling.left)
			} else if t < refilling.ends {
				until = min(until, refilling.ends)
			}
		}
		switch k, p := s.hard(who, t, profiled); {
		case k != iUnknown:
			s.add(k, line, p, t, until)
		case t >= returned:
			line = 0
			if s.unsure = call >= 0 && s.c.lineUnsure(call); call >= 0 {
				line, s.call = s.c.line[call], call
			}
			s.add(after, line, proof{}, t, until)
		case t < refilling.left || t < refilling.ends && s.plain(who):
			s.call, s.unsure = refilling.call, s.c.lineUnsure(refilling.call)
			s.add(iRefill, s.c.line[refilling.call], proof{call: s.tl.Calls.Name[refilling.call]}, t, until)
		default:
			s.soft(who, line, t, until)
		}
		t = until
	}
}

// compiling says that the main thread waits in a compiler: the threads that have no Python work for it,
// as those of XLA do, which try what they compiled on the device.
func (s *idleSweep) compiling() bool {
	return s.main.row.offCPU() && s.a.frames.role[s.main.row.stack] == roleCompile
}

// profiled says whether tracing held things up at t, and until when that answer holds.
// Overheads are sorted by their start and may overlap.
func (s *idleSweep) profiled(t int64, until *int64) bool {
	list := s.tl.Overheads
	for s.overhead < len(list) && list[s.overhead].Start <= t {
		s.covered = max(s.covered, list[s.overhead].End)
		s.overhead++
	}
	if s.covered > t {
		*until = min(*until, s.covered)
		return true
	}
	if s.overhead < len(list) {
		*until = min(*until, list[s.overhead].Start)
	}
	return false
}

// hard are the causes that come before the launch's return; iUnknown when none fits.
func (s *idleSweep) hard(v *actor, t int64, profiled bool) (idle, proof) {
	if profiled {
		return iProfiler, proof{}
	}
	if t >= s.tl.Window.End {
		return iUnknown, proof{}
	}
	of := roleNone
	if v.row.offCPU() {
		of = s.a.frames.role[v.row.stack]
	}
	switch {
	case v.in(timeline.CallInit):
		return iWarmUp, s.callProof(v, timeline.CallInit)
	case of == roleWarmUp:
		return iWarmUp, s.schedProof(v)
	case v.in(timeline.CallModule):
		return iCompile, s.callProof(v, timeline.CallModule)
	case of == roleCompile:
		return iCompile, s.schedProof(v)
	}
	switch v.code.inside().role {
	case roleProfiler:
		return iProfiler, proof{}
	case roleWarmUp:
		return iWarmUp, proof{}
	case roleCompile:
		return iCompile, proof{}
	}
	return iUnknown, proof{}
}

// plain says that nothing with a cause of its own holds the thread up.
func (s *idleSweep) plain(v *actor) bool {
	return !v.collecting && !v.pageable && !v.in(timeline.CallAlloc) && !v.row.offCPU() &&
		v.code.inside().role != roleLoader
}

// soft are the causes that come after those of the launch and the synchronisation.
func (s *idleSweep) soft(v *actor, line int32, t, until int64) {
	if t >= s.tl.Window.End {
		s.add(iUnknown, line, proof{}, t, until)
		return
	}
	switch {
	case v.pageable:
		s.add(iPageable, line, s.callProof(v, timeline.CallCopy), t, until)
	case v.in(timeline.CallAlloc):
		s.add(iAllocator, line, s.callProof(v, timeline.CallAlloc), t, until)
	case v.row.offCPU() && s.a.frames.role[v.row.stack] == roleLoader:
		s.add(iLoading, line, s.schedProof(v), t, until)
	case v.code.inside().role == roleLoader:
		s.addCode(v, line, t, until)
	case v.collecting:
		s.add(iHost+kGC, line, proof{}, t, until)
	case v.row.state == blocked:
		s.add(idleOf(reasonKind[v.row.reason]), line, s.schedProof(v), t, until)
	case v.row.state == runnable:
		s.add(iHost+kPreempted, line, proof{}, t, until)
	case v.in(timeline.CallSync):
		s.add(iDeviceWait, line, s.callProof(v, timeline.CallSync), t, until)
	case v.classes != 0 && (!v.code.active() || v.code.inside().kind() != kFramework):
		s.add(iFramework, line, proof{call: s.tl.Calls.Name[v.active[0]]}, t, until)
	case v.id == 0:
		s.add(iUnknown, line, proof{}, t, until)
	case v.code.active() && v.row.state == stateUnknown:
		s.addCode(v, line, t, until)
	case s.tl.NoCell && s.hostDue:
		s.add(iOutside, line, proof{}, t, until)
	default:
		s.share(v, line, t, until)
	}
}

func (s *idleSweep) callProof(v *actor, class timeline.CallClass) proof {
	row := v.deepest(class)
	if row < 0 {
		return proof{}
	}
	return proof{call: s.tl.Calls.Name[row]}
}

func (s *idleSweep) schedProof(v *actor) proof {
	r := &v.row
	k := reasonKind[r.reason]
	if r.state == runnable {
		k = kPreempted
	}
	return proof{group: groupKey{kind: k, reason: r.reason, syscall: r.syscall, fn: s.a.frames.deepest[r.stack]}.pack()}
}

func (s *idleSweep) line(number int32) *idleLine {
	if s.at != nil && s.at.number == number {
		return s.at
	}
	i, ok := s.byLine[number]
	if !ok {
		if len(s.lines) >= maxLines && number != 0 {
			return s.line(0)
		}
		i = len(s.lines)
		s.byLine[number] = i
		l := &idleLine{index: int32(i), number: number}
		if !s.plan.Whole() {
			l.sample = &lineSample{}
		}
		s.lines = append(s.lines, l)
	}
	s.at = s.lines[i]
	return s.at
}

// note puts a piece into the journal; of one that samples share out, k says nothing.
func (s *idleSweep) note(start, end int64, k idle, line int32, sampled bool) {
	row := &s.who.row
	s.journal.add(entry{start: start, end: end, call: s.call, waker: row.waker, gap: s.gap, before: int32(s.before), next: int32(s.next)},
		momentClass{line: line, thread: s.who.id, kind: k, sampled: sampled, state: row.state, reason: row.reason})
}

// add gives [start, end) a cause.
func (s *idleSweep) add(k idle, number int32, p proof, start, end int64) {
	l := s.line(number)
	s.note(start, end, k, l.number, false)
	l.kinds[k] += end - start
	l.seen[k] += end - start
	if s.unsure {
		l.unsure[k] += end - start
	}
	if p != (proof{}) {
		l.proofs[k].add(p, end-start)
	}
	again := s.lastGap == s.gap && s.lastK == k && s.lastLine == l.number
	s.lastGap, s.lastK, s.lastLine = s.gap, k, l.number
	of := idleShare(k)
	for t := start; t < end; {
		piece, until := s.blocks.next(t, end)
		s.blockKinds[piece][of] += until - t
		l.sample.at(s, int(k), piece, until-t)
		if !again {
			l.sample.at(s, countCells+int(k), piece, 1)
			l.counts[k]++
			again = true
		}
		t = until
	}
	for t := start; t < end; {
		piece, until := s.columns.next(t, end)
		s.filled[piece].kinds[k] += until - t
		s.filled[piece].lines.add(l.number, until-t)
		t = until
	}
}
