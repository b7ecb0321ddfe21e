// Package verdict decides what bounded a cell, how sure that is, and says it in
// one sentence. Of a cell that gave no device work it speaks of the host alone.
package verdict

import (
	"slices"
	"strings"

	"github.com/inferscope/inferscope/analysis/attribution"
	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/analysis/whatif"
)

// GPUNotCaptured is what the reason of a Loss of source "cupti" contains when GPU
// work ran that nothing recorded.
const GPUNotCaptured = "not captured"

// Limits of the definition in docs/ARCHITECTURE.md.
const (
	minExplained  = 0.5
	minConfidence = 0.5
	capNoDevice   = 0.2
	capNoSched    = 0.8
	// accountingTick is how old the kernel's account of a running thread's CPU time may be: a
	// tick of the slowest clock that kernels are built with, in ns.
	accountingTick = 10_000_000
)

// Input is what the verdict rests on.
type Input struct {
	Attribution *attribution.Attribution
	Losses      []timeline.Loss
	// MainCPUNs is the main thread's CPU time as the kernel accounts it, -1 when not known.
	MainCPUNs int64
	Overhead  result.Overhead
	// Devices are the sums of each device.
	Devices []result.Device
	// Sides is what the replay of the cell says would be saved; nil without GPU work and where
	// Unpredicted says why nothing is predicted. Then the parts of the wall decide.
	Sides       *whatif.Sides
	Unpredicted string
	// IdentityError is how far the unchanged replay is off, as a share of the wall.
	IdentityError float64
}

// Trust is the part of the confidence that does not depend on the verdict.
type Trust struct {
	Evidence, Quality       float64
	EvidenceWhy, QualityWhy string
	// Lost is the share of the records behind the explanation that were dropped, 0..1.
	Lost float64
	// GPUMissing says that GPU work ran and was not captured.
	GPUMissing bool
}

// Assess weighs the evidence and the quality of a measurement.
func Assess(in Input) Trust {
	a := in.Attribution
	// Whoever sees the CUDA calls would have seen the work that they launch.
	t := Trust{GPUMissing: a.GPUDriverSeen && a.DeviceRecords == 0 && !a.GPUWatched || a.LaunchCalls > 0 && a.GPU == nil || a.MissedKernels > 0}
	for _, l := range in.Losses {
		t.GPUMissing = t.GPUMissing || strings.HasPrefix(l.Reason, attribution.KernelsNotSeen)
		if l.Source != "cupti" {
			continue
		}
		// A step of the clock loses nothing; any other count is of records.
		none := l.Count > 0 && (a.DeviceRecords == 0 || a.GPU != nil && !a.GPU.Owned()) && !strings.HasPrefix(l.Reason, "the wall clock")
		t.GPUMissing = t.GPUMissing || none || strings.Contains(l.Reason, GPUNotCaptured)
	}
	t.Quality, t.QualityWhy = quality(in)
	if a.GPU.Owned() {
		assessGPU(in, &t)
		return t
	}
	explained := explainedShare(a)
	// Lost samples cast doubt on what was shared out by samples, lost switches on everything.
	k := keptShares(in)
	if explained > 0 {
		sampled := min(float64(a.SampledNs)/float64(a.WallNs), explained)
		t.Evidence = (explained - sampled + sampled*k.samples) * k.sched * k.any
		t.Lost = max(1-t.Evidence/explained, 0)
	}
	t.EvidenceWhy = phrase.Percent(explained) + " of the wall is explained"
	if t.Lost > 0.0005 {
		t.EvidenceWhy += ", and of the records behind it " + phrase.Percent(t.Lost) + " were lost"
	}
	top := topCause(a)
	waitsForThreads := top.Kind == result.CauseGIL || top.Kind == result.CauseLock
	switch {
	case t.GPUMissing && t.Evidence > capNoDevice:
		t.Evidence = capNoDevice
		t.EvidenceWhy += "; GPU work was not captured, which caps it at 0.2"
	case t.Evidence > capNoSched && exactSched(a) < 0.5 && (waitsForThreads || a.Host.Rung == timeline.RungInProcess || a.Host.Rung == timeline.RungProcfs ||
		a.Host.Rung == timeline.RungTrace):
		t.Evidence = capNoSched
		t.EvidenceWhy += "; there is no record of every switch, which caps it at 0.8"
	}
	t.EvidenceWhy += "."
	return t
}

// exactSched is the share of the wall over which every switch was recorded.
func exactSched(a *attribution.Attribution) float64 {
	if a.WallNs <= 0 || a.Host.Rung != timeline.RungEBPF && a.Host.Rung != timeline.RungPerf {
		return 0
	}
	return float64(a.Scheduled) / float64(a.WallNs)
}

func explainedShare(a *attribution.Attribution) float64 {
	if a.WallNs <= 0 {
		return 0
	}
	unknown := int64(0)
	for _, c := range a.Host.ByKind {
		if c.Kind == result.CauseUnknown {
			unknown = c.Ns
		}
	}
	return float64(a.WallNs-unknown) / float64(a.WallNs)
}

// kept are the shares of records that were not dropped, by what they tell.
type kept struct{ sched, samples, device, any float64 }

