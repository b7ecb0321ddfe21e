package attribution

import (
	"math"

	"github.com/inferscope/inferscope/analysis/coverage"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// The cells of a lineSample: the time of each kind, the time to be shared out, and
// how often each kind began.
const (
	sharedCell = int(numIdle)
	countCells = sharedCell + 1
	numCells   = countCells + int(numIdle)
)

// lineSample is the idle time of one line as far as it was seen, by slot of the plan.
type lineSample struct {
	cells [numCells]coverage.Sums
	// ranges are those of the cells of time, all is that of the line.
	ranges [countCells]result.Range
	all    result.Range
}

// at adds to a cell; of a capture that was whole there is nothing to keep. What the
// capture itself is to blame for stands for itself alone.
func (l *lineSample) at(s *idleSweep, cell, slot int, n int64) {
	if l == nil {
		return
	}
	if s.costing {
		slot = s.plan.Slots() - 1
	}
	if l.cells[cell] == nil {
		l.cells[cell] = make(coverage.Sums, s.plan.Slots())
	}
	l.cells[cell][slot] += n
}

// captureCost is when a launch was held up by its own capture.
type captureCost timeline.Interval

// cost finds, in idle time that ends with an operation which call launched, what it
// would have been shorter by without the capture: the end of the call. An operation
// that was queued did not wait for its launch.
func (s *idleSweep) cost(start, end int64, call int32) captureCost {
	if s.plan.Whole() || call < 0 || end-s.tl.Calls.End[call] > launchNs {
		return captureCost{}
	}
	ns := int64(s.plan.CostNs)
	from := max(start, min(end, s.tl.Calls.End[call])-ns)
	return captureCost{from, from + ns}
}

func (c captureCost) in(t int64) bool { return c.Start <= t && t < c.End }

// next is where a piece from t to end must be cut.
func (c captureCost) next(t, end int64) int64 {
	switch {
	case t < c.Start:
		return min(end, c.Start)
	case t < c.End:
		return min(end, c.End)
	}
	return end
}

// estimate makes of the idle time that was seen that of all of the cell.
func (s *idleSweep) estimate() {
	if s.plan.Whole() {
		return
	}
	s.totalNs = s.seen.IdleNs
	all := make(coverage.Sums, s.plan.Slots())
	for _, l := range s.lines {
		for _, cell := range l.sample.cells[:countCells] {
			all.Add(cell)
		}
	}
	weights := s.seen.Weights(all)
	parts := make([]float64, 0, len(s.lines)*countCells)
	for _, l := range s.lines {
		for _, cell := range l.sample.cells[:countCells] {
			parts = append(parts, cell.Weighted(weights))
		}
	}
	for i, ns := range coverage.Apportion(s.totalNs, parts) {
		l, cell := s.lines[i/countCells], i%countCells
		sums := l.sample.cells[cell]
		if sums == nil {
			continue
		}
		l.sample.ranges[cell] = s.seen.IdleWithin(ns, sums)
		if cell == sharedCell {
			l.shared = ns
			continue
		}
		l.kinds[cell] = ns
		if counted := l.sample.cells[countCells+cell]; counted != nil {
			l.counts[cell] = coverage.Round(counted.Weighted(weights))
		}
	}
	for _, l := range s.lines {
		sums := make(coverage.Sums, s.plan.Slots())
		all := l.shared
		for _, cell := range l.sample.cells[:countCells] {
			sums.Add(cell)
		}
		for _, ns := range l.kinds {
			all += ns
		}
		l.sample.all = s.seen.IdleWithin(all, sums)
	}
	s.estimateBlocks(weights)
}

// estimateBlocks does the same to the pieces behind the verdict's margin: each is one stratum with what it stands for.
func (s *idleSweep) estimateBlocks(weights []float64) {
	const columns = int(NumShares) + 1
	parts := make([]float64, 0, s.pieces*columns)
	for slot := range s.pieces {
		for _, ns := range s.blockKinds[slot] {
			parts = append(parts, float64(ns)*weights[slot])
		}
		parts = append(parts, float64(s.blockShared[slot])*weights[slot])
	}
	for i, ns := range coverage.Apportion(s.totalNs, parts) {
		if slot, column := i/columns, i%columns; column < int(NumShares) {
			s.blockKinds[slot][column] = ns
		} else {
			s.blockShared[slot] = ns
		}
	}
}

// estimateWork makes of the time that the device was seen to work that of all of the
// cell, which its idle time leaves.
func (s *idleSweep) estimateWork(worked [][NumShares]int64) {
	var all [NumShares]float64
	for _, w := range worked {
		for k, ns := range w[:ShareCarryIn] {
			all[k] += float64(ns)
		}
	}
	sum := func(w [NumShares]float64) (ns float64) {
		for _, x := range w[:ShareCarryIn] {
			ns += x
		}
		return ns
	}
	if sum(all) == 0 {
		all[ShareKernels] = 1
	}
	parts := make([]float64, 0, len(worked)*int(NumShares))
	for slot, w := range worked {
		var own [NumShares]float64
		for k, ns := range w {
			own[k] = float64(ns)
		}
		like := own
		if sum(own) == 0 {
			like = all
		}
		for k := range own {
			if Share(k) < ShareCarryIn {
				own[k] += s.seen.Busy(slot) * like[k] / sum(like)
			}
			parts = append(parts, own[k])
		}
	}
	total := s.tl.Extent.Ns() - s.totalNs
	out := coverage.Apportion(total, parts)
	for i, ns := range out {
		worked[i/int(NumShares)][i%int(NumShares)] = ns
	}
	if len(worked) > 0 && sumOf(out) != total { // nothing was seen to work
		worked[0][ShareKernels] += total - sumOf(out)
	}
}

func sumOf(list []int64) (sum int64) {
	for _, n := range list {
		sum += n
	}
	return sum
}

// within is the interval of one kind's time on the line, with its part of what samples shared out.
func (l *idleLine) within(k idle) result.Range {
	if l.sample == nil {
		return result.Range{}
	}
	hard, shared := l.sample.ranges[k], l.sample.ranges[sharedCell]
	part := 0.0
	if l.shared > 0 {
		part = float64(l.ballots[k]) / float64(l.shared)
	}
	alone := l.kinds[k] - l.ballots[k]
	low := math.Hypot(float64(alone-hard.Low), float64(l.shared-shared.Low)*part)
	high := math.Hypot(float64(hard.High-alone), float64(shared.High-l.shared)*part)
	return result.Range{Low: max(l.kinds[k]-coverage.Round(low), 0), High: l.kinds[k] + coverage.Round(high)}
}
