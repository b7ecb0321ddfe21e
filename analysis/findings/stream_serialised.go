package findings

import (
	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/analysis/whatif"
)

var streamSerialised = Rule{
	ID:    "stream-serialised",
	Title: "Streams wait for each other",
	Sees: "The GPU was idle although its next operation had been launched: the operation's stream had been told to wait for an event of " +
		"another stream. Or it was not idle, but kernels of several streams took turns by such events although they left most of the GPU's " +
		"multiprocessors unused (GPM counters, on Hopper and later). The saving is then that of a replay without the events.",
	Bad: "Streams exist to run side by side. An event in every step, or one recorded later than needed, makes them take turns, with a gap at each " +
		"hand-over.",
	Silent: "It is silent below 5% of the cell's wall or 20 ms on one line, or in total, where the calls that make a stream wait were not " +
		"recorded, and where the kernels that take turns are too large to run side by side. Where the multiprocessors' use was not measured it " +
		"claims no saving. Whether the events guard data that is needed is not recorded.",
	Do: "Record the event right after the operation whose result is needed, wait for it just before the use, and drop waits that no data " +
		"needs. Work that depends on itself step by step belongs into one stream.",
	Causes: []result.CauseKind{result.CauseStreamDependency},
	Change: "let the streams run side by side",
	Effort: result.Moderate,
	Before: `for x, y in pairs:
    a = left(x)
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        b = right(y)                 # needs nothing of a`,
	After: `for x, y in pairs:
    a = left(x)
    with torch.cuda.stream(side):    # no wait
        b = right(y)
torch.cuda.current_stream().wait_stream(side)`,
	Test: func(r *Rule, e *Evidence) []result.Finding {
		var out []result.Finding
		for _, c := range e.linesOrTotal(result.CauseStreamDependency) {
			text := "Launched work waited " + e.took(c.Ns) + " for an event of another stream" + on(c.Line)
			if c.Count > 1 {
				text += ", in " + phrase.Count(c.Count, "gap", "gaps")
			}
			out = append(out, r.finding(e, c.Line, c.Ns, text+"."))
		}
		if len(out) == 0 {
			out = r.eventTurns(e)
		}
		return out
	},
}

// eventTurns is the finding about kernels that wait for events of other streams while the GPU works; none when there
// is nothing to gain.
func (r *Rule) eventTurns(e *Evidence) []result.Finding {
	d := e.device()
	if d == nil {
		return nil
	}
	tl := e.Attribution.Timeline()
	var n, ns int64
	held := map[int32]bool{}
	lines := map[int32]int64{}
	e.WhatIf.EventWaits(func(call int32, waited int64) {
		n, ns = n+1, ns+waited
		held[call] = true
		lines[e.Attribution.CallLine(call)] += waited
	})
	streams := map[uint32]bool{}
	ops := &tl.Devices[e.Attribution.GPU.Busiest].Ops
	for row, call := range ops.Call {
		if call >= 0 && held[call] {
			streams[ops.Stream[row]] = true
		}
	}
	if n < manySyncs || len(streams) < 2 || !e.worth(ns) {
		return nil
	}
	saved := e.WhatIf.Savings([]whatif.Cost{{Unordered: true, Ns: ns}})[0].HighNs
	used, measured := e.kernelWidth(d)
	if !e.worth(saved) || measured && used*float64(len(streams)) > 1 {
		return nil
	}
	line := e.lineOf(largest(lines))
	text := phrase.Count(n, "kernel", "kernels") + " of " + phrase.Count(int64(len(streams)), "stream", "streams") +
		" began only when an event of another stream had come, " + phrase.Duration(ns/n) + " after nothing else held them up" + largestOn(line) + ". "
	isMeant := func(ops *timeline.Ops, row int) bool { return ops.Call[row] >= 0 && held[ops.Call[row]] }
	if !measured {
		f := r.info(e, line, text+"Whether they would fit beside each other on the GPU was not measured.")
		e.operations(&f, isMeant)
		return []result.Finding{f}
	}
	f := r.finding(e, line, saved, text+"Kernels keep "+phrase.Percent(used)+" of the multiprocessors busy on average, so the streams would fit side by side, "+
		"if none needs what another has not finished.")
	e.operations(&f, isMeant)
	return []result.Finding{f}
}

// kernelWidth is the share of a device's multiprocessors that are busy while a kernel runs, on average; false
// where that was not measured.
func (e *Evidence) kernelWidth(d *result.Device) (float64, bool) {
	if d.Sensors == nil || d.Sensors.MIG || d.Sensors.GPM == nil || d.Sensors.GPM.IntervalNs <= 0 || d.ComputeNs+d.CommNs <= 0 {
		return 0, false
	}
	return min(d.Sensors.GPM.SMUtilization*float64(d.Sensors.GPM.IntervalNs)/float64(d.ComputeNs+d.CommNs), 1), true
}
