// Package verdict decides what bounded a cell, how sure that is, and says it in
// one sentence. Until device records exist it speaks of the host alone.
package verdict

import (
	"slices"
	"strings"

	"github.com/inferscope/inferscope/analysis/attribution"
	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
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
)

// Input is what the verdict rests on.
type Input struct {
	Attribution *attribution.Attribution
	Losses      []timeline.Loss
	// MainCPUNs is the main thread's CPU time as the kernel accounts it, -1 when not known.
	MainCPUNs int64
	Overhead  result.Overhead
}

// Trust is the part of the confidence that does not depend on the verdict.
type Trust struct {
	Evidence, Quality       float64
	EvidenceWhy, QualityWhy string
	// Lost is the share of the records that were dropped, 0..1.
	Lost float64
	// GPUMissing says that GPU work ran and was not captured.
	GPUMissing bool
}

// Assess weighs the evidence and the quality of a measurement.
func Assess(in Input) Trust {
	a := in.Attribution
	t := Trust{Lost: lostShare(in), GPUMissing: a.GPUDriverSeen}
	for _, l := range in.Losses {
		if l.Source == "cupti" && strings.Contains(l.Reason, GPUNotCaptured) {
			t.GPUMissing = true
		}
	}
	explained := explainedShare(a)
	t.Evidence = explained * (1 - t.Lost)
	t.EvidenceWhy = phrase.Percent(explained) + " of the wall is explained"
	if t.Lost > 0 {
		t.EvidenceWhy += ", and " + phrase.Percent(t.Lost) + " of the records were lost"
	}
	top := topCause(a)
	waitsForThreads := top.Kind == result.CauseGIL || top.Kind == result.CauseLock
	switch {
	case t.GPUMissing && t.Evidence > capNoDevice:
		t.Evidence = capNoDevice
		t.EvidenceWhy += "; GPU work was not captured, which caps it at 0.2"
	case t.Evidence > capNoSched && exactSched(a) < 0.5 && (waitsForThreads || a.Host.Rung == timeline.RungInProcess || a.Host.Rung == timeline.RungProcfs):
		t.Evidence = capNoSched
		t.EvidenceWhy += "; there is no record of every switch, which caps it at 0.8"
	}
	t.EvidenceWhy += "."
	t.Quality, t.QualityWhy = quality(in)
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

// lostShare is the share of all records that were dropped. What the timeline
// itself repaired is not a loss of records.
func lostShare(in Input) float64 {
	var lost int64
	for _, l := range in.Losses {
		if l.Source != "timeline" && l.Count > 0 {
			lost += l.Count
		}
	}
	if lost == 0 {
		return 0
	}
	return float64(lost) / (float64(lost) + float64(in.Attribution.Records))
}

// quality is 1 when the measurement disturbed little and agrees with the kernel's own accounts.
//
//   - own overhead: 1 up to 2 %, falling evenly to 0 at 100 %;
//   - agreement of the running time with the kernel's CPU time of the thread: 1
//     up to 5 % of the wall apart, falling evenly to 0 at 50 %.
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
		apart := float64(abs(in.MainCPUNs-a.Host.States.RunningNs)) / float64(a.WallNs)
		if f := falling(apart, 0.05, 0.5); f < q {
			q = f
			why = "The recorded running time and the kernel's CPU time differ by " + phrase.Percent(apart) + " of the wall."
		}
	}
	return q, why
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
	calm := !slices.ContainsFunc(findings, func(f result.Finding) bool { return f.Severity != result.Info }) &&
		attribution.Working(v.TopCause.Kind)
	v.Sentence = sentence(a, v, t, explained, calm)
	return v
}
