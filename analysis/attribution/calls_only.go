package attribution

import (
	"math"
	"slices"
	"strings"

	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// Where the CUDA calls were recorded and none of the device's operations, all that is
// known of the GPU's side is when the host waited for it. Where operations are known,
// the device's own idle time tells more.

// KernelsNotSeen begins the reason of a Loss where calls of CUDA were recorded by probes
// and what the device did with them could not be.
const KernelsNotSeen = "kernels were not seen"

// Probed says that the calls of a timeline were recorded by probes.
func Probed(tl *timeline.Timeline) bool {
	return slices.ContainsFunc(tl.Losses, func(l timeline.Loss) bool { return strings.HasPrefix(l.Reason, KernelsNotSeen) })
}

// CallTotal sums the calls of one class.
type CallTotal struct {
	Count, Ns, Bytes int64
}

// callsOnly says that CUDA calls were recorded and no operation of a device.
func callsOnly(tl *timeline.Timeline) bool {
	for i := range tl.Devices {
		if tl.Devices[i].Ops.Len() > 0 {
			return false
		}
	}
	return tl.Calls.Len() > 0
}

// deviceWait is a stretch in which the main thread was in a call that waits for the device.
type deviceWait struct {
	timeline.Interval
	call timeline.NameID
}

// waitCursor walks such stretches forwards in time.
type waitCursor struct {
	waits []deviceWait
	next  int
}

// deviceWaits are the main thread's synchronising calls, of a timeline that knows only
// calls, or what code was active in the threads, as imported traces do.
func (a *attributor) deviceWaits() waitCursor {
	var c waitCursor
	if a.mainID == 0 || a.code == nil && !callsOnly(a.tl) {
		return c
	}
	calls := &a.tl.Calls
	end := int64(math.MinInt64)
	for row, class := range calls.Class {
		if class != timeline.CallSync || calls.Thread[row] != a.mainID || calls.Name[row] == 0 || calls.End[row] <= end {
			continue
		}
		start := max(calls.Start[row], end) // calls of one thread nest, if anything
		end = calls.End[row]
		if end > start {
			c.waits = append(c.waits, deviceWait{timeline.Interval{Start: start, End: end}, calls.Name[row]})
		}
	}
	return c
}

// at is the call that the thread waits in at t, 0 for none, and until when that holds; t must not go backwards.
func (c *waitCursor) at(t int64) (timeline.NameID, int64) {
	for c.next < len(c.waits) && c.waits[c.next].End <= t {
		c.next++
	}
	switch {
	case c.next == len(c.waits):
		return 0, math.MaxInt64
	case t < c.waits[c.next].Start:
		return 0, c.waits[c.next].Start
	}
	return c.waits[c.next].call, c.waits[c.next].End
}

// start is when the call that at told of began.
func (c *waitCursor) start() int64 { return c.waits[c.next].Start }

// waitsIn says whether a thread in this state waits for the device when it is in a
// call that does: the call spins or blocks in whatever way it likes, but a CPU that
// other work had, and the GIL, are not the device.
func (r schedRow) waitsIn() bool {
	return r.state != runnable && !(r.state == blocked && r.reason == timeline.ReasonGIL)
}

// A probe is an exception of the processor: for the sampler the thread is in the kernel
// and in no system call, as in a page fault. Around its call's edges it is a probe.
const (
	// probeBefore is ns before a call's start: the probe's own, and the time that the
	// sampler takes to walk a stack before the probe goes on (7 us where it was measured).
	probeBefore = 12_000
	// probeAfter is ns after a call's end, probeInside ns on the call's side of both.
	probeAfter  = 3_000
	probeInside = 1_000
)

// probeCursor tells, forwards in time, which moments belong to probes. The zero cursor knows none.
type probeCursor struct {
	start, end []int64
	next       int
}

// probedCalls are the main thread's calls, of a timeline whose calls were probed.
func (a *attributor) probedCalls() probeCursor {
	var c probeCursor
	if a.mainID == 0 || !Probed(a.tl) {
		return c
	}
	calls := &a.tl.Calls
	for row, thread := range calls.Thread {
		if thread == a.mainID {
			c.start, c.end = append(c.start, calls.Start[row]), append(c.end, calls.End[row])
		}
	}
	return c
}

// near says whether a moment lies at an edge of a call; moments must not go backwards.
func (c *probeCursor) near(t int64) bool {
	for c.next < len(c.start) && c.end[c.next]+probeAfter < t {
		c.next++
	}
	// The end of one call and the start of the next may both be near: the one before decides nothing.
	for i := c.next; i < len(c.start) && c.start[i]-probeBefore <= t; i++ {
		if t <= c.start[i]+probeInside || t >= c.end[i]-probeInside && t <= c.end[i]+probeAfter {
			return true
		}
	}
	return false
}

// TracingNs is the time of the main thread that the probes of CUDA calls took, in ns.
func (a *Attribution) TracingNs() int64 {
	for _, c := range a.Host.ByKind {
		if c.Kind == result.CauseProfiler {
			return c.Ns
		}
	}
	return 0
}

// callsAlone counts what each line launched and copied by its calls, where no operation tells.
func (a *Attribution) callsAlone() {
	tl := a.from.tl
	if !callsOnly(tl) {
		return
	}
	c := indexCalls(tl, a.from.frames)
	lines := &deviceLineList{index: map[int32]int{}}
	for row, class := range tl.Calls.Class {
		total := &a.CallTotals[class]
		total.Count++
		total.Ns += tl.Calls.End[row] - tl.Calls.Start[row]
		if tl.Calls.Bytes != nil {
			total.Bytes += min(tl.Calls.Bytes[row], math.MaxInt64-total.Bytes)
		}
		switch class {
		case timeline.CallLaunch:
			lines.of(c.line[row]).launches++
		case timeline.CallCopy:
			lines.of(c.line[row]).copies++
		}
	}
	a.mergeLines(lines)
}
