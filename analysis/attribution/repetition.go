package attribution

import (
	"math"

	"github.com/inferscope/inferscope/analysis/internal/student"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

const (
	// leastPasses is how many passes tell how much passes vary; the verdict's margin takes as many for repeated work.
	leastPasses = 20
	// mostGroups is how many groups the passes are summed into: enough for a standard error,
	// and each long enough that what happens every few passes is in all of them.
	mostGroups = 32
)

// Repetition finds the outermost loop of the cell, the line that began least often
// of those that came again and again over half of the wall or more, and how evenly
// its passes went. Lines whose exact events stopped tell nothing.
//
// Neighbouring groups of passes are compared instead of all with their mean (von
// Neumann's mean square of successive differences), so that a loop that slows down
// steadily, or warms up, does not count as one that varies. Passes that differ
// because their work does count as variation: the noise is then overestimated.
func (a *Attribution) Repetition() result.Repetition {
	tl := a.from.tl
	l := &a.from.main.Lines
	type seen struct {
		first, last int64
		count       int64
	}
	lines := map[int32]*seen{}
	for i, line := range l.Line {
		t := l.Time[i]
		if line <= 0 || l.Sampled[i] || t < tl.Window.Start || t >= tl.Window.End || !a.from.begins(l, i) {
			continue
		}
		s := lines[line]
		if s == nil {
			s = &seen{first: t}
			lines[line] = s
		}
		s.count++
		s.last = t
	}
	best := int32(0)
	for line, s := range lines {
		if s.count <= leastPasses || (s.last-s.first)*2 < a.WallNs {
			continue
		}
		if b := lines[best]; b == nil || s.count < b.count || s.count == b.count && line < best {
			best = line
		}
	}
	if best == 0 {
		return result.Repetition{}
	}
	passes := make([]int64, 0, lines[best].count)
	for i, line := range l.Line {
		if t := l.Time[i]; line == best && !l.Sampled[i] && t >= tl.Window.Start && t < tl.Window.End && a.from.begins(l, i) {
			passes = append(passes, t)
		}
	}
	span := passes[len(passes)-1] - passes[0]
	return result.Repetition{Line: a.from.line(best), Passes: int64(len(passes) - 1), SpanNs: span, NoiseNs: noiseOf(passes)}
}

// begins says that row i is the beginning of its line, and no return to it from a function.
func (a *attributor) begins(l *timeline.Lines, i int) bool {
	if l.Line[i] == a.directive {
		return false
	}
	return i == 0 || l.Line[i] != l.Top[i] || l.Line[i-1] == l.Top[i-1] || l.Top[i-1] != l.Top[i]
}

// noiseOf is half of the 95 % interval of the time from the first of these instants to the last.
func noiseOf(instants []int64) int64 {
	n := len(instants) - 1
	groups := min(n, mostGroups)
	// Group g ends at pass (g+1)*n/groups: sizes differ by one pass at most, so means are compared.
	means := make([]float64, groups)
	for g := range means {
		from, to := g*n/groups, (g+1)*n/groups
		means[g] = float64(instants[to]-instants[from]) / float64(to-from)
	}
	var squares float64
	for g := 1; g < groups; g++ {
		d := means[g] - means[g-1]
		squares += d * d
	}
	variance := squares / (2 * float64(groups-1))
	// Successive differences tell two thirds of what as many independent ones would.
	t := student.Quantile((groups - 1) * 2 / 3)
	return int64(math.Min(t*math.Sqrt(variance/float64(groups))*float64(n), math.MaxInt64/2))
}
