package replay

import (
	"cmp"
	"slices"
	"sort"

	"github.com/inferscope/inferscope/analysis/timeline"
)

// A program may wait for the device without a call that says so: it polls, or another
// library's thread is told by the driver and wakes it. Then nothing tells what a thread did
// until an operation ended. Such time counts as a wait for that operation: of a host that is
// not seen to work while the device does, it must not be said that it would be the slower of
// the two.

// silentNs is the shortest silence, up to the end of an operation, that counts as a wait for it.
const silentNs = 50_000

// silence lists when nothing tells that a thread worked: disjoint, in order.
type silence struct {
	known bool // it has been listed
	list  []timeline.Interval
}

// silent makes the edge of a moment from the operation that its thread may have waited for,
// and gives what is left of own, the time since the thread's last moment.
func (b *builder) silent(p *point, since, own int64) int64 {
	if own < silentNs {
		return own
	}
	k := b.lastDone(since, p.at)
	if k < 0 || b.opNode[k] < 0 || b.end(k) > p.at {
		return own
	}
	end := b.end(k)
	ns := b.silentIn(p.thread, since, end)
	if ns < silentNs {
		return own
	}
	b.edge(edgeSilent, b.opNode[k], p.at-end)
	return own - ns
}

// silentIn is how much of [from, to) a thread was silent for.
func (b *builder) silentIn(id timeline.ThreadID, from, to int64) int64 {
	s := &b.silences[id]
	if !s.known {
		s.known, s.list = true, silencesOf(b.tl, id)
	}
	var ns int64
	for i := sort.Search(len(s.list), func(i int) bool { return s.list[i].End > from }); i < len(s.list) && s.list[i].Start < to; i++ {
		ns += min(s.list[i].End, to) - max(s.list[i].Start, from)
	}
	return ns
}

// silencesOf lists the silences of a thread. In a trace of another tool that is all outside
// of ranges. Where the scheduler was recorded it is a wait that may be one for the device and
// that no thread of the process ended; elsewhere all but the time around samples that show
// the thread at work.
func silencesOf(tl *timeline.Timeline, id timeline.ThreadID) []timeline.Interval {
	t := &tl.Threads[id]
	var worked []timeline.Interval
	if tl.Rung == timeline.RungTrace {
		for i, start := range t.Ranges.Start {
			worked = append(worked, timeline.Interval{Start: start, End: t.Ranges.End[i]})
		}
		return outside(tl.Extent, worked)
	}
	var out []timeline.Interval
	s := &t.Sched
	for row, off := range s.Off {
		w := s.Waker[row]
		if mayAwaitDevice(s.Reason[row]) && (w == 0 || tl.Threads[w].PID != t.PID) && s.Wake[row] > off {
			out = append(out, timeline.Interval{Start: off, End: s.Wake[row]})
		}
	}
	worked = append(worked, s.Known)
	for i, at := range t.Samples.Time {
		if t.Samples.Kind[i] != timeline.SampleWaiting {
			worked = append(worked, timeline.Interval{Start: at - t.Samples.PeriodNs, End: at + t.Samples.PeriodNs})
		}
	}
	out = append(out, outside(tl.Extent, worked)...)
	slices.SortFunc(out, func(x, y timeline.Interval) int { return cmp.Compare(x.Start, y.Start) })
	return out
}

// mayAwaitDevice says that a wait for such a reason may end with an operation of the device.
func mayAwaitDevice(r timeline.Reason) bool {
	switch r {
	case timeline.ReasonGPUDriver, timeline.ReasonPoll, timeline.ReasonLock, timeline.ReasonSyscall, timeline.ReasonUnknown:
		return true
	}
	return false
}

// outside is what of w the intervals of a list, which it reorders, do not cover.
func outside(w timeline.Interval, list []timeline.Interval) []timeline.Interval {
	slices.SortFunc(list, func(x, y timeline.Interval) int { return cmp.Compare(x.Start, y.Start) })
	var out []timeline.Interval
	at := w.Start
	for _, i := range list {
		if i.Start > at {
			out = append(out, timeline.Interval{Start: at, End: min(i.Start, w.End)})
		}
		at = max(at, i.End)
		if at >= w.End {
			return out
		}
	}
	return append(out, timeline.Interval{Start: at, End: w.End})
}
