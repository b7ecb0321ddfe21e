package findings

import (
	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

const (
	// tensorIdle is the share of time below which the tensor cores count as unused.
	tensorIdle = 0.01
	// manyProducts is the share of the wall from which on products should have used them.
	manyProducts = 0.2
)

var noTensorCores = Rule{
	ID:    "no-tensor-cores",
	Title: "Matrix products without tensor cores",
	Sees: "The GPU's own counters (GPM, on Hopper and later) saw its tensor cores active for less than 1% of the cell, while kernels that " +
		"multiply matrices, and are not named as kernels of tensor cores, took at least 20% of it.",
	Bad: "Most of what the GPU can compute lies in its tensor cores. Libraries pass them by for types that they do not multiply, and for " +
		"shapes or alignments that do not fit.",
	Silent: "It is silent where the counters could not be read, on GPUs split into instances, and where `fp32-matmul` says why. It claims no " +
		"saving: the reason is not known.",
	Do: "Compute in bfloat16 or TF32, make the inner dimensions multiples of 8 (of 16 for 8-bit types), and pass contiguous tensors. " +
		"Products of 64-bit numbers need a reason.",
	Change:   "multiply matrices on tensor cores",
	Effort:   result.Moderate,
	CellWide: true,
	Before:   `w = torch.randn(1023, 1023, dtype=torch.float64, device="cuda")`,
	After:    `w = torch.randn(1024, 1024, dtype=torch.bfloat16, device="cuda")`,
	Test: func(r *Rule, e *Evidence) []result.Finding {
		d := e.device()
		if d == nil || d.Sensors == nil || d.Sensors.MIG || d.Sensors.GPM == nil || d.Sensors.GPM.IntervalNs <= 0 {
			return nil
		}
		active := d.Sensors.GPM.TensorActive
		k := e.kernels()
		other := &k.math[mathOther]
		ns := e.visible(other.ns, k.ns)
		if !(active >= 0 && active < tensorIdle) || e.share(ns) < manyProducts || !e.worth(ns) || k.math[mathFP32].ns > other.ns {
			return nil
		}
		line := e.lineOf(largest(other.lines))
		f := r.info(e, line, "Matrix products took "+e.wall(ns)+", and the tensor cores were active for "+phrase.Percent(active)+" of it; mostly "+
			phrase.Kernel(e.Attribution.Timeline().Names.String(largest(other.names)))+largestOn(line)+".")
		f.Severity = result.Low
		e.operations(&f, func(ops *timeline.Ops, row int) bool {
			return ops.Kind[row] == timeline.OpKernel && k.by[ops.Name[row]] == mathOther
		})
		return []result.Finding{f}
	},
}
