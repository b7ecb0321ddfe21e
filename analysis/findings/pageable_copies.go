package findings

import (
	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// smallCopy is the average size below which it does not matter where a copy's memory lies.
const smallCopy = 64 << 10

var pageableCopies = Rule{
	ID:    "pageable-copies",
	Title: "Copies from or to pageable memory",
	Sees: "Copies between the GPU and ordinary memory that no kernel covered, and a GPU that was idle while the host prepared " +
		"them.",
	Bad: "The driver copies pageable memory through a small buffer of its own, piece by piece, and the host waits. From page-locked " +
		"(pinned) memory the GPU fetches the data itself, several times faster, while both sides go on.",
	Silent: "It is silent below 5% of the cell's wall or 20 ms in total, and when the copies are smaller than 64 KiB on average.",
	Do: "Allocate one pinned buffer before the loop, fill it in each step, and copy with `non_blocking=True`; in a data " +
		"loader, set `pin_memory=True`. Pinning fresh memory in each step costs more than it saves.",
	Causes:   []result.CauseKind{result.CausePageableCopy},
	Change:   "copy from pinned memory that is used again",
	Effort:   result.Moderate,
	CellWide: true,
	Before: `for batch in batches:
    x = torch.from_numpy(batch).cuda()
    step(x)`,
	After: `pinned = torch.empty(shape, pin_memory=True)
for batch in batches:
    torch.cuda.current_stream().synchronize()  # the last copy is done with the buffer
    pinned.numpy()[...] = batch
    step(pinned.cuda(non_blocking=True))`,
	Test: func(r *Rule, e *Evidence) []result.Finding {
		d := e.device()
		if d == nil {
			return nil
		}
		var ns, all, count, bytes int64
		for _, c := range d.Copies {
			all += c.Ns
			if c.Source == "pageable" || c.Target == "pageable" {
				ns, count, bytes = ns+c.Ns, count+c.Count, bytes+c.Bytes
			}
		}
		if count == 0 || bytes/count < smallCopy {
			return nil
		}
		if all > d.ExposedMemcpyNs { // what kernels covered cost nothing
			ns = int64(float64(ns) / float64(all) * float64(d.ExposedMemcpyNs))
		}
		idle := e.of(result.CausePageableCopy)
		ns += idle.Ns
		if !e.worth(ns) {
			return nil
		}
		line := e.Attribution.GPU.CopyLine
		f := r.finding(e, line, ns, phrase.Count(count, "copy", "copies")+" from or to pageable memory, "+
			phrase.Bytes(bytes)+" in all, took "+e.wall(ns)+" that no kernel covered"+largestOn(line)+".")
		e.operations(&f, func(ops *timeline.Ops, row int) bool {
			return ops.Kind[row] == timeline.OpMemcpy && (ops.Source[row] == timeline.MemoryPageable || ops.Target[row] == timeline.MemoryPageable)
		})
		return []result.Finding{f}
	},
}
