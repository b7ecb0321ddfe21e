package findings

import (
	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// oneKernelShare is the share of all kernels' time from which on one kernel stands out.
const oneKernelShare = 0.5

var oneKernel = Rule{
	ID:    "one-kernel-dominates",
	Title: "One kernel is most of the GPU's work",
	Sees:  "One kernel has more than half of the time of all kernels, and the cell waits for kernels for at least 10% of its wall.",
	Bad: "It is not: it says where a faster kernel would pay, and how much at most. A kernel's share of the GPU's work is not its share of " +
		"the wall: what the GPU idles, or hides behind the host, a faster kernel does not bring back.",
	Silent: "It is silent when the cell has fewer than two kinds of kernel or ten launches, when making the kernel twice as fast would save less than 5% of the wall or 20 ms, " +
		"and when the GPU mostly waits for the host. It claims no saving: whether the kernel can be faster is not known.",
	Do: "Look at what the kernel is for: another type (16 bits), another algorithm or library, a fused operation, fewer or larger calls. " +
		"`ncu --kernel-name` tells what bounds it.",
	Change: "make the kernel faster",
	Effort: result.Hard,
	Before: `scores = torch.softmax(q @ k.transpose(-2, -1) / scale, dim=-1) @ v`,
	After:  `scores = F.scaled_dot_product_attention(q, k, v)`,
	Test: func(r *Rule, e *Evidence) []result.Finding {
		d := e.device()
		if d == nil || len(d.TopKernels) < 2 || d.Kernels < 10 {
			return nil
		}
		top := &d.TopKernels[0]
		ns := e.visible(top.Ns, d.KernelSumNs)
		part := e.share(ns)
		if float64(top.Ns) <= oneKernelShare*float64(d.KernelSumNs) || part < 0.1 || !e.worth(ns/2) || e.share(e.Attribution.GPU.Idle.TotalNs) > 0.5 {
			return nil
		}
		f := r.info(e, top.Line, phrase.Kernel(top.Name)+" has "+phrase.Percent(float64(top.Ns)/float64(d.KernelSumNs))+" of the time of all kernels, in "+
			phrase.Count(top.Count, "launch", "launches")+on(top.Line)+". It is "+phrase.Percent(part)+" of the cell's wall: twice as fast, it would save at most "+
			phrase.Duration(ns/2)+".")
		names := &e.Attribution.Timeline().Names
		e.operations(&f, func(ops *timeline.Ops, row int) bool {
			return ops.Kind[row] == timeline.OpKernel && names.String(ops.Name[row]) == top.Name
		})
		return []result.Finding{f}
	},
}
