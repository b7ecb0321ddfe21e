package whatif

import (
	"maps"
	"slices"

	"github.com/inferscope/inferscope/analysis/attribution"
	"github.com/inferscope/inferscope/analysis/replay"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// launcher is a line on which a thread launches kernels.
type launcher struct {
	thread timeline.ThreadID
	line   int32
}

// launching is what threads do on the lines whose kernels take less than below on average, from the
// first launch of a line to its last: one launch in place of many takes all of that away, also while
// the device works. What they wait for there stays, unless it is the GIL. So goes what the driver's own
// threads do meanwhile, which is to tell that operations are done.
func (m *Model) launching(below int64) *replay.Removals {
	spans := m.launchers(below)
	parts := m.interpreted()
	threads := map[timeline.ThreadID]bool{}
	var all timeline.Interval
	for of, x := range spans {
		if len(threads) == 0 {
			all = x
		}
		threads[of.thread] = true
		all = timeline.Interval{Start: min(all.Start, x.Start), End: max(all.End, x.End)}
	}
	out := &replay.Removals{}
	for _, id := range slices.Sorted(maps.Keys(threads)) {
		m.a.Pieces(id, func(p attribution.Piece) {
			x, ok := spans[launcher{id, p.Line}]
			runs := p.State == attribution.StateRunning || p.State == attribution.StateUnknown ||
				p.State == attribution.StateBlocked && p.Reason == timeline.ReasonGIL
			if start, end := max(p.Start, x.Start), min(p.End, x.End); ok && runs && start < end {
				out.Add(replay.Removal{Thread: id, Start: start, End: end, Share: parts[p.Line]})
			}
		})
	}
	for id := 1; id < len(m.tl.Threads) && len(threads) > 0; id++ {
		if t := &m.tl.Threads[id]; threads[timeline.ThreadID(id)] || t.Python || !attribution.DriversOwn(t.Name) {
			continue
		}
		m.a.Pieces(timeline.ThreadID(id), func(p attribution.Piece) {
			if start, end := max(p.Start, all.Start), min(p.End, all.End); p.State == attribution.StateRunning && start < end {
				out.Add(replay.Removal{Thread: timeline.ThreadID(id), Start: start, End: end, Share: 1})
			}
		})
	}
	return out
}

// inWindows is what fewer launches save of a cell that was captured in windows. A device that is idle until the host
// has launched the next of many small kernels waits for nothing but the host, so that its idle time gets shorter by
// what the host no longer does there: that part of the idle time is estimated for the cell. All of it is saved at
// most, and at least half of the low end of its interval.
func (m *Model) inWindows(c *Cost) result.Saving {
	lines := map[int32]bool{}
	for of := range m.launchers(c.Launches) {
		lines[of.line] = true
	}
	var low, all int64
	for _, x := range m.a.GPU.Idle.Causes {
		switch x.Kind {
		case result.CauseFramework, result.CauseLaunchLatency, result.CausePython, result.CauseNative, result.CauseGIL:
			if lines[x.Line.Number] {
				low, all = low+x.Range.Low, all+x.Ns
			}
		}
	}
	high := min(all, c.Ns)
	return result.Saving{LowNs: min(low/2, high), HighNs: high}
}

// launchers are the lines whose kernels take less than below on average, with the time from a
// thread's first launch there to its last.
func (m *Model) launchers(below int64) map[launcher]timeline.Interval {
	c := &m.tl.Calls
	count, ns := map[int32]int64{}, map[int32]int64{}
	for i := range m.tl.Devices {
		ops := &m.tl.Devices[i].Ops
		for row, call := range ops.Call {
			if call >= 0 && ops.Kind[row] == timeline.OpKernel {
				line := m.a.CallLine(call)
				count[line]++
				ns[line] += ops.End[row] - ops.Start[row]
			}
		}
	}
	out := map[launcher]timeline.Interval{}
	for row, class := range c.Class {
		line := m.a.CallLine(int32(row))
		if line == 0 || class != timeline.CallLaunch || count[line] == 0 || ns[line]/count[line] >= below {
			continue
		}
		of := launcher{c.Thread[row], line}
		x, ok := out[of]
		if !ok {
			x.Start = c.Start[row]
		}
		x.End = max(x.End, c.End[row])
		out[of] = x
	}
	return out
}

// interpreted is how much of what a line does, while the device is idle and nothing is waited for, is to
// run Python, libraries and the framework, 0..1: data that is loaded there, say, is not launched with it.
func (m *Model) interpreted() map[int32]float64 {
	of, all := map[int32]int64{}, map[int32]int64{}
	for _, c := range m.a.GPU.Idle.Causes {
		switch c.Kind {
		case result.CauseFramework, result.CausePython, result.CauseNative:
			of[c.Line.Number] += c.Ns
			all[c.Line.Number] += c.Ns
		case result.CauseWarmUp, result.CauseCompile, result.CauseAllocator, result.CauseDataLoading, result.CausePageableCopy,
			result.CauseGC, result.CauseProfiler:
			all[c.Line.Number] += c.Ns
		}
	}
	out := map[int32]float64{}
	for line, ns := range of {
		out[line] = float64(ns) / float64(max(all[line], 1))
	}
	return out
}
