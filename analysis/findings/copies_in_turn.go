package findings

import (
	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/analysis/whatif"
)

var copiesInTurn = Rule{
	ID:    "copies-in-turn",
	Title: "Copies and kernels take turns",
	Sees: "Copies from pinned memory to the GPU that began only when the kernel before them on their stream was done, while the host had " +
		"launched them long before; and how long no kernel ran meanwhile. The saving is that of a replay in which these copies run ahead on a " +
		"stream of their own into two buffers in turn: a copy waits for the copy before it and for the kernel that has read its buffer, a " +
		"kernel for its copy and the kernel before it.",
	Bad: "The GPU copies and computes at the same time, with units of their own. On one stream each waits for the other, and the wall is the sum " +
		"of both instead of the larger one.",
	Silent: "It is silent below 10 such copies, for copies of less than 64 KiB on average, where the replay saves less than 5% of the cell's wall or " +
		"20 ms, where nothing could be replayed, and for pageable memory, of which `pageable-copies` speaks.",
	Do: "Copy the next step's data on a second stream while this step computes, into a second buffer, with an event in each direction. It needs the " +
		"next step's data before this step is done.",
	Change: "copy the next step's data while this one computes",
	Effort: result.Moderate,
	Before: `for batch in pinned_batches:
    x.copy_(batch, non_blocking=True)
    step(x)`,
	After: `copies = torch.cuda.Stream()
copied, used = ([torch.cuda.Event() for _ in range(2)] for _ in range(2))
for i, batch in enumerate(pinned_batches):
    x = buffers[i % 2]
    with torch.cuda.stream(copies):
        copies.wait_event(used[i % 2])
        x.copy_(batch, non_blocking=True)
        copied[i % 2].record()
    torch.cuda.current_stream().wait_event(copied[i % 2])
    step(x)
    used[i % 2].record()`,
	Test: func(r *Rule, e *Evidence) []result.Finding {
		if e.WhatIf == nil || e.WhatIf.Refused() != "" {
			return nil
		}
		tl := e.Attribution.Timeline()
		busy := kernelCover(tl)
		var n, bytes, alone, took int64
		lines := map[int32]int64{}
		for i := range tl.Devices {
			ops := &tl.Devices[i].Ops
			for row, kind := range ops.Kind {
				if kind != timeline.OpMemcpy || ops.Copy[row] != timeline.CopyHtoD || ops.Source[row] != timeline.MemoryPinned || ops.Call[row] < 0 {
					continue
				}
				exposed := busy.free(ops.Start[row], ops.End[row])
				n, bytes, alone, took = n+1, bytes+ops.Bytes[row], alone+exposed, took+ops.End[row]-ops.Start[row]
				lines[e.Attribution.CallLine(ops.Call[row])] += exposed
			}
		}
		if n < manySyncs || bytes/n < smallCopy || !e.worth(alone) {
			return nil
		}
		saved := e.WhatIf.Savings([]whatif.Cost{{Ahead: true, Ns: alone}})[0].HighNs
		if !e.worth(saved) {
			return nil
		}
		line := e.lineOf(largest(lines))
		f := r.finding(e, line, saved, phrase.Count(n, "copy", "copies")+" from pinned memory, "+phrase.Bytes(bytes)+" in all, ran for "+e.wall(alone)+
			" without a kernel beside them"+largestOn(line)+"; they and the kernels on their stream waited for each other. Side by side, "+
			phrase.Duration(saved)+" of that would be hidden.")
		f.Why = append(f.Why, "The copies ran at "+phrase.Bytes(int64(float64(bytes)/float64(max(took, 1))*1e9))+" a second: pinned memory has no more to give, "+
			"so the bus's own time is taken as it is.")
		e.operations(&f, func(ops *timeline.Ops, row int) bool {
			return ops.Kind[row] == timeline.OpMemcpy && ops.Copy[row] == timeline.CopyHtoD && ops.Source[row] == timeline.MemoryPinned
		})
		return []result.Finding{f}
	},
}