// keptShares sorts losses by what was lost. The words that a loss of scheduler
// records or of samples begins with are those of the collectors; a loss that does
// not say is taken to concern everything. What procfs and the timeline itself could
// not account for are not records.
func keptShares(in Input) kept {
	var sched, samples, device, other int64
	for _, l := range in.Losses {
		switch {
		case l.Count <= 0 || l.Source == "timeline" || l.Source == "procfs" || l.Source == "sidecar":
		case l.Source == "cupti" && in.Attribution.GPU != nil:
			device += l.Count
		case strings.HasPrefix(l.Reason, "samples"):
			samples += l.Count
		case strings.HasPrefix(l.Reason, "scheduler records"):
			sched += l.Count
		case strings.HasPrefix(l.Reason, "Python stacks"), strings.HasPrefix(l.Reason, "the names of"):
			// What happened is known, only not in which function.
		default:
			other += l.Count
		}
	}
	share := func(records, lost int64) float64 {
		if lost == 0 {
			return 1
		}
		return float64(records) / float64(records+lost)
	}
	a := in.Attribution
	return kept{share(a.SchedRecords, sched), share(a.SampleRecords, samples), share(a.DeviceRecords, device), share(a.Records, other)}
}

// quality is 1 when the measurement disturbed little and agrees with the kernel's own accounts.
//
//   - own overhead: 1 up to 2 %, falling evenly to 0 at 100 %;
//   - agreement of the running time with the kernel's CPU time of the thread: 1
//     up to 5 % of the wall apart beyond a tick of the clock, falling evenly to 0 at 50 %.
func quality(in Input) (float64, string) {
	a := in.Attribution
	q, why := 1.0, "InferScope's own cost is small and the records agree with each other."
	slow := in.Overhead.EstimatedSlowdown - 1
	if a.WallNs > 0 {
		slow = max(slow, float64(in.Overhead.InProcessNs)/float64(a.WallNs))
	}
	if slow > 0.02 {
		q = falling(slow, 0.02, 1)
		why = "InferScope itself slowed the cell by about " + phrase.Percent(slow) + "."
	}
	if in.MainCPUNs >= 0 && exactSched(a) > 0.95 {
		apart := float64(max(abs(in.MainCPUNs-a.Host.States.RunningNs)-accountingTick, 0)) / float64(a.WallNs)
		if f := falling(apart, 0.05, 0.5); f < q {
			q = f
			why = "The recorded running time and the kernel's CPU time differ by " + phrase.Percent(apart) + " of the wall."
		}
	}
	return gpuQuality(in, q, why)
}

// falling is 1 up to full, 0 from none on, and linear in between.
func falling(x, full, none float64) float64 {
	return min(max((none-x)/(none-full), 0), 1)
}

func abs(n int64) int64 {
	if n < 0 {
		return -n
	}
	return n
}

// topCause is the largest cause that is known.
func topCause(a *attribution.Attribution) result.Cause {
	for _, c := range a.Host.ByKind {
		if c.Kind != result.CauseUnknown {
			return c
		}
	}
	return result.Cause{Kind: result.CauseUnknown}
}

// Decide gives the verdict. findings are those of the cell: without any that asks
// for a change the sentence is calm.
func Decide(in Input, t Trust, findings []result.Finding) result.Verdict {
	a := in.Attribution
	if a.GPU.Owned() {
		return decideGPU(in, t, findings)
	}
	v := result.Verdict{Class: result.CPUBound, Leaning: result.CPUBound, TopCause: topCause(a),
		Evidence: t.Evidence, Quality: t.Quality, EvidenceWhy: t.EvidenceWhy, QualityWhy: t.QualityWhy}
	v.Margin, v.MarginWhy = margin(a, t.Lost)
	v.Confidence = v.Evidence * v.Margin * v.Quality
	explained := explainedShare(a)
	switch {
	case a.WallNs <= 0 || len(a.Host.ByKind) == 0:
		v.Class, v.Leaning = result.Unknown, result.Unknown
	case t.GPUMissing, explained < minExplained, v.Confidence < minConfidence:
		v.Class = result.Unknown
	}
	if t.GPUMissing {
		v.Leaning = result.Unknown // the host alone does not tell
	}
	calm := !slices.ContainsFunc(findings, func(f result.Finding) bool {
		states := f.ID == "healthy" || f.ID == "import-in-cell" || attribution.Working(v.TopCause.Kind)
		return f.Severity != result.Info || !states
	})
	v.Sentence = sentence(a, v, t, explained, calm)
	if ns := a.EarlierNs; ns >= soShort && float64(ns) >= minSaving*float64(a.WallNs) {
		v.Sentence += " Before it began, the GPU was busy for another " + phrase.Duration(ns) + " with work of earlier cells."
	}
	if g := a.GPU; g != nil && !t.GPUMissing && float64(g.Shares[attribution.ShareCarryIn]) >= minSaving*float64(g.WallNs) {
		v.Class, v.Leaning = result.Unknown, result.Unknown // the cell's own part does not tell
		v.Sentence = carriedIn(a)
	}
	return v
}
