package findings

import (
	"github.com/inferscope/inferscope/analysis/devices"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

var exposedCommunication = Rule{
	ID:    "exposed-communication",
	Title: "Communication that no computation covers",
	Sees:  "Kernels of NCCL or RCCL ran while no other kernel did.",
	Bad: "While GPUs exchange gradients or activations they can compute. Time in which they only exchange is lost, and much of it may be " +
		"waiting for the slowest of them.",
	Silent: "It is silent below 5% of the cell's wall or 20 ms.",
	Do: "Let communication overlap with the backward pass: larger or smaller gradient buckets, gradient accumulation, prefetching of " +
		"sharded parameters; and look whether one rank is slower than the others.",
	Change:   "overlap communication with computation",
	Effort:   result.Hard,
	CellWide: true,
	Before: `loss.backward()
for p in model.parameters():
    dist.all_reduce(p.grad)`,
	After: `model = DistributedDataParallel(model)   # reduces while backward runs
loss.backward()`,
	Test: func(r *Rule, e *Evidence) []result.Finding {
		d := e.device()
		if d == nil || !e.worth(d.ExposedCommNs) {
			return nil
		}
		f := r.finding(e, result.Line{}, d.ExposedCommNs, "Communication without any computation beside it took "+e.wall(d.ExposedCommNs)+".")
		names := &e.Attribution.Timeline().Names
		e.operations(&f, func(ops *timeline.Ops, row int) bool {
			return ops.Kind[row] == timeline.OpKernel && devices.Communication(names.String(ops.Name[row]))
		})
		return []result.Finding{f}
	},
}
