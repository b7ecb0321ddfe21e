package verdict

import (
	"math"
	"math/rand/v2"

	"github.com/inferscope/inferscope/analysis/attribution"
	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/result"
)

const (
	// resamples is how many times the verdict is put to the test.
	resamples = 600
	// tie is how far apart two causes must be to be told apart, of the wall.
	tie = 0.05
	// repeated is how often a line must begin for the cell to count as repeated work.
	repeated  = 20
	capSingle = 0.8
)

// margin is the share of resamples that keep the verdict: half of the wall is
// explained, and the named cause is the largest, or within 5 points of it, even if
// all that the lost records would have shown went to the other.
//
// Repeated work is resampled by blocks of the wall. A cell that did a single thing
// is perturbed instead: each cause by 5 %, each threshold by 20 %; its margin is at
// most 0.8. The generator is seeded with a constant: the answer is reproducible.
func margin(a *attribution.Attribution, lost float64) (float64, string) {
	top := -1
	for i, k := range a.Kinds {
		if k == topCause(a).Kind {
			top = i
		}
	}
	if a.WallNs <= 0 || top < 0 || a.Kinds[top] == result.CauseUnknown {
		return 0, "No cause stands out."
	}
	rng := rand.New(rand.NewPCG(20, 26))
	single := a.Repeats < repeated
	kept := 0
	sums := make([]float64, len(a.Kinds))
	for range resamples {
		clear(sums)
		explained, apart := minExplained, tie
		if single {
			for i := range sums {
				for b := range a.Blocks {
					sums[i] += float64(a.Blocks[b][i])
				}
				spread := max(0.05*sums[i], 1000)
				sums[i] = max(sums[i]+spread*rng.NormFloat64(), 0)
			}
			explained *= 1 + 0.2*(2*rng.Float64()-1)
			apart *= 1 + 0.2*(2*rng.Float64()-1)
		} else {
			for range a.Blocks {
				for i, ns := range a.Blocks[rng.IntN(len(a.Blocks))] {
					sums[i] += float64(ns)
				}
			}
		}
		if keeps(a.Kinds, sums, top, lost, explained, apart) {
			kept++
		}
	}
	m := float64(kept) / resamples
	what := phrase.Kind(a.Kinds[top]) + " stays the largest cause in " + phrase.Percent(m) + " of the resamples"
	if single {
		return math.Min(m, capSingle), what + "; the cell did a single thing, so it is at most 0.8."
	}
	return m, what + "."
}

func keeps(kinds []result.CauseKind, sums []float64, top int, lost, explained, apart float64) bool {
	var wall, second, unknown float64
	for i, ns := range sums {
		wall += ns
		switch {
		case kinds[i] == result.CauseUnknown:
			unknown = ns
		case i != top:
			second = max(second, ns)
		}
	}
	if wall <= 0 || (wall-unknown)/wall < explained {
		return false
	}
	return sums[top]/wall*(1-lost)+apart >= second/wall*(1-lost)+lost
}
