package session

import (
	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/collect"
	"github.com/inferscope/inferscope/sidecar/internal/collect/cudaprobe"
	"github.com/inferscope/inferscope/sidecar/internal/collect/cupti"
	"github.com/inferscope/inferscope/sidecar/internal/collect/ebpf"
	"github.com/inferscope/inferscope/sidecar/internal/collect/nvml"
	"github.com/inferscope/inferscope/sidecar/internal/collect/perfevent"
	"github.com/inferscope/inferscope/sidecar/internal/collect/procfs"
)

// Rung is one way to see the scheduler.
type Rung struct {
	Rung      timeline.Rung
	Collector collect.Collector
}

// Sources are the collectors of a service.
type Sources struct {
	// Always are used in every cell.
	Always []collect.Collector
	// GPU are used in every cell that does not switch the GPU off; a machine
	// without one is no loss.
	GPU []collect.Collector
	// Capture records the GPU's work, in such cells too; nil for no capture. Instead takes
	// its place in a cell of which the client says that CUPTI cannot be used: what it
	// attaches would only cost beside a capture.
	Capture, Instead collect.Collector
	// Ladder are alternatives, best first: the first that works is used.
	Ladder []Rung
}

// DefaultSources is the registry: a new collector is one line here.
func DefaultSources() Sources {
	return Sources{
		Always:  []collect.Collector{procfs.NewAccounting()},
		GPU:     []collect.Collector{nvml.New()},
		Capture: cupti.New(),
		Instead: cudaprobe.New(cudaprobe.Options{}),
		Ladder: []Rung{
			{timeline.RungEBPF, ebpf.New(ebpf.Options{})},
			{timeline.RungPerf, perfevent.New()},
			{timeline.RungProcfs, procfs.New()},
		},
	}
}

// all lists every collector once, those of every cell first.
func (s Sources) all() []collect.Collector {
	all := append(append([]collect.Collector{}, s.Always...), s.OfGPU()...)
	for _, r := range s.Ladder {
		all = append(all, r.Collector)
	}
	return all
}

// OfGPU lists the collectors that see something of a GPU: the capture, what takes its place, the others.
func (s Sources) OfGPU() []collect.Collector {
	var list []collect.Collector
	for _, one := range []collect.Collector{s.Capture, s.Instead} {
		if one != nil {
			list = append(list, one)
		}
	}
	return append(list, s.GPU...)
}
