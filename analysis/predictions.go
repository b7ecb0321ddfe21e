package analysis

import (
	"slices"

	"github.com/inferscope/inferscope/analysis/attribution"
	"github.com/inferscope/inferscope/analysis/findings"
	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/analysis/whatif"
)

// maxWhatIf is how many predictions of findings are worth making.
const maxWhatIf = 3

// predictions tell the wall with the time of a finding gone and, of a cell that gave a device
// work, with a side of it for nothing. Without such work the main thread is a chain of pieces,
// so that its replay is a subtraction with an identity error of 0. Where the replay is
// refused there are none.
//
// Work of the cell before, which the cell would have waited for without InferScope, is told first: the wall as it is
// has that wait. It only goes to the cell before.
func predictions(wall int64, r *result.Result, a *attribution.Attribution, model *whatif.Model, sides *whatif.Sides) []result.WhatIf {
	out := []result.WhatIf{}
	if line, ns := a.EarlierWait(); ns >= findings.MinNs && float64(ns) >= findings.MinShare*float64(wall) {
		out = append(out, result.WhatIf{Change: "let the cell before wait for its own GPU work, instead of " + phrase.Line(line) + " of this one",
			PredictedNs: wall, LowNs: wall, HighNs: wall, NowNs: wall + ns, SavesNs: ns})
	}
	if model.Refused() != "" {
		return out
	}
	add := func(change string, s result.Saving, bound bool) {
		low, high := max(wall-s.HighNs, 0), max(wall-s.LowNs, 0)
		likely := low
		if model != nil {
			likely += (high - low) / 2
		}
		out = append(out, result.WhatIf{Change: change, PredictedNs: likely, LowNs: low, HighNs: high, NowNs: wall, SavesNs: wall - low, Bound: bound,
			IdentityError: model.Error()})
	}
	for _, f := range r.Findings {
		if f.Saving.HighNs <= 0 || len(out) == maxWhatIf {
			continue
		}
		change := f.Change
		if rule := findings.ByID(f.ID); f.Line.Number > 0 && !(rule != nil && rule.CellWide) {
			change += " on " + phrase.Line(f.Line)
		}
		add(change, f.Saving, false)
	}
	if sides == nil {
		return out
	}
	var kernels, copies int64
	for i := range r.Devices {
		kernels += r.Devices[i].Kernels
		copies += r.Devices[i].Memcpys + r.Devices[i].Memsets
	}
	if kernels > 0 {
		add("could run all kernels in no time", sides.Kernels.Saving, true)
	}
	if copies > 0 {
		add("could make all copies in no time", sides.Copies.Saving, true)
	}
	add("could do all work of the host in no time", sides.Host.Saving, true)
	if r.Host.Rung == timeline.RungTrace && !slices.ContainsFunc(r.Findings, func(f result.Finding) bool { return f.ID == "data-loader-starved" }) {
		loading := whatif.Cost{Idle: []result.CauseKind{result.CauseDataLoading}}
		for _, c := range r.Idle.Causes {
			if c.Kind == result.CauseDataLoading {
				loading.Ns += c.Ns
			}
		}
		if loading.Ns > 0 {
			add("had every batch ready", model.Savings([]whatif.Cost{loading})[0], true)
		}
	}
	return out
}
