package attribution

import (
	"math"

	"github.com/inferscope/inferscope/analysis/timeline"
)

// callFlag says what became of a CUDA call.
type callFlag uint8

const (
	// callLaunched: at least one operation belongs to the call.
	callLaunched callFlag = 1 << iota
	// callPageable: it copies from or to pageable memory.
	callPageable
	// callBlocking: a copy that returned only after it was done.
	callBlocking
	// callAfterWait: its stream was made to wait for an event just before.
	callAfterWait
)

// calls answers what the sweep over a device's idle time asks of the CUDA calls.
type calls struct {
	tl    *timeline.Timeline
	flags []callFlag
	// line is the cell's line that each call belongs to; unsure, where it is not nil, says of which
	// calls that is only the line of the nearest sample.
	line   []int32
	unsure []bool
	// rows are the calls ordered by thread, then by start; a thread's are rows[first[id]:first[id+1]].
	rows  []int32
	first []int32
}

// skew is how far the host's and the device's view of one moment may be apart.
const skew = 1_000

func indexCalls(tl *timeline.Timeline, frames *stackIndex) *calls {
	table := &tl.Calls
	n := table.Len()
	c := &calls{tl: tl, flags: make([]callFlag, n), line: make([]int32, n), rows: make([]int32, n), first: make([]int32, len(tl.Threads)+1)}
	for i := range tl.Devices {
		ops := &tl.Devices[i].Ops
		for row, call := range ops.Call {
			if call < 0 {
				continue
			}
			c.flags[call] |= callLaunched
			if ops.Kind[row] != timeline.OpMemcpy {
				continue
			}
			if ops.Source[row] == timeline.MemoryPageable || ops.Target[row] == timeline.MemoryPageable {
				c.flags[call] |= callPageable
			}
			if ops.End[row] <= table.End[call]+skew {
				c.flags[call] |= callBlocking
			}
		}
	}
	for _, t := range table.Thread {
		c.first[t+1]++
	}
	for t := range tl.Threads {
		c.first[t+1] += c.first[t]
	}
	next := append([]int32(nil), c.first...)
	for row, t := range table.Thread {
		c.rows[next[t]] = int32(row)
		next[t]++
	}
	c.waits()
	c.lines(frames)
	return c
}

// waits marks the launches that follow a stream's wait for an event.
func (c *calls) waits() {
	table := &c.tl.Calls
	names := map[timeline.NameID]bool{}
	waiting := make([]bool, len(c.tl.Threads))
	for row, class := range table.Class {
		t := table.Thread[row]
		switch {
		case class == timeline.CallEvent:
			is, known := names[table.Name[row]]
			if !known {
				is = containsAny(c.tl.Names.String(table.Name[row]), []string{"WaitEvent"})
				names[table.Name[row]] = is
			}
			waiting[t] = waiting[t] || is
		case c.flags[row]&callLaunched != 0:
			if waiting[t] {
				c.flags[row] |= callAfterWait
			}
			waiting[t] = false
		}
	}
}

// lines finds each call's line: that of its thread, or, when the thread executes
// nothing of the cell's, that of the main thread at the time.
func (c *calls) lines(frames *stackIndex) {
	main := newActor(c, frames, c.tl.Main())
	actors := make([]*actor, len(c.tl.Threads))
	var guessed, steady []bool
	for row, start := range c.tl.Calls.Start {
		id := c.tl.Calls.Thread[row]
		v := actors[id]
		if v == nil {
			v = newActor(c, frames, id)
			v.next = len(v.calls) // no calls, no collections: only lines matter here
			v.gc = math.MaxInt
			actors[id] = v
		}
		v.at(start)
		c.line[row] = v.line
		of := v
		if v.line == 0 && id != main.id {
			main.at(start)
			c.line[row], of = main.line, main
		}
		if !of.where.sampled || of.where.stacked {
			continue
		}
		if line := v.witness(start, c.tl.Calls.End[row]); line != 0 {
			c.line[row] = line
			continue
		}
		if guessed == nil {
			guessed, steady = make([]bool, len(c.line)), make([]bool, len(c.line))
		}
		guessed[row], steady[row] = true, of.where.steady()
	}
	if guessed == nil {
		return
	}
	c.recognise(guessed)
	for row, is := range steady {
		guessed[row] = guessed[row] && !is
	}
	c.unsure = guessed
}

// lineUnsure says that a call's line is only that of the nearest sample.
func (c *calls) lineUnsure(row int32) bool { return c.unsure != nil && c.unsure[row] }

// witness is the line of the cell that a sample of the thread, or the stack of a wait, shows inside a call
// of it; 0 for none. Calls come by their start, and at(start) was called before.
func (v *actor) witness(start, end int64) int32 {
	smp := &v.t.Samples
	for v.smp < smp.Len() && smp.Time[v.smp] < start {
		v.smp++
	}
	for i := v.smp; i < smp.Len() && smp.Time[i] < end; i++ {
		if line := v.frames.cellLine[smp.Stack[i]]; line != 0 {
			return line
		}
	}
	for i := v.sched.row; i < v.t.Sched.Len() && v.t.Sched.Off[i] < end; i++ {
		if line := v.frames.cellLine[v.t.Sched.Stack[i]]; line != 0 {
			return line
		}
	}
	return 0
}

