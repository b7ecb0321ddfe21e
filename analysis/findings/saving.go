package findings

import (
	"slices"

	"github.com/inferscope/inferscope/analysis/attribution"
	"github.com/inferscope/inferscope/analysis/devices"
	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/whatif"
)

// costs says what of a cell that gave a device work the repair of a rule removes. The saving
// of a rule that is not here is only bounded, by the time that it speaks of.
var costs = map[string]whatif.Cost{
	gilContention.ID:        idle(result.CauseGIL),
	lockContention.ID:       idle(result.CauseLock),
	hostIO.ID:               idle(result.CauseHostIO),
	networkWait.ID:          idle(result.CauseNetworkIO),
	sleep.ID:                idle(result.CauseSleep),
	pageFaults.ID:           idle(result.CausePageFault),
	preemption.ID:           idle(result.CausePreempted),
	pythonHotLoop.ID:        idle(result.CausePython),
	gcPauses.ID:             idle(result.CauseGC),
	importInCell.ID:         {All: true},
	syncInLoop.ID:           {Unawaited: true},
	launchBound.ID:          {Idle: []result.CauseKind{result.CauseFramework, result.CauseLaunchLatency}, Launches: smallKernelNs},
	pageableCopies.ID:       {Idle: []result.CauseKind{result.CausePageableCopy}, Pageable: true},
	allocatorChurn.ID:       idle(result.CauseAllocator),
	dataLoaderStarved.ID:    idle(result.CauseDataLoading),
	compileInCell.ID:        idle(result.CauseCompile),
	warmUp.ID:               idle(result.CauseWarmUp),
	loaderWorkerIO.ID:       idle(result.CauseDataLoading),
	recompilation.ID:        idle(result.CauseCompile),
	streamSerialised.ID:     idle(result.CauseStreamDependency),
	copiesInTurn.ID:         {Ahead: true},
	cpuSection.ID:           {All: true},
	fp32Matmul.ID:           {Kernels: func(name string) bool { return mathOf(name) == mathFP32 }},
	exposedCommunication.ID: {Kernels: devices.Communication},
}

func idle(kinds ...result.CauseKind) whatif.Cost { return whatif.Cost{Idle: kinds} }

// predict puts what the replay predicts in the place of the savings of a cell that gave a
// device work, and with it the severity: what the host does may cost less than it takes.
func (e *Evidence) predict(list []result.Finding) {
	if e.WhatIf == nil {
		return
	}
	var rows []int
	var all []whatif.Cost
	for i := range list {
		if list[i].Saving.HighNs > 0 {
			rows, all = append(rows, i), append(all, e.cost(&list[i]))
		}
	}
	for k, s := range e.WhatIf.Savings(all) {
		f := &list[rows[k]]
		s.HighNs = min(phrase.Round(s.HighNs), all[k].Ns)
		f.Saving = result.Saving{LowNs: min(phrase.Round(s.LowNs), s.HighNs), HighNs: s.HighNs}
		f.Severity = e.severity(s.HighNs)
	}
}

// cost is what the repair of a finding removes.
func (e *Evidence) cost(f *result.Finding) whatif.Cost {
	c := costs[f.ID]
	c.Ns = f.Saving.HighNs
	if c.All || c.Unawaited {
		c.Line = f.Line.Number
	}
	if f.ID == streamSerialised.ID && !e.worth(e.of(result.CauseStreamDependency).Ns) {
		c.Idle, c.Unordered = nil, true // the GPU was not idle meanwhile
	}
	if len(c.Idle) == 0 {
		return c
	}
	// A finding speaks of the cause on its line, or of all of it if that is worth one only in total.
	var total int64
	list, _ := e.causes()
	for _, x := range list {
		if !slices.Contains(c.Idle, x.Kind) || attribution.OwnHolder(x) {
			continue
		}
		total += x.Ns
		if len(c.Idle) == 1 && x.Line.Number > 0 && x.Line.Number == f.Line.Number && phrase.Round(x.Ns) == f.Saving.HighNs {
			c.Line, c.Ns = x.Line.Number, x.Ns
		}
	}
	if c.Line == 0 && !c.Pageable {
		c.Ns = total
	}
	if f.ID == compileInCell.ID && c.Line > 0 {
		if all := e.firstCall(result.Cause{Line: f.Line, Ns: c.Ns}); all-c.Ns >= MinNs {
			c.Ns, c.All, c.Idle = all, true, nil
		}
	}
	if c.Launches > 0 && e.WhatIf.Estimates() { // what else the host does between the launches goes with them
		c.Ns = e.Attribution.GPU.Idle.TotalNs
	}
	return c
}
