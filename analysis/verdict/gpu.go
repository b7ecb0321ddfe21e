package verdict

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/inferscope/inferscope/analysis/attribution"
	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/analysis/whatif"
)

// Limits of the classes of a cell with a device, as shares of its wall.
const (
	// minSaving is what the largest saving must exceed to bound the cell.
	minSaving = 0.1
	// minCopies is what exposed copies must reach to bound it.
	minCopies = 0.2
	// MinIdle is the idle time below which nothing is said of it.
	MinIdle = 0.1
)

// savings are what would be saved of the wall if kernels, copies or the host's work cost
// nothing, each 0..1: what the replay says, or what nothing else covers. exposed are copies
// that no kernel covered, seen is the part of the host's work of which is known what it was.
type savings struct{ kernels, copies, host, exposed, seen, explained float64 }

// savingsOf takes them from the parts of the wall.
func savingsOf(shares *[attribution.NumShares]float64) savings {
	var wall float64
	for _, ns := range shares {
		wall += ns
	}
	if wall <= 0 {
		return savings{}
	}
	unseen := shares[attribution.ShareUnseenHost]
	return savings{kernels: shares[attribution.ShareKernels] / wall, copies: shares[attribution.ShareCopies] / wall,
		host: (shares[attribution.ShareHost] + unseen) / wall, exposed: (shares[attribution.ShareCopies] + shares[attribution.ShareHiddenCopies]) / wall,
		seen: shares[attribution.ShareHost] / wall, explained: 1 - (shares[attribution.ShareUnknown]+unseen)/wall}
}

// sides are what the replay says would be saved of one block, or of the wall, in ns.
type sides struct{ kernels, copies, host float64 }

func (s *sides) add(kernels, copies, host float64) {
	s.kernels, s.copies, s.host = s.kernels+kernels, s.copies+copies, s.host+host
}

// with puts the savings of the replay in the place of those by parts of a wall.
func (s savings) with(of sides, wall float64) savings {
	if wall > 0 {
		s.kernels, s.copies, s.host = max(of.kernels/wall, 0), max(of.copies/wall, 0), max(of.host/wall, 0)
	}
	return s
}

func totalOf(s *whatif.Sides) sides {
	return sides{float64(s.Kernels.Saving.HighNs), float64(s.Copies.Saving.HighNs), float64(s.Host.Saving.HighNs)}
}

// savings are those that the verdict rests on.
func (in Input) savings() savings {
	sums := shareSums(in.Attribution.GPU)
	s := savingsOf(&sums)
	if in.Sides == nil {
		return s
	}
	return s.with(totalOf(in.Sides), float64(in.Attribution.GPU.WallNs))
}

// class is the class by the limits; scale moves the limits, for the margin.
func (s savings) class(scale float64) result.Class {
	order := []struct {
		class result.Class
		of    float64
	}{{result.GPUBound, s.kernels}, {result.MemoryTransferBound, s.copies}, {result.CPUBound, s.host}}
	slices.SortStableFunc(order, func(x, y struct {
		class result.Class
		of    float64
	}) int {
		switch {
		case x.of > y.of:
			return -1
		case x.of < y.of:
			return 1
		}
		return 0
	})
	top := order[0]
	switch {
	case top.of <= minSaving*scale, top.of-order[1].of <= tie*scale:
		return result.Balanced
	case top.class == result.MemoryTransferBound && s.exposed < minCopies*scale:
		return result.Balanced
	}
	return top.class
}

func (s savings) of(c result.Class) float64 {
	switch c {
	case result.GPUBound:
		return s.kernels
	case result.MemoryTransferBound:
		return s.copies
	case result.CPUBound:
		return s.host
	}
	return 0
}