// synchronises says whether the thread that left a call knows that the device had done what it had to.
func (c *calls) synchronises(row int32) bool {
	return c.tl.Calls.Class[row] == timeline.CallSync || c.tl.Calls.Class[row] == timeline.CallCopy && c.flags[row]&callBlocking != 0
}

// actor walks forwards in time what one thread does: its scheduler state, its line,
// its CUDA calls, its collections and samples.
type actor struct {
	c      *calls
	frames *stackIndex
	id     timeline.ThreadID
	t      *timeline.Thread
	sched  schedCursor
	where  lineCursor
	calls  []int32
	next   int     // in calls: the first that has not begun
	active []int32 // calls that are open, outermost first
	gc     int
	smp    int
	code   rangeCursor
	// lastRole is the role of the last sample with a stack, at lastAt.
	lastRole role
	lastAt   int64

	// What holds now, and until when.
	row        schedRow
	line       int32
	unsure     bool // in a call whose line is only that of the nearest sample
	collecting bool
	// classes has a bit for the class of each open call.
	classes  uint16
	pageable bool
	until    int64
}

func newActor(c *calls, frames *stackIndex, id timeline.ThreadID) *actor {
	t := &c.tl.Threads[id]
	v := &actor{c: c, frames: frames, id: id, t: t, sched: schedCursor{s: &t.Sched, known: t.Sched.Known},
		where: lineCursor{t: t, frames: frames}, calls: c.rows[c.first[id]:c.first[id+1]], until: math.MinInt64, lastAt: math.MinInt64}
	if id == 0 {
		v.sched.known = timeline.Interval{}
	}
	return v
}

// maxOpen bounds the open calls of a thread: real ones nest two or three deep.
const maxOpen = 8

// at brings everything to t, which must not go backwards.
func (v *actor) at(t int64) {
	if t < v.until {
		return
	}
	v.row = v.sched.at(t)
	until := v.sched.next
	line, _, _, lineUntil := v.where.at(t, v.row.offCPU(), v.row.stack)
	v.line = line
	until = min(until, lineUntil)

	table := &v.c.tl.Calls
	open := v.active[:0]
	for _, row := range v.active {
		if table.End[row] > t {
			open = append(open, row)
		}
	}
	for ; v.next < len(v.calls) && table.Start[v.calls[v.next]] <= t; v.next++ {
		if row := v.calls[v.next]; table.End[row] > t && len(open) < maxOpen {
			open = append(open, row)
		}
	}
	v.active = open
	v.classes, v.pageable = 0, false
	for _, row := range open {
		v.classes |= 1 << table.Class[row]
		v.pageable = v.pageable || v.c.flags[row]&callPageable != 0
		until = min(until, table.End[row])
	}
	v.unsure = false
	if v.where.sampled && !v.where.stacked && len(open) > 0 { // the call knows better than the samples around it
		if row := open[0]; v.c.line[row] != 0 {
			v.line, v.unsure = v.c.line[row], v.c.lineUnsure(row)
		}
	}
	if v.next < len(v.calls) {
		until = min(until, table.Start[v.calls[v.next]])
	}

	g := &v.t.GC
	for v.gc < g.Len() && g.End[v.gc] <= t {
		v.gc++
	}
	v.collecting = v.gc < g.Len() && g.Start[v.gc] <= t
	if v.collecting {
		until = min(until, g.End[v.gc])
	} else if v.gc < g.Len() {
		until = min(until, g.Start[v.gc])
	}
	v.code.at(t)
	v.until = min(until, v.code.next)
}

// in says whether a call of this class is open.
func (v *actor) in(class timeline.CallClass) bool { return v.classes&(1<<class) != 0 }

// innermost is the innermost open call, -1 for none.
func (v *actor) innermost() int32 {
	if n := len(v.active); n > 0 {
		return v.active[n-1]
	}
	return -1
}

// deepest is the innermost open call of this class, -1 for none.
func (v *actor) deepest(class timeline.CallClass) int32 {
	for i := len(v.active) - 1; i >= 0; i-- {
		if v.c.tl.Calls.Class[v.active[i]] == class {
			return v.active[i]
		}
	}
	return -1
}

// idleHand says that the thread waits to be given work, so that somebody else is
// to blame for what it does not do.
func (v *actor) idleHand() bool {
	if len(v.active) > 0 {
		return false
	}
	switch v.row.state {
	case blocked:
		switch v.row.reason {
		case timeline.ReasonLock, timeline.ReasonPoll, timeline.ReasonPipe, timeline.ReasonUnknown:
			return true
		}
	case stateUnknown:
		return v.t.Samples.Len() == 0 && !v.code.active()
	}
	return false
}

// near is how soon after the device fell idle a synchronising call must begin to have caused it.
const near = 20_000

// left is the synchronising call that the thread is in at t, when the device fell
// idle until end, or begins right after; -1 for none. The call of the operation that ends
// the idle time is none. at(t) was called before.
func (v *actor) left(t, end int64, launch int32) int32 {
	for _, row := range v.active {
		if row != launch && v.c.synchronises(row) {
			return row
		}
	}
	table := &v.c.tl.Calls
	for i := v.next; i < len(v.calls) && i < v.next+8 && table.Start[v.calls[i]] < min(t+near, end); i++ {
		if row := v.calls[i]; table.Class[row] == timeline.CallSync {
			return row
		}
	}
	return -1
}
