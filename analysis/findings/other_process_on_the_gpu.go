package findings

import (
	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/result"
)

var otherProcess = Rule{
	ID:    "other-process-on-the-gpu",
	Title: "Other processes use the GPU",
	Sees:  "The driver listed other processes with memory on the GPU that this cell used.",
	Bad: "Processes take turns on a GPU: what another one computes is time in which this one waits, and neither sees the other's kernels. " +
		"Its memory is missing here.",
	Silent: "It is silent when no other process was seen, when the cell gave the GPU no work, and when the driver does not tell. It claims no " +
		"saving: whether the other process computed anything is not known.",
	Do:       "`nvidia-smi` names them. Shut down other notebooks' kernels, or choose another GPU with `CUDA_VISIBLE_DEVICES`.",
	Change:   "have the GPU to oneself",
	Effort:   result.Easy,
	CellWide: true,
	Before:   ``, After: ``,
	Test: func(r *Rule, e *Evidence) []result.Finding {
		var out []result.Finding
		if !e.Attribution.GPU.Owned() {
			return nil
		}
		for i := range e.Devices {
			if s := e.Devices[i].Sensors; s != nil && s.OtherProcesses > 0 {
				out = append(out, r.info(e, result.Line{}, phrase.Count(int64(s.OtherProcesses), "other process", "other processes")+
					" held memory on "+e.deviceName(&e.Devices[i])+" during the cell."))
			}
		}
		return out
	},
}
