package attribution

import (
	"slices"

	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// State is what the scheduler knows of a thread at one moment.
type State uint8

// The states.
const (
	// StateUnknown: nothing recorded the thread's state.
	StateUnknown  = State(stateUnknown)
	StateRunning  = State(running)
	StateRunnable = State(runnable)
	StateBlocked  = State(blocked)
)

var stateNames = [...]string{"unknown", "running", "runnable", "blocked"}

// String is the state's name.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return stateNames[StateUnknown]
}

// Piece is a stretch of one thread's time over which neither its state nor its line changes.
type Piece struct {
	Start, End int64
	// Line is the deepest line of the cell that executes, 0 for none; Top is the line of the
	// cell's top-level code that led there.
	Line, Top int32
	// Sampled says that exact events were off, so that samples and stacks tell the line.
	Sampled bool
	State   State
	// Reason and Stack are those of the wait: set unless the thread runs or its state is not known.
	Reason timeline.Reason
	Stack  timeline.StackID
}

// Pieces cuts the window of one thread into pieces, in order of time, by the rules that
// give the report its lines. The pieces of the main thread cover the window without a gap.
func (a *Attribution) Pieces(id timeline.ThreadID, each func(Piece)) {
	tl := a.from.tl
	t := &tl.Threads[id]
	sched := schedCursor{s: &t.Sched, known: t.Sched.Known}
	where := lineCursor{t: t, frames: a.from.frames, directive: a.from.directive}
	for at := tl.Window.Start; at < tl.Window.End; {
		row := sched.at(at)
		line, top, _, until := where.at(at, row.offCPU(), row.stack)
		p := Piece{Start: at, End: min(tl.Window.End, sched.next, until), Line: line, Top: top, Sampled: where.sampled, State: State(row.state)}
		if row.offCPU() {
			p.Reason, p.Stack = row.reason, row.stack
		}
		each(p)
		at = p.End
	}
}

// CallLines is the line of the cell that made each row of Timeline.Calls, 0 where none is
// known: what LineStat.Launches and LineStat.GPUNs are counted, or estimated, by. The
// caller owns it.
func (a *Attribution) CallLines() []int32 {
	if a.calls != nil {
		return slices.Clone(a.calls.line)
	}
	return indexCalls(a.from.tl, a.from.frames).line
}

// IdlePiece is a stretch of the idle time of the busiest device with one cause.
type IdlePiece struct {
	Start, End int64
	Kind       result.CauseKind
	// Line is the line that the time belongs to, 0 when none is known.
	Line int32
	// Sampled says that the host was running: samples of the whole line share such time out
	// among several causes, and Kind is the one that most of it went to.
	Sampled bool
	// Thread is the host thread that is to blame, 0 when none is known.
	Thread timeline.ThreadID
	// Class numbers from 0 what pieces are but for their time: those of one class have all else in common.
	Class int
}

// IdlePieces cuts the idle time that was seen into pieces, in order of time. Their lengths
// add up to GPU.Idle.TotalNs, unless that is an estimate because the capture was not
// whole. Without GPU it calls nothing.
func (a *Attribution) IdlePieces(each func(IdlePiece)) {
	if a.GPU == nil {
		return
	}
	type class struct {
		kind    result.CauseKind
		line    int32
		sampled bool
		thread  timeline.ThreadID
	}
	j := &a.idle.journal
	number, pieces := map[class]int{}, make([]IdlePiece, len(j.classes))
	for i := range j.classes {
		c := &j.classes[i]
		of := class{idleKinds[a.idle.kind(c)], c.line, c.sampled, c.thread}
		n, ok := number[of]
		if !ok {
			n = len(number)
			number[of] = n
		}
		pieces[i] = IdlePiece{Kind: of.kind, Line: of.line, Sampled: of.sampled, Thread: of.thread, Class: n}
	}
	last := IdlePiece{Class: -1}
	j.each(func(e *entry) {
		p := &pieces[e.class]
		if last.End == e.start && last.Class == p.Class {
			last.End = e.end
			return
		}
		if last.End > last.Start {
			each(last)
		}
		last = *p
		last.Start, last.End = e.start, e.end
	})
	if last.End > last.Start {
		each(last)
	}
}

// SampledPart is how much of the idle time of a line that samples share out went to one
// cause, 0..1. It may be asked once GPU is set.
func (a *Attribution) SampledPart(line int32, k result.CauseKind) float64 {
	n, ok := a.idle.byLine[line]
	if !ok || a.idle.lines[n].shared == 0 {
		return 0
	}
	var ns int64
	for of, kind := range idleKinds {
		if kind == k {
			ns += a.idle.lines[n].ballots[of]
		}
	}
	return float64(ns) / float64(a.idle.lines[n].shared)
}