// keeps says whether a class still holds, or nearly, even if all that the lost
// records would have shown spoke for another one.
func (s savings) keeps(c result.Class, lost, explained, scale float64) bool {
	if s.explained < explained {
		return false
	}
	list := []float64{s.kernels, s.copies, s.host}
	slices.Sort(list)
	if c == result.Balanced {
		near := list[2]-list[1] <= 2*tie*scale || list[2] <= (minSaving+tie)*scale || s.copies == list[2] && s.exposed < (minCopies+tie)*scale
		return near && lost <= tie
	}
	top, second := s.of(c), 0.0
	for _, of := range []result.Class{result.GPUBound, result.MemoryTransferBound, result.CPUBound} {
		if of != c {
			second = max(second, s.of(of))
		}
	}
	return top > minSaving*scale && top*(1-lost)+tie*scale >= second*(1-lost)+lost
}

func shareSums(g *attribution.GPU) [attribution.NumShares]float64 {
	var out [attribution.NumShares]float64
	for i, ns := range g.Shares {
		out[i] = float64(ns)
	}
	return out
}

// gpuMargin is the share of resamples that keep the class; see margin.
func gpuMargin(in Input, class result.Class, lost float64) (float64, string) {
	a, g := in.Attribution, in.Attribution.GPU
	rng := rand.New(rand.NewPCG(20, 26))
	single := a.Repeats < repeated && g.Launches+g.Copies < repeated
	kept := 0
	for range resamples {
		var sums [attribution.NumShares]float64
		var of sides
		explained, scale := minExplained, 1.0
		if single {
			shaken := func(ns float64) float64 { return max(ns+max(0.05*ns, 1000)*rng.NormFloat64(), 0) }
			for i, ns := range g.Shares {
				sums[i] = shaken(float64(ns))
			}
			if in.Sides != nil {
				all := totalOf(in.Sides)
				of = sides{shaken(all.kernels), shaken(all.copies), shaken(all.host)}
			}
			explained *= 1 + 0.2*(2*rng.Float64()-1)
			scale += 0.2 * (2*rng.Float64() - 1)
		} else {
			for range g.Blocks {
				b := rng.IntN(len(g.Blocks))
				for i, ns := range g.Blocks[b] {
					sums[i] += float64(ns)
				}
				if s := in.Sides; s != nil {
					of.add(float64(s.Kernels.Blocks[b]), float64(s.Copies.Blocks[b]), float64(s.Host.Blocks[b]))
				}
			}
		}
		s := savingsOf(&sums)
		if in.Sides != nil {
			s = s.with(of, float64(g.WallNs))
		}
		if s.keeps(class, lost, explained, scale) {
			kept++
		}
	}
	m := float64(kept) / resamples
	what := phrase.Class(class) + " stays the verdict in " + phrase.Percent(m) + " of the resamples"
	if single {
		return math.Min(m, capSingle), what + "; the cell did a single thing, so it is at most 0.8."
	}
	return m, what + "."
}

// assessGPU replaces the evidence of a host's verdict by that of a cell with a device.
func assessGPU(in Input, t *Trust) {
	g := in.Attribution.GPU
	sums := shareSums(g)
	s := savingsOf(&sums)
	k := keptShares(in)
	t.Evidence = (s.explained - s.seen + s.seen*k.sched*k.samples) * k.any * k.device
	t.Lost = 0
	if s.explained > 0 {
		t.Lost = max(1-t.Evidence/s.explained, 0)
	}
	t.EvidenceWhy = phrase.Percent(s.explained) + " of the wall is explained"
	if t.Lost > 0.0005 {
		t.EvidenceWhy += ", and of the records behind it " + phrase.Percent(t.Lost) + " were lost"
	}
	if c := g.Coverage; c != nil {
		// What the windows leave open may have been work as well as idle time.
		t.Evidence *= max(1-g.Doubt, 0)
		t.EvidenceWhy += "; the GPU's part is estimated from " + phrase.Count(int64(c.Windows), "window", "windows") + " with " +
			phrase.Percent(c.Share) + " of the cell, which leaves " + phrase.Percent(g.Doubt) + " of the wall open"
	}
	if in.Unpredicted != "" {
		t.EvidenceWhy += "; the verdict is by parts of the wall, as nothing could be replayed"
	}
	rung := in.Attribution.Host.Rung
	switch {
	case t.GPUMissing && t.Evidence > capNoDevice:
		t.Evidence = capNoDevice
		t.EvidenceWhy += "; not all GPU work was captured, which caps it at 0.2"
	case t.Evidence > capNoSched && s.host > minSaving && (rung == timeline.RungInProcess || rung == timeline.RungProcfs || rung == timeline.RungTrace):
		t.Evidence = capNoSched
		t.EvidenceWhy += "; there is no record of every switch, which caps it at 0.8"
	}
	t.EvidenceWhy += "."
}

