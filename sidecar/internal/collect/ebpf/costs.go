package ebpf

import (
	"fmt"
	"io"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// Cost is what one program has cost since it was loaded, as the kernel counts it.
type Cost struct {
	Program string
	Runs    uint64
	// Ns is CPU time in nanoseconds, the kernel's two readings of its clock a run included.
	Ns int64
}

// CountCosts has the kernel count what every eBPF program of the machine costs,
// until the returned Closer is closed. Counting makes each run some tens of
// nanoseconds longer: it is for benchmarks.
func CountCosts() (io.Closer, error) {
	closer, err := ebpf.EnableStats(unix.BPF_STATS_RUN_TIME)
	if err != nil {
		return nil, fmt.Errorf("count what eBPF programs cost: %w", err)
	}
	return closer, nil
}

// Costs are those of the programs that run at events of the scheduler and of the
// sampler's clock; those at the begin and the end of a cell are left out. Empty
// until the programs are loaded.
func (c *Collector) Costs() ([]Cost, error) {
	p, ok := c.source.Loaded()
	if !ok {
		return []Cost{}, nil
	}
	named := map[string]*ebpf.Program{
		"on_switch": p.OnSwitch, "on_waking": p.OnWaking, "on_fork": p.OnFork,
		"on_exec": p.OnExec, "on_exit": p.OnExit, "on_sample": p.OnSample,
	}
	costs := make([]Cost, 0, len(named)+1)
	add := func(name string, programs ...*ebpf.Program) error {
		cost := Cost{Program: name}
		for _, program := range programs {
			stats, err := program.Stats()
			if err != nil {
				return fmt.Errorf("ask what %s costs: %w", name, err)
			}
			cost.Runs += stats.RunCount
			cost.Ns += stats.Runtime.Nanoseconds()
		}
		costs = append(costs, cost)
		return nil
	}
	for name, program := range named {
		if err := add(name, program); err != nil {
			return nil, err
		}
	}
	return costs, add("interrupts", p.interrupts...)
}
