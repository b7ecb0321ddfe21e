package attribution

import (
	"cmp"
	"slices"

	"github.com/inferscope/inferscope/analysis/timeline"
)

// queueWait is how long a call that launches or copies must take to count as one that
// waits for room in the queue: a launch of its own takes a few microseconds.
const queueWait = 100_000

// working is when the host worked of its own accord, by its ranges: at least one of the
// threads that give the device work was in a range, and none of them waited for the
// device. What the device does meanwhile is hidden behind the host: to save it alone
// would save nothing. The intervals are disjoint and in order; nil without ranges.
func (s *idleSweep) working() []timeline.Interval {
	if s.a.code == nil {
		return nil
	}
	gives := make([]bool, len(s.tl.Threads))
	gives[s.main.id] = true
	for i := range s.tl.Devices {
		for _, call := range s.tl.Devices[i].Ops.Call {
			if call >= 0 {
				gives[s.tl.Calls.Thread[call]] = true
			}
		}
	}
	var active, waiting []timeline.Interval
	for id := 1; id < len(gives); id++ {
		if !gives[id] {
			continue
		}
		r := &s.tl.Threads[id].Ranges
		for i, start := range r.Start {
			if n := len(active); n > 0 && start >= active[n-1].Start && start <= active[n-1].End {
				active[n-1].End = max(active[n-1].End, r.End[i])
				continue
			}
			active = append(active, timeline.Interval{Start: start, End: r.End[i]})
		}
	}
	c := &s.tl.Calls
	for row, start := range c.Start {
		slow := (c.Class[row] == timeline.CallLaunch || c.Class[row] == timeline.CallCopy) && c.End[row]-start >= queueWait
		if gives[c.Thread[row]] && (slow || s.c.synchronises(int32(row))) {
			waiting = append(waiting, timeline.Interval{Start: start, End: c.End[row]})
		}
	}
	return without(merged(active), merged(waiting))
}

// merged is the union of intervals, which it may reorder.
func merged(list []timeline.Interval) []timeline.Interval {
	slices.SortFunc(list, func(x, y timeline.Interval) int { return cmp.Compare(x.Start, y.Start) })
	out := list[:0]
	for _, i := range list {
		if n := len(out); n > 0 && i.Start <= out[n-1].End {
			out[n-1].End = max(out[n-1].End, i.End)
			continue
		}
		out = append(out, i)
	}
	return out
}

// without is a less b, both disjoint and in order.
func without(a, b []timeline.Interval) []timeline.Interval {
	out := make([]timeline.Interval, 0, len(a))
	at := 0
	for _, i := range a {
		for at < len(b) && b[at].End <= i.Start {
			at++
		}
		for k := at; k < len(b) && b[k].Start < i.End; k++ {
			if b[k].Start > i.Start {
				out = append(out, timeline.Interval{Start: i.Start, End: b[k].Start})
			}
			i.Start = max(i.Start, b[k].End)
		}
		if i.Start < i.End {
			out = append(out, i)
		}
	}
	return out
}

// addWithin adds the parts of [start, end) that lie in the intervals from at on, and
// returns the first of them that operations which begin later may still reach.
func (u *span) addWithin(list []timeline.Interval, at int, start, end int64) int {
	for at < len(list) && list[at].End <= start {
		at++
	}
	for k := at; k < len(list) && list[k].Start < end; k++ {
		if from, to := max(start, list[k].Start), min(end, list[k].End); from < to {
			u.add(from, to)
		}
	}
	return at
}
