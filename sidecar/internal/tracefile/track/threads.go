package track

import (
	"strconv"

	"github.com/inferscope/inferscope/analysis/attribution"
	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// thread tells of one thread: what it executes as slices of its own, and below it a lane
// each for scopes, states and collections.
func (w *walker) thread(id timeline.ThreadID) {
	t := &w.tl.Threads[id]
	calls := w.calls[id]
	known := t.Sched.Known.End > t.Sched.Known.Start
	if t.Lines.Len()+t.Ranges.Len()+t.Scopes.Len()+t.Marks.Len()+t.GC.Len()+len(calls) == 0 && !known {
		return
	}
	l := w.lane(Track{Parent: w.process(t.PID), Kind: Thread, Name: threadName(t), PID: t.PID, TID: t.TID})
	top := l.id()
	w.execution(l, id, calls)
	below := func(name string) *lane {
		return w.lane(Track{Parent: top, Kind: Lane, Name: name, PID: t.PID, TID: t.TID})
	}
	w.marks(top, &t.Marks)
	w.scopes(below("scopes"), &t.Scopes)
	w.collections(below("garbage collection"), &t.GC)
	if known {
		w.states(below("state"), &t.Sched)
	}
}

// strayCalls tells of the CUDA calls whose thread is not known.
func (w *walker) strayCalls() {
	if len(w.calls[0]) == 0 {
		return
	}
	parent, pid := w.home()
	w.execution(w.lane(Track{Parent: parent, Kind: Lane, Name: "CUDA calls of unknown threads", PID: pid}), 0, w.calls[0])
}

func threadName(t *timeline.Thread) string {
	if name := phrase.Plain(t.Name); name != "" {
		return name
	}
	return "thread " + strconv.Itoa(int(t.TID))
}

// feed tells slices in order of their start, of those that start together the longest first.
type feed interface {
	// peek is the interval of the next slice; false when there is none.
	peek() (start, end int64, ok bool)
	// take is the next slice, good until the walker fills another.
	take() *Slice
}

// execution merges the lines of the cell with the ranges of code and the CUDA calls inside of them.
func (w *walker) execution(l *lane, id timeline.ThreadID, calls []int32) {
	feeds := []feed{newLineFeed(w, id), newRangeFeed(w, id), &callFeed{w, calls}}
	for {
		next, first, last := -1, int64(0), int64(0)
		for i, f := range feeds {
			if start, end, ok := f.peek(); ok && (next < 0 || start < first || start == first && end > last) {
				next, first, last = i, start, end
			}
		}
		if next < 0 {
			break
		}
		l.add(feeds[next].take())
	}
	l.done()
}

func (w *walker) marks(id ID, m *timeline.Marks) {
	for i, at := range m.Time {
		s := w.fill(at, at, Mark, w.named(m.Name[i], "mark"))
		s.text("attributes", w.tl.Names.String(m.Attributes[i]))
		w.sink.Instant(id, s)
	}
}

// named is an interned name, or what stands for it when it is empty.
func (w *walker) named(id timeline.NameID, otherwise string) string {
	if name := w.tl.Names.String(id); name != "" {
		return name
	}
	return otherwise
}

func (w *walker) scopes(l *lane, sc *timeline.Scopes) {
	byStart(sc.Len(), func(i int) (int64, int64) { return sc.Start[i], sc.End[i] }, func(i int) {
		l.add(w.fill(sc.Start[i], sc.End[i], Scope, w.named(sc.Name[i], "scope")))
	})
	l.done()
}

func (w *walker) collections(l *lane, g *timeline.GC) {
	byStart(g.Len(), func(i int) (int64, int64) { return g.Start[i], g.End[i] }, func(i int) {
		s := w.fill(g.Start[i], g.End[i], GC, "garbage collection, generation "+strconv.Itoa(int(g.Generation[i])))
		s.number("generation", int64(g.Generation[i]))
		s.number("collected", g.Collected[i])
		l.add(s)
	})
	l.done()
}

// The names of the states, those of a blocked thread by its reason.
const (
	stateRunning  = "running"
	stateRunnable = "runnable"
	blockedBy     = "blocked: "
)

var blockedNames = func() (out [timeline.NumReasons]string) {
	for r := range timeline.NumReasons {
		out[r] = blockedBy + r.String()
	}
	return out
}()

func (w *walker) states(l *lane, sc *timeline.Sched) {
	add := func(start, end int64, name string, row int) {
		if end <= start {
			return
		}
		s := w.fill(start, end, State, name)
		if row >= 0 {
			w.wait(s, sc, row)
		}
		l.add(s)
	}
	at := sc.Known.Start
	for i := range sc.Off {
		add(at, sc.Off[i], stateRunning, -1)
		add(sc.Off[i], sc.Wake[i], blockedNames[sc.Reason[i]], i)
		add(sc.Wake[i], sc.On[i], stateRunnable, i)
		at = sc.On[i]
	}
	add(at, sc.Known.End, stateRunning, -1)
	l.done()
}

// wait says why a thread was off the CPU, who ended that, and where it was.
func (w *walker) wait(s *Slice, sc *timeline.Sched, row int) {
	s.text("reason", sc.Reason[row].String())
	if n := sc.Syscall[row]; n >= 0 {
		s.text("syscall", attribution.SyscallName(w.arch, n))
	}
	if waker := sc.Waker[row]; waker != 0 {
		s.text("waker", w.waker(waker))
	}
	s.text("python", w.stack(sc.Stack[row]))
}

func (w *walker) waker(id timeline.ThreadID) string {
	if w.wakers[id] == "" {
		t := &w.tl.Threads[id]
		name := threadName(t)
		if w.own[id] {
			name = attribution.OwnName
		}
		w.wakers[id] = name + " (" + strconv.Itoa(int(t.TID)) + ")"
	}
	return w.wakers[id]
}
