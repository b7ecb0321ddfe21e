package findings

import (
	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/result"
)

var numaRemote = Rule{
	ID:    "numa-remote",
	Title: "Memory on another NUMA node",
	Sees:  "At least 30% of the process's resident memory lies on nodes other than those whose CPUs ran it.",
	Bad:   "Remote memory has about half of the bandwidth and twice the latency of local memory.",
	Silent: "It is silent on machines with one memory node, when where the process ran is not known, and below 1 " +
		"GiB of remote memory. It claims no saving: placement alone does not tell how often the memory is " +
		"read.",
	Do:     "Bind the process to one node, before it allocates.",
	Change: "bind the process to one node",
	Effort: result.Easy,
	Before: `jupyter lab`,
	After:  `numactl --cpunodebind=0 --membind=0 jupyter lab`,
	Test: func(r *Rule, e *Evidence) []result.Finding {
		p := e.Host.Process
		if p.NUMANodes < 2 {
			return nil
		}
		var all, remote float64
		for _, n := range p.NUMA {
			if n.CPUShare < 0 {
				return nil
			}
			all += float64(n.Bytes)
			remote += float64(n.Bytes) * (1 - min(n.CPUShare, 1))
		}
		if remote < 1<<30 || remote < 0.3*all {
			return nil
		}
		f := r.info(e, result.Line{}, phrase.Percent(remote/all)+" of the process's memory ("+phrase.Bytes(int64(remote))+
			") lies on another node than the CPUs that used it.")
		f.Severity = result.Low
		return []result.Finding{f}
	},
}
