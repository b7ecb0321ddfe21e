package findings

import (
	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/result"
)

const (
	// smallKernelNs is below which average length launching a kernel costs more than running it.
	smallKernelNs = 10_000
	manyKernels   = 100
)

var launchBound = Rule{
	ID:    "launch-bound-small-kernels",
	Title: "Kernels too small to keep the GPU busy",
	Sees: "Many kernels of less than 10 µs on average, and a GPU that was idle while the host launched the next one: " +
		"inside a framework's operator, inside a launch call, or between a launch and its start.",
	Bad: "A launch costs the host some 5 to 10 µs, whatever the kernel does. When kernels are shorter than that, the GPU " +
		"waits for the host. What else the host does from one such launch to the next is saved as well when they become one.",
	Silent: "It is silent below 100 kernels, when they take 10 µs or more on average, when launching explains less than 5% of " +
		"the cell's wall or 20 ms, and when the GPU was idle for less than 10% of the wall.",
	Do: "Launch fewer, larger kernels: a larger batch, fused operations (`torch.compile`, `jax.jit`, `cupy.fuse`), or the whole step as one CUDA " +
		"graph.",
	Causes:   []result.CauseKind{result.CauseFramework, result.CauseLaunchLatency},
	Change:   "launch fewer, larger kernels",
	Effort:   result.Moderate,
	CellWide: true,
	Before: `for x in batches:
    y = step(x)`,
	After: `step = torch.compile(step, mode="reduce-overhead")
for x in batches:
    y = step(x)`,
	Test: func(r *Rule, e *Evidence) []result.Finding {
		d := e.device()
		if d == nil || d.Kernels < manyKernels || d.KernelSumNs/d.Kernels >= smallKernelNs {
			return nil
		}
		c := e.of(result.CauseFramework)
		latency := e.of(result.CauseLaunchLatency)
		ns := c.Ns + latency.Ns
		if !e.worth(ns) {
			return nil
		}
		line := c.Line
		if latency.Ns > c.Ns {
			line = latency.Line
		}
		return []result.Finding{r.finding(e, line, ns, phrase.Count(d.Kernels, "kernel", "kernels")+" of "+
			phrase.Duration(d.KernelSumNs/d.Kernels)+" on average; launching them took "+e.took(ns)+largestOn(line)+".")}
	},
}
