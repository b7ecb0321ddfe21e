package attribution

import (
	"slices"

	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// Moment is a stretch of time with one cause, and what was seen around it: the stuff
// that an explanation is made of. It is cut finer than a piece.
type Moment struct {
	// Start and End are CLOCK_MONOTONIC ns, half-open.
	Start, End int64
	Kind       result.CauseKind
	// Line is the line that the time belongs to, 0 when none is known.
	Line int32
	// Sampled says that the host was running: samples of the whole line share such time out
	// among several causes, and Kind is the one that most of it went to.
	Sampled bool
	// Thread is the host thread that the time is told of, 0 when none is known; State is its
	// state, Reason and Waker those of its wait.
	Thread timeline.ThreadID
	State  State
	Reason timeline.Reason
	Waker  timeline.ThreadID
	// Gap numbers the gaps of the device, from 1; 0 in a Moment of the host.
	Gap int64
	// Call is the row in Timeline.Calls of the call that explains the time: the one that the thread
	// was in, had left, or had launched the next operation with; -1 for none.
	Call int32
	// Before and Next are rows in the busiest device's Ops: the operations around the gap, -1 for none.
	Before, Next int32
}

// wanted tells by index which of all kinds are among those that are asked for; none stands for all.
func wanted(all, asked []result.CauseKind) []bool {
	out := make([]bool, len(all))
	for i, k := range all {
		out[i] = len(asked) == 0 || slices.Contains(asked, k)
	}
	return out
}

// IdleMoments tells of the idle time that was seen and has one of the causes, in order of
// time; without causes, of all of it. The Moment is valid during the call only. Without GPU
// it calls nothing.
func (a *Attribution) IdleMoments(causes []result.CauseKind, each func(*Moment)) {
	if a.GPU == nil {
		return
	}
	j := &a.idle.journal
	of, want := wanted(idleKinds[:], causes), make([]bool, len(j.classes))
	kind := make([]result.CauseKind, len(j.classes))
	for i := range j.classes {
		k := a.idle.kind(&j.classes[i])
		kind[i], want[i] = idleKinds[k], of[k]
	}
	var m Moment
	j.each(func(e *entry) {
		if !want[e.class] {
			return
		}
		c := &j.classes[e.class]
		m = Moment{Start: e.start, End: e.end, Kind: kind[e.class], Line: c.line, Sampled: c.sampled, Thread: c.thread, State: State(c.state),
			Reason: c.reason, Waker: e.waker, Gap: e.gap, Call: e.call, Before: e.before, Next: e.next}
		each(&m)
	})
}

// HostMoments tells of the main thread's wall as far as it has one of the causes, in order
// of time; without causes, of all of it, without a gap. The Moment is valid during the call only.
func (a *Attribution) HostMoments(causes []result.CauseKind, each func(*Moment)) {
	want := wanted(kinds, causes)
	var m Moment
	at, mostly := int32(-1), kUnknown
	a.from.walk(func(s *step) {
		k := s.as
		if k == numKinds {
			if s.line != at {
				at, mostly = s.line, kUnknown
				if i, ok := a.from.byLine[s.line]; ok {
					mostly = a.from.lines[i].mostly
				}
			}
			k = mostly
		}
		if !want[k] {
			return
		}
		m = Moment{Start: s.start, End: s.end, Kind: kinds[k], Line: s.line, Sampled: s.as == numKinds, Thread: a.from.mainID,
			State: State(s.row.state), Reason: s.row.reason, Waker: s.row.waker, Call: -1, Before: -1, Next: -1}
		each(&m)
	})
}