// gpuQuality lowers the quality of a measurement by what disturbed the device.
func gpuQuality(in Input, q float64, why string) (float64, string) {
	g := in.Attribution.GPU
	if !g.Owned() || g.WallNs <= 0 {
		return q, why
	}
	lower := func(f float64, because string) {
		if f < q {
			q, why = f, because
		}
	}
	carried := float64(g.Shares[attribution.ShareCarryIn]) / float64(g.WallNs)
	lower(falling(carried, 0.1, 1), "For "+phrase.Percent(carried)+" of the wall the GPU ran only work of an earlier cell.")
	lower(falling(in.IdentityError, 0.005, 0.1), "The cell replayed as it was is "+phrase.Percent(in.IdentityError)+" off.")
	for _, c := range g.IdleByKind() {
		if c.Kind == result.CauseProfiler {
			lower(falling(c.Share, 0.02, 1), "Tracing held the GPU up for "+phrase.Percent(c.Share)+" of the wall.")
		}
	}
	for _, d := range in.Devices {
		if d.Sensors != nil && d.Sensors.OtherProcesses > 0 {
			lower(0.9, "Other processes hold memory on the GPU and may have used it.")
		}
	}
	return q, why
}

// decideGPU gives the verdict of a cell that gave a device work.
func decideGPU(in Input, t Trust, findings []result.Finding) result.Verdict {
	a := in.Attribution
	s := in.savings()
	class := s.class(1)
	v := result.Verdict{Class: class, Leaning: class, TopCause: topCause(a), Evidence: t.Evidence, Quality: t.Quality,
		EvidenceWhy: t.EvidenceWhy, QualityWhy: t.QualityWhy}
	switch {
	case class == result.MemoryTransferBound:
		v.TopCause = transferCause(in)
	case class != result.GPUBound:
		if c := topIdle(a.GPU); c.Ns > 0 {
			v.TopCause = c
		}
	}
	v.Margin, v.MarginWhy = gpuMargin(in, class, t.Lost)
	v.Confidence = v.Evidence * v.Margin * v.Quality
	if t.GPUMissing || s.explained < minExplained || v.Confidence < minConfidence {
		v.Class = result.Unknown
	}
	if t.GPUMissing {
		v.Leaning = result.Unknown // what was missed may have filled the gaps
	}
	calm := !slices.ContainsFunc(findings, func(f result.Finding) bool { return f.Severity != result.Info })
	v.Sentence = gpuSentence(in, v, t, class, calm)
	return v
}

// transferCause is the direction that most of the copying time went to.
func transferCause(in Input) result.Cause {
	g := in.Attribution.GPU
	c := result.Cause{Kind: result.CauseOtherCopy, Line: g.CopyLine, Ns: g.Shares[attribution.ShareCopies] + g.Shares[attribution.ShareHiddenCopies]}
	c.Share = shareOf(g, attribution.ShareCopies) + shareOf(g, attribution.ShareHiddenCopies)
	if d := in.device(); d != nil && len(d.Copies) > 0 {
		c.Count = d.Memcpys
		switch d.Copies[0].Kind {
		case timeline.CopyHtoD.String():
			c.Kind = result.CauseCopyToDevice
		case timeline.CopyDtoH.String():
			c.Kind = result.CauseCopyFromDevice
		}
	}
	return c
}

// topIdle is the largest cause of idle time that is known; Ns is 0 when there is none.
func topIdle(g *attribution.GPU) result.Cause {
	for _, c := range g.IdleByKind() {
		if c.Kind != result.CauseUnknown && c.Kind != result.CauseDeviceWait {
			return c
		}
	}
	return result.Cause{Kind: result.CauseUnknown}
}
