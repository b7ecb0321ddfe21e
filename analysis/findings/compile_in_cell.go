package findings

import (
	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/result"
)

var compileInCell = Rule{
	ID:    "compile-in-cell",
	Title: "Compilation is part of the time",
	Sees: "The GPU was idle while code was compiled, linked or loaded onto it: `torch.compile`, Triton, XLA, nvrtc, or the first " +
		"use of a library's kernels.",
	Bad: "The first call of a compiled function takes seconds to minutes and says nothing about the next one. Loading kernels of a library for the first time takes " +
		"milliseconds each.",
	Silent: "It is silent below 5% of the cell's wall or 20 ms on one line, or in total, and when the GPU was idle for less than 10% of " +
		"the wall. What is compiled again and again it leaves to `recompilation`.",
	Do: "Run one step in a cell before this one, so that its timing speaks of the work. Compiled " +
		"code can be kept on disk (`TORCHINDUCTOR_FX_GRAPH_CACHE`, JAX's `jax_compilation_cache_dir`).",
	Causes: []result.CauseKind{result.CauseCompile},
	Change: "compile before the cell",
	Effort: result.Easy,
	Before: `step = torch.compile(step)
for x in batches:
    step(x)`,
	After: `step = torch.compile(step)
step(batches[0])             # in a cell of its own

for x in batches:
    step(x)`,
	Test: func(r *Rule, e *Evidence) []result.Finding {
		var out []result.Finding
		for _, c := range e.linesOrTotal(result.CauseCompile) {
			if e.compiledAgain(c.Line.Number) > 0 {
				continue
			}
			text := "Compiling or loading code took " + e.took(c.Ns) + on(c.Line)
			if c.Count > 1 {
				text += ", in " + phrase.Count(c.Count, "gap", "gaps")
			}
			text += inWords(c.Detail) + "."
			if e.firstCall(c)-c.Ns >= MinNs {
				text += " What else the line does in its only run, such as imports and collections, is done the first time alone, and goes with it."
			}
			out = append(out, r.finding(e, c.Line, c.Ns, text))
		}
		return out
	},
}

// mostlyCompiling is the share of a line's time from which on all of the line is one first call.
const mostlyCompiling = 0.75

// firstCall is the GPU's idle time, in ns, that goes when a line's compilation has been done before: all that is the
// line's where it ran once and did little else, otherwise that of the compilation.
func (e *Evidence) firstCall(c result.Cause) int64 {
	g := e.Attribution.GPU
	if c.Line.Number == 0 || !g.Owned() || e.runs(c.Line.Number) != 1 {
		return c.Ns
	}
	var all int64
	for _, x := range g.Idle.Causes {
		if x.Line.Number == c.Line.Number {
			all += x.Ns
		}
	}
	if float64(c.Ns) < mostlyCompiling*float64(all) {
		return c.Ns
	}
	return all
}
