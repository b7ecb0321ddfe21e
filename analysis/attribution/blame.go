package attribution

import (
	"strconv"

	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/timeline"
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// waitList keeps the main thread's waits for others, to find out what those did
// meanwhile. Beyond maxWaits it keeps every second one, then every fourth, and so
// on: who was waited for is a question of shares.
type waitList struct {
	waits  []wait
	stride int64
	seen   int64
	// causes is how many causes the waits have, once blame has numbered them.
	causes int
}

type wait struct {
	cause    causeKey
	off, end int64
	// index is the cause's number within blame.
	index int
}

const maxWaits = 60_000

func (l *waitList) add(line int32, k kind, off, end int64) {
	switch k {
	case kGIL, kLock, kPoll, kChild, kHostIO:
	default:
		return
	}
	if end <= off {
		return
	}
	if l.stride == 0 {
		l.stride = 1
	}
	if l.seen%l.stride == 0 {
		if len(l.waits) == maxWaits {
			for i := range maxWaits / 2 {
				l.waits[i] = l.waits[2*i]
			}
			l.waits = l.waits[:maxWaits/2]
			l.stride *= 2
		}
		if l.seen%l.stride == 0 {
			l.waits = append(l.waits, wait{cause: causeKey{line, k}, off: off, end: end})
		}
	}
	l.seen++
}

// doing is what one thread did during the waits of one cause.
type doing struct {
	runningNs int64
	blockedNs [timeline.NumReasons]int64
}

// fnDoing is a function, with the cell's line under it.
type fnDoing struct {
	fn   fnID
	line int32
}

// blamed is who was waited for.
type blamed struct {
	thread timeline.ThreadID
	detail string
}

// blame names the thread that each cause waited for: the one that ended most of
// the waiting, where that is known for at least half of it, otherwise the one that
// ran most meanwhile, if it ran for at least a fifth. For files it names nobody
// unless another thread's wake-ups show that it fed a pipe. Causes below a
// hundredth of the wall are left alone.
func (a *attributor) blame(wakers map[causeKey]map[timeline.ThreadID]int64) map[causeKey]blamed {
	wall := a.tl.Window.End - a.tl.Window.Start
	var causes []causeKey
	index := map[causeKey]int{}
	waited := []int64{}
	waits := a.waits.waits[:0]
	for _, w := range a.waits.waits {
		if a.lines[w.cause.line].kinds[w.cause.kind] < wall/100 {
			continue
		}
		i, ok := index[w.cause]
		if !ok {
			i = len(causes)
			index[w.cause] = i
			causes, waited = append(causes, w.cause), append(waited, 0)
		}
		w.index = i
		waited[i] += w.end - w.off
		waits = append(waits, w)
	}
	a.waits.waits, a.waits.causes = waits, len(causes)
	did := make([][]doing, len(a.tl.Threads))
	for id := 1; id < len(a.tl.Threads) && len(waits) > 0; id++ {
		if timeline.ThreadID(id) != a.mainID {
			did[id] = make([]doing, len(causes))
			a.during(timeline.ThreadID(id), did[id], nil)
		}
	}
	out := map[causeKey]blamed{}
	for i, c := range causes {
		who := a.ender(c, wakers[c])
		if who == 0 && c.kind != kHostIO {
			most := int64(0)
			for id := range did {
				if did[id] == nil || !a.mayHold(c.kind, timeline.ThreadID(id)) {
					continue
				}
				if ran := did[id][i].runningNs; ran > most && ran*5 >= waited[i] {
					who, most = timeline.ThreadID(id), ran
				}
			}
		}
		if who != 0 {
			top, by := a.lookAt(who, i)
			detail := a.blameDetail(c.kind, &did[who][i], top)
			if by != 0 && by != who && did[by] != nil && c.kind != kGIL && did[who][i].runningNs*2 < waited[i] {
				// It waited itself, for a third: a pool's result handler waits for the worker.
				next, _ := a.lookAt(by, i)
				switch d := a.blameDetail(c.kind, &did[by][i], next); {
				case d == "" || d == detail: // another one like it
				case a.threadName(by) == a.threadName(who): // a process's own thread that sends what another one makes
					who, detail = by, d
				default:
					detail += ", for \"" + a.threadName(by) + "\", " + d
				}
			}
			out[c] = blamed{who, detail}
		}
	}
	return out
}

// ender is the thread that ended most of a cause's waiting, if it is known who ended at least half.
func (a *attributor) ender(c causeKey, wakers map[timeline.ThreadID]int64) timeline.ThreadID {
	var known, most int64
	var who timeline.ThreadID
	for id, n := range wakers {
		if c.kind == kHostIO && outside(&a.tl.Threads[id]) {
			continue // the kernel's own thread that finished the transfer
		}
		known += n
		if n > most || n == most && id < who {
			who, most = id, n
		}
	}
	if known*2 < a.lines[c.line].kinds[c.kind] {
		return 0
	}
	return who
}

// mayHold says whether a thread can be what a wait of this kind waits for.
func (a *attributor) mayHold(k kind, id timeline.ThreadID) bool {
	t := &a.tl.Threads[id]
	switch k {
	case kGIL:
		return t.PID == a.main.PID && (t.Python || a.runsPython(t))
	case kLock:
		return t.PID == a.main.PID
	case kChild:
		return t.PID != a.main.PID
	}
	return true
}

func (a *attributor) runsPython(t *timeline.Thread) bool {
	for i := 0; i < t.Samples.Len() && i < 64; i++ {
		if t.Samples.Kind[i] == timeline.SamplePython || a.frames.deepest[t.Samples.Stack[i]] != 0 {
			return true
		}
	}
	return t.Lines.Len() > 0
}

// during adds what one thread did inside the main thread's waits, by cause, and
// tells see where it was: in which row of its episodes, -1 for a sample. Both are sorted, so it is one walk.
func (a *attributor) during(id timeline.ThreadID, did []doing, see func(cause int, stack timeline.StackID, row int, ns int64)) {
	t := &a.tl.Threads[id]
	s, smp := &t.Sched, &t.Samples
	row, at := 0, 0
	for _, w := range a.waits.waits {
		d := &did[w.index]
		from, to := max(w.off, s.Known.Start), min(w.end, s.Known.End)
		for row < s.Len() && s.On[row] <= from {
			row++
		}
		ran := max(to-from, 0)
		for r := row; r < s.Len() && s.Off[r] < to; r++ {
			off, wake, on := max(s.Off[r], from), min(s.Wake[r], to), min(s.On[r], to)
			ran -= max(on-off, 0)
			if wake > off {
				d.blockedNs[s.Reason[r]] += wake - off
				if see != nil {
					see(w.index, s.Stack[r], r, wake-off)
				}
			}
		}
		d.runningNs += ran
		if see == nil {
			continue
		}
		for at < smp.Len() && smp.Time[at] < w.off {
			at++
		}
		for ; at < smp.Len() && smp.Time[at] < w.end; at++ {
			see(w.index, smp.Stack[at], -1, max(smp.PeriodNs, 1))
		}
	}
}

// lookAt tells which function a thread was in longest during the waits of a cause
// (when nothing was seen of it then, during its first thousand samples), and which
// thread ended most of its own waits for others meanwhile, 0 when that is not known.
func (a *attributor) lookAt(id timeline.ThreadID, cause int) (fnDoing, timeline.ThreadID) {
	fns := map[fnDoing]int64{}
	note := func(stack timeline.StackID, ns int64) {
		if f := a.frames.deepest[stack]; f != 0 {
			fns[fnDoing{f, a.frames.cellLine[stack]}] += ns
		}
	}
	t := &a.tl.Threads[id]
	wakers := map[timeline.ThreadID]int64{}
	var waited int64
	a.during(id, make([]doing, a.waits.causes), func(c int, stack timeline.StackID, row int, ns int64) {
		if c != cause {
			return
		}
		note(stack, ns)
		if row < 0 {
			return
		}
		switch t.Sched.Reason[row] {
		case timeline.ReasonPipe, timeline.ReasonPoll, timeline.ReasonLock, timeline.ReasonChild, timeline.ReasonNetwork:
			waited += ns
			if w := t.Sched.Waker[row]; w != 0 && w != a.mainID {
				wakers[w] += ns
			}
		}
	})
	if len(fns) == 0 {
		for i := range min(t.Samples.Len(), 1000) {
			note(t.Samples.Stack[i], 1)
		}
	}
	var best fnDoing
	var most int64
	for f, ns := range fns {
		if ns > most || ns == most && (f.fn < best.fn || f.fn == best.fn && f.line < best.line) {
			best, most = f, ns
		}
	}
	by := mode(wakers)
	if wakers[by]*2 < waited {
		by = 0
	}
	return best, by
}

// blameDetail says what the waited-for thread did: "asleep in hold(), line 3".
func (a *attributor) blameDetail(k kind, d *doing, top fnDoing) string {
	state, most := "running", d.runningNs
	for r, ns := range d.blockedNs {
		if ns > most {
			state, most = phrase.Doing(timeline.Reason(r)), ns
		}
	}
	switch {
	case k == kGIL:
		// The holder may be off the CPU for most of a wait, but what it holds the GIL for is to run Python.
		state = "running Python"
	case most == 0:
		return ""
	}
	if name := a.frames.name(top.fn); name != "" {
		state += " in " + name
	}
	if top.line > 0 {
		state += ", line " + itoa(int64(top.line))
	}
	return state
}
