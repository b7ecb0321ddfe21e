// Package analysis turns the timeline of one cell into the answer about it. It is
// pure: no clock, no input or output, no environment; the same arguments give the
// same answer.
package analysis

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/inferscope/inferscope/analysis/attribution"
	"github.com/inferscope/inferscope/analysis/coverage"
	"github.com/inferscope/inferscope/analysis/devices"
	"github.com/inferscope/inferscope/analysis/findings"
	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/replay"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/scene"
	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/analysis/verdict"
	"github.com/inferscope/inferscope/analysis/whatif"
)

// Input is what the analysis needs beside the timeline. The zero value is usable.
type Input struct {
	Source     result.Source
	Cell       result.Cell
	Collectors []result.Collector
	Overhead   result.Overhead
	// Functions are exact totals of functions (--functions); they replace what samples say of the same functions.
	Functions []result.FunctionStat
	// Arch is the architecture whose system call numbers the timeline holds ("amd64", "arm64"); empty for this program's.
	Arch string
}

// Analyze answers why a cell was slow. No slice of the answer is nil.
func Analyze(tl *timeline.Timeline, in Input) *result.Result { return Explain(tl, in).Result }

// Explain is Analyze that keeps what the answer was made of, for whoever asks why.
func Explain(tl *timeline.Timeline, in Input) *Explained {
	whole := tl.Window
	tl = tl.Until(codeEnd(tl, in.Cell.Outcome))
	in.Cell.Lines = withoutEnd(in.Cell.Lines)
	// The picture and the attribution read the same columns and share nothing else.
	drawn := make(chan result.Picture, 1)
	go func() { drawn <- picture(tl, in.Cell) }()
	// So does the graph of what waited for what.
	graph := make(chan *replay.Graph, 1)
	go func() { graph <- replay.Of(tl) }()
	a := attribution.Host(tl, attribution.Options{Source: in.Cell.Lines, Arch: in.Arch})
	plan := coverage.Of(tl)
	list := devices.Sum(tl, plan)
	a.Devices(list, plan)
	// It reads what has been found out, which nothing below changes.
	staged := make(chan result.Scene, 1)
	go func() { staged <- scene.Of(tl, in.Cell, a) }()
	in.Overhead = withTracing(in.Overhead, a)
	r := &result.Result{
		Source:     in.Source,
		Cell:       in.Cell,
		WallNs:     a.WallNs,
		Host:       a.Host,
		Devices:    list,
		Idle:       result.Idle{Causes: []result.Cause{}},
		Collectors: filled(in.Collectors),
		Losses:     filled(tl.Losses),
		Overhead:   in.Overhead,
		Notes:      []string{},
		Picture:    <-drawn,
		Repetition: a.Repetition(),
	}
	if a.GPU != nil {
		r.Idle = a.GPU.Idle
		r.Picture.Lanes = withIdle(r.Picture.Lanes, tl, a.GPU)
	}
	r.Cell.Lines = filled(r.Cell.Lines)
	r.Host.Process.NUMA = filled(r.Host.Process.NUMA)
	r.Host.Functions = withExact(r.Host.Functions, in.Functions)
	model := whatif.Of(tl, a, <-graph)
	predicted := make(chan *whatif.Sides, 1)
	go func() { predicted <- model.Sides() }()
	weigh := verdict.Input{Attribution: a, Losses: tl.Losses, MainCPUNs: tl.Threads[tl.Main()].CPUNs, Overhead: in.Overhead, Devices: list,
		Unpredicted: model.Refused(), IdentityError: model.Error()}
	trust := verdict.Assess(weigh)
	wall := a.WallNs
	if a.GPU.Owned() {
		wall = a.GPU.WallNs
	}
	evidence := &findings.Evidence{Host: &r.Host, Attribution: a, Devices: list, WallNs: wall,
		WhatIf: model, GPUMissing: trust.GPUMissing, Confidence: trust.Evidence * trust.Quality}
	r.Findings = findings.Find(evidence)
	weigh.Sides = <-predicted
	r.Verdict = verdict.Decide(weigh, trust, r.Findings)
	r.WhatIf, r.Unpredicted = predictions(wall, r, a, model, weigh.Sides), model.Refused()
	r.Scene = <-staged
	r.Notes = notes(tl, r, a, plan, whole.End-tl.Window.End)
	for i := range r.Host.Functions {
		r.Host.Functions[i].File = phrase.File(r.Host.Functions[i].File)
	}
	x := &Explained{Result: r, evidence: evidence}
	switch {
	case tl.Rung == timeline.RungTrace:
		x.words = ofTrace
	case in.Source.Kind == result.KindScript:
		x.words = ofScript
	}
	if x.words != nil {
		speak(x.words, r)
	}
	return x
}

// withoutEnd is a source without the empty lines at its end.
func withoutEnd(lines []string) []string {
	n := len(lines)
	for n > 1 && strings.TrimSpace(lines[n-1]) == "" {
		n--
	}
	return lines[:n]
}

