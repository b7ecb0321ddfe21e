package findings

import (
	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/result"
)

// nearLimit is the share of the GPU's memory from which the next allocation may fail.
const nearLimit = 0.92

var memoryNearLimit = Rule{
	ID:    "memory-near-limit",
	Title: "The GPU's memory is nearly full",
	Sees:  "At its peak inside the cell, 92% or more of the GPU's memory was taken, by whichever process.",
	Bad: "The next larger batch fails. Before that, a framework frees and allocates again to make room, which waits for all of the GPU's " +
		"work.",
	Silent: "It is silent below 92%, when the cell gave the GPU no work, and when the driver's sensors could not be read. It claims no saving. " +
		"Frameworks that take all memory at their start (JAX) are reported too.",
	Do:       "A smaller batch, mixed precision, activation checkpointing, or deleting tensors that are no longer needed before the next step.",
	Change:   "use less of the GPU's memory",
	Effort:   result.Moderate,
	CellWide: true,
	Before:   ``, After: ``,
	Test: func(r *Rule, e *Evidence) []result.Finding {
		var out []result.Finding
		if !e.Attribution.GPU.Owned() {
			return nil
		}
		for i := range e.Devices {
			s := e.Devices[i].Sensors
			if s == nil || s.MemoryTotal <= 0 || float64(s.MemoryPeak) < nearLimit*float64(s.MemoryTotal) {
				continue
			}
			out = append(out, r.info(e, result.Line{}, phrase.Percent(float64(s.MemoryPeak)/float64(s.MemoryTotal))+" of the "+
				phrase.Bytes(s.MemoryTotal)+" of "+e.deviceName(&e.Devices[i])+" was taken at the peak."))
		}
		return out
	},
}
