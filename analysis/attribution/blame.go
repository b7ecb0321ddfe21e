package attribution

import (
	"strconv"

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
}

type wait struct {
	cause    causeKey
	off, end int64
}

const maxWaits = 100_000

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
			l.waits = append(l.waits, wait{causeKey{line, k}, off, end})
		}
	}
	l.seen++
}

// doing is what one thread did during the waits of one cause.
type doing struct {
	thread    timeline.ThreadID
	runningNs int64
	blockedNs [timeline.NumReasons]int64
	fns       map[fnDoing]int64
}

// fnDoing is a function, with the cell's line under it.
type fnDoing struct {
	fn   fnID
	line int32
}

func (d *doing) note(f fnID, line int32, ns int64) {
	if f == 0 {
		return
	}
	if d.fns == nil {
		d.fns = map[fnDoing]int64{}
	}
	d.fns[fnDoing{f, line}] += ns
}

// top is the function that the thread was in longest.
func (d *doing) top() fnDoing {
	var best fnDoing
	var most int64
	for f, ns := range d.fns {
		if ns > most || ns == most && (f.fn < best.fn || f.fn == best.fn && f.line < best.line) {
			best, most = f, ns
		}
	}
	return best
}

// blamed is who was waited for.
type blamed struct {
	thread timeline.ThreadID
	detail string
}

// blame names the thread that each cause waited for: the one that ended most of
// the waiting, where that is known for at least half of it, otherwise the one that
// ran most meanwhile, if it ran for at least a fifth. For files it names nobody
// unless another thread's wake-ups show that it fed a pipe.
func (a *attributor) blame(wakers map[causeKey]map[timeline.ThreadID]int64) map[causeKey]blamed {
	total := map[causeKey]int64{}
	for _, w := range a.waits.waits {
		total[w.cause] += w.end - w.off
	}
	if len(total) == 0 {
		return nil
	}
	did := map[causeKey]map[timeline.ThreadID]*doing{}
	for id := 1; id < len(a.tl.Threads); id++ {
		if timeline.ThreadID(id) != a.mainID {
			a.during(timeline.ThreadID(id), did)
		}
	}
	out := map[causeKey]blamed{}
	for c, ns := range total {
		var known, most int64
		var who timeline.ThreadID
		for id, n := range wakers[c] {
			known += n
			if n > most || n == most && id < who {
				who, most = id, n
			}
		}
		full := a.lines[a.byLine[c.line]].kinds[c.kind]
		if known*2 < full {
			who, most = 0, 0
			if c.kind != kHostIO {
				for id, d := range did[c] {
					if a.mayHold(c.kind, id) && d.runningNs*5 >= ns && (d.runningNs > most || d.runningNs == most && id < who) {
						who, most = id, d.runningNs
					}
				}
			}
		}
		if who != 0 {
			out[c] = blamed{who, a.blameDetail(c.kind, did[c][who])}
		}
	}
	return out
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

// during adds what one thread did inside the main thread's waits. Both are sorted, so it is one walk.
func (a *attributor) during(id timeline.ThreadID, did map[causeKey]map[timeline.ThreadID]*doing) {
	t := &a.tl.Threads[id]
	s, smp := &t.Sched, &t.Samples
	if s.Known.End <= s.Known.Start && smp.Len() == 0 {
		return
	}
	row, at := 0, 0
	var d *doing
	var last causeKey
	for i, w := range a.waits.waits {
		if i == 0 || w.cause != last || d == nil {
			last = w.cause
			if did[last] == nil {
				did[last] = map[timeline.ThreadID]*doing{}
			}
			if d = did[last][id]; d == nil {
				d = &doing{thread: id}
				did[last][id] = d
			}
		}
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
				d.note(a.frames.deepest[s.Stack[r]], a.frames.cellLine[s.Stack[r]], wake-off)
			}
		}
		d.runningNs += ran
		for at < smp.Len() && smp.Time[at] < w.off {
			at++
		}
		for ; at < smp.Len() && smp.Time[at] < w.end; at++ {
			d.note(a.frames.deepest[smp.Stack[at]], a.frames.cellLine[smp.Stack[at]], max(smp.PeriodNs, 1))
		}
	}
	if d != nil && len(d.fns) == 0 && smp.Len() > 0 {
		// No sample fell into a wait: what the thread did at other times is the best that is known.
		for _, byThread := range did {
			if d := byThread[id]; d != nil && len(d.fns) == 0 {
				for i := range min(smp.Len(), 1000) {
					d.note(a.frames.deepest[smp.Stack[i]], a.frames.cellLine[smp.Stack[i]], 1)
				}
			}
		}
	}
}

var reasonDoing = [timeline.NumReasons]string{
	timeline.ReasonUnknown: "blocked", timeline.ReasonPreempted: "waiting for a CPU", timeline.ReasonGIL: "waiting for the GIL",
	timeline.ReasonLock: "waiting for another lock", timeline.ReasonDisk: "reading or writing files",
	timeline.ReasonNetwork: "waiting for the network", timeline.ReasonSleep: "asleep", timeline.ReasonPageFault: "in page faults",
	timeline.ReasonPoll: "waiting for an event", timeline.ReasonPipe: "waiting on a pipe", timeline.ReasonChild: "waiting for a child process",
	timeline.ReasonGPUDriver: "in the GPU driver", timeline.ReasonSyscall: "in a system call",
}

// blameDetail says what the waited-for thread did: "asleep in hold(), line 3".
func (a *attributor) blameDetail(k kind, d *doing) string {
	if d == nil {
		return ""
	}
	state, most := "running", d.runningNs
	for r, ns := range d.blockedNs {
		if ns > most {
			state, most = reasonDoing[r], ns
		}
	}
	switch {
	case k == kGIL:
		// The holder may be off the CPU for most of a wait, but what it holds the GIL for is to run Python.
		state = "running Python"
	case most == 0:
		return ""
	}
	top := d.top()
	if name := a.frames.name(top.fn); name != "" {
		state += " in " + name
	}
	if top.line > 0 {
		state += ", line " + itoa(int64(top.line))
	}
	return state
}