func filled[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// withExact puts exact function totals in the place of sampled ones.
func withExact(sampled, exact []result.FunctionStat) []result.FunctionStat {
	if len(exact) == 0 {
		return sampled
	}
	type key struct{ name, file string }
	at := map[key]int{}
	for i, f := range sampled {
		at[key{f.Name, f.File}] = i
	}
	for _, f := range exact {
		f.Exact = true
		if i, ok := at[key{f.Name, f.File}]; ok {
			s := &sampled[i]
			s.Exact, s.Calls, s.SelfNs, s.Line = true, f.Calls, f.SelfNs, f.Line
			continue
		}
		sampled = append(sampled, f)
	}
	slices.SortStableFunc(sampled, func(x, y result.FunctionStat) int { return cmp.Compare(y.SelfNs, x.SelfNs) })
	return sampled
}

// worthANote is the time below which what InferScope or IPython did beside the cell is not spoken of.
const worthANote = 10_000_000

// notes say what a reader must know to read the numbers. after is how long the error
// of a cell that failed was being shown, in ns.
func notes(tl *timeline.Timeline, r *result.Result, a *attribution.Attribution, plan *coverage.Plan, after int64) []string {
	out := []string{}
	if tl.Main() == 0 && tl.Rung == timeline.RungTrace {
		out = append(out, "The trace shows no thread of the host, so nothing can be said about its time.")
	} else if tl.Main() == 0 {
		out = append(out, "The thread that ran the cell is not known, so nothing can be said about its time.")
	}
	if calls := callsNote(a); calls != "" && attribution.Probed(tl) {
		out = append(out, calls)
	}
	sampled := false
	for i := range r.Host.Lines {
		sampled = sampled || !r.Host.Lines[i].Exact
	}
	if c := plan.Record(); c != nil && len(r.Devices) > 0 {
		out = append(out, "GPU work was captured in "+phrase.Count(int64(c.Windows), "window", "windows")+" with "+phrase.Percent(c.Share)+
			" of the cell, because capturing every launch would have slowed it: what is said of the GPU is estimated for the whole cell, "+
			"± half of a 95% interval. `%%inferscope --full` captures everything.")
	}
	if plan.Unsampled > 0 {
		out = append(out, phrase.Count(plan.Unsampled, "kernel was", "kernels were")+
			" launched between the windows in which GPU work was captured, and none within them: of those only the number is known.")
	}
	for i := range r.Devices {
		if e := r.Devices[i].ClockErrorNs; e > 0 {
			out = append(out, "Times of GPU "+strconv.Itoa(int(r.Devices[i].Index))+" fit those of the host to within "+phrase.Duration(e)+".")
		}
	}
	if sampled {
		out = append(out, "Some lines began so often that recording each would have slowed the cell: their time is sampled, not exact.")
	}
	if after >= worthANote {
		out = append(out, "Showing the error took another "+phrase.Duration(after)+", which is not part of the cell's time.")
	}
	if a.OwnThreadsNs >= worthANote && a.OwnThreadsNs*100 >= a.WallNs {
		out = append(out, "InferScope's own threads and its process ran for "+phrase.Duration(a.OwnThreadsNs)+
			" meanwhile; they are not among the cell's threads.")
	}
	return out
}

// withTracing adds the time that probes took to InferScope's own inside the process.
func withTracing(o result.Overhead, a *attribution.Attribution) result.Overhead {
	if ns := a.TracingNs(); ns > 0 {
		o.InProcessNs += ns
		if rest := a.WallNs - o.InProcessNs; rest > 0 {
			o.EstimatedSlowdown = float64(a.WallNs) / float64(rest)
		}
	}
	return o
}

// callsNote sums the CUDA calls of a cell of which nothing else of the GPU is known; empty otherwise.
func callsNote(a *attribution.Attribution) string {
	var parts []string
	add := func(class timeline.CallClass, one, many string, more func(attribution.CallTotal) string) {
		if t := a.CallTotals[class]; t.Count > 0 {
			parts = append(parts, phrase.Count(t.Count, one, many)+more(t))
		}
	}
	bytes := func(t attribution.CallTotal) string {
		if t.Bytes == 0 {
			return ""
		}
		return " of " + phrase.Bytes(t.Bytes)
	}
	took := func(t attribution.CallTotal) string { return " that took " + phrase.Duration(t.Ns) }
	add(timeline.CallLaunch, "launch", "launches", took)
	add(timeline.CallCopy, "copy or set", "copies and sets", bytes)
	add(timeline.CallSync, "wait for the GPU", "waits for the GPU", took)
	add(timeline.CallAlloc, "allocation or release", "allocations and releases", bytes)
	add(timeline.CallModule, "load of code", "loads of code", took)
	if len(parts) == 0 {
		return ""
	}
	return "Of the GPU, only the calls were seen, on all threads: " + strings.Join(parts, ", ") + "."
}
