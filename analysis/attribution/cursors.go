package attribution

import (
	"math"

	"github.com/inferscope/inferscope/analysis/timeline"
)

type threadState uint8

const (
	stateUnknown threadState = iota
	running
	runnable
	blocked
)

// schedRow is the scheduler's view at one moment.
type schedRow struct {
	state     threadState
	reason    timeline.Reason
	syscall   int16
	waker     timeline.ThreadID
	stack     timeline.StackID
	off, wake int64
}

func (r schedRow) offCPU() bool { return r.state == runnable || r.state == blocked }

// schedCursor walks a thread's scheduler state forwards in time.
type schedCursor struct {
	s     *timeline.Sched
	known timeline.Interval
	row   int
	// next is when the state that at returned ends.
	next int64
}

// at is the state at t, which must not go backwards.
func (c *schedCursor) at(t int64) schedRow {
	switch {
	case t < c.known.Start:
		c.next = c.known.Start
		return schedRow{}
	case t >= c.known.End:
		c.next = math.MaxInt64
		return schedRow{}
	}
	for c.row < c.s.Len() && c.s.On[c.row] <= t {
		c.row++
	}
	c.next = c.known.End
	if c.row == c.s.Len() {
		return schedRow{state: running}
	}
	i := c.row
	if t < c.s.Off[i] {
		c.next = c.s.Off[i]
		return schedRow{state: running}
	}
	r := schedRow{reason: c.s.Reason[i], syscall: c.s.Syscall[i], waker: c.s.Waker[i], stack: c.s.Stack[i],
		off: c.s.Off[i], wake: c.s.Wake[i]}
	if t < r.wake {
		r.state, c.next = blocked, r.wake
	} else {
		r.state, c.next = runnable, c.s.On[i]
	}
	return r
}

// lineCursor walks the executing line of the main thread forwards in time. In
// stretches without exact events the line is that of the stack at switch-out
// while off the CPU, and that of the nearest sample otherwise.
type lineCursor struct {
	t      *timeline.Thread
	frames *stackIndex
	// directive is a line whose time is no line's.
	directive int32
	row       int // the row in force, -1 before the first
	begun     bool
	// sampled says that the last answer came from a stretch without exact events, stacked that
	// the stack of a wait gave it, which is exact.
	sampled, stacked bool
	// prev and cand are the samples around t that name a line, in a sampled stretch.
	prev, cand int
	scan       int
	// runLength samples from runStart to runEnd tell the same line, and those between them none; see steady.
	runStart, runEnd, runLength int
}

// at is the line and its top-level line at t, whether the line began at t, and
// until when the answer holds. t must not go backwards.
func (c *lineCursor) at(t int64, offCPU bool, stack timeline.StackID) (line, top int32, hit bool, until int64) {
	line, top, hit, until = c.find(t, offCPU, stack)
	if line == c.directive {
		line, hit = 0, false
	}
	if top == c.directive {
		top = 0
	}
	return line, top, hit, until
}

// find is at with the directive as a line like any other.
func (c *lineCursor) find(t int64, offCPU bool, stack timeline.StackID) (line, top int32, hit bool, until int64) {
	l := &c.t.Lines
	if !c.begun {
		c.begun, c.row, c.prev, c.cand = true, -1, -1, -1
	}
	for c.row+1 < l.Len() && l.Time[c.row+1] <= t {
		c.row++
		c.prev, c.cand = -1, -1
		hit = true
		if c.row > 0 && l.Line[c.row] == l.Top[c.row] && l.Line[c.row-1] != l.Top[c.row-1] && l.Top[c.row-1] == l.Top[c.row] {
			hit = false // back from a function that this line called
		}
	}
	until = math.MaxInt64
	if c.row+1 < l.Len() {
		until = l.Time[c.row+1]
	}
	c.sampled, c.stacked = false, false
	if c.row < 0 {
		if l.Len() > 0 {
			return 0, 0, false, until
		}
		// No line events at all: stacks are the only witness.
		line, top, until = c.bySample(t, until, 0, 0, offCPU, stack)
		return line, top, false, until
	}
	line, top = l.Line[c.row], l.Top[c.row]
	if !l.Sampled[c.row] {
		return line, top, hit, until
	}
	line, top, until = c.bySample(t, until, line, top, offCPU, stack)
	return line, top, false, until
}

// bySample is the line at t inside a stretch [.., end) without exact events.
func (c *lineCursor) bySample(t, end int64, line, top int32, offCPU bool, stack timeline.StackID) (int32, int32, int64) {
	c.sampled = true
	if c.stacked = offCPU && c.frames.cellLine[stack] != 0; c.stacked {
		return c.frames.cellLine[stack], c.frames.topLine[stack], end
	}
	s := &c.t.Samples
	for c.cand < 0 || c.cand < s.Len() && s.Time[c.cand] <= t {
		if c.cand >= 0 && c.cand < s.Len() {
			c.prev = c.cand
			c.scan = c.cand + 1
		}
		// The first sample of the stretch is looked for from where the last search ended.
		for c.scan < s.Len() && (c.frames.cellLine[s.Stack[c.scan]] == 0 || c.cand < 0 && s.Time[c.scan] < c.start()) {
			c.scan++
		}
		c.cand = c.scan
	}
	prev, next := c.prev, c.cand
	if next < s.Len() && s.Time[next] >= end {
		next = s.Len()
	}
	switch {
	case prev < 0 && next >= s.Len():
		return line, top, end
	case prev < 0:
		return c.frames.cellLine[s.Stack[next]], c.frames.topLine[s.Stack[next]], min(end, s.Time[next])
	case next >= s.Len():
		return c.frames.cellLine[s.Stack[prev]], c.frames.topLine[s.Stack[prev]], end
	}
	middle := s.Time[prev] + (s.Time[next]-s.Time[prev]+1)/2
	if t < middle {
		return c.frames.cellLine[s.Stack[prev]], c.frames.topLine[s.Stack[prev]], min(end, middle)
	}
	return c.frames.cellLine[s.Stack[next]], c.frames.topLine[s.Stack[next]], min(end, s.Time[next])
}

// steadySamples is how many samples in a row tell of one line alone: of a line that takes a third of a loop's
// time, one of so many is missed once in 600 times.
const steadySamples = 16

// steady says that the last answer came from samples all of which told the same line for a while.
func (c *lineCursor) steady() bool {
	s := &c.t.Samples
	at := c.prev
	if at < 0 {
		at = c.cand
	}
	if at < 0 || at >= s.Len() {
		return false
	}
	if at >= c.runEnd || at < c.runStart {
		line := c.frames.cellLine[s.Stack[at]]
		same := func(i int) bool { of := c.frames.cellLine[s.Stack[i]]; return of == line || of == 0 }
		c.runStart, c.runEnd, c.runLength = at, at, 0
		for c.runStart > 0 && same(c.runStart-1) {
			c.runStart--
		}
		for c.runEnd < s.Len() && same(c.runEnd) {
			c.runEnd++
		}
		for i := c.runStart; i < c.runEnd; i++ {
			if c.frames.cellLine[s.Stack[i]] == line {
				c.runLength++
			}
		}
	}
	next := c.cand
	return c.runLength >= steadySamples && (next < 0 || next >= s.Len() || next < c.runEnd)
}

// start is where the stretch in force began.
func (c *lineCursor) start() int64 {
	if c.row < 0 {
		return math.MinInt64
	}
	return c.t.Lines.Time[c.row]
}
