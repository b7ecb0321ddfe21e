package compare

import (
	"math"
	"slices"
	"strconv"

	"github.com/inferscope/inferscope/analysis/internal/student"
	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/result"
)

const (
	// level is the coverage that an interval must have.
	level = 0.95
	// FloorShare and FloorNs are by how much two runs of the same code are taken to differ
	// where only one of each is known: the larger of the two counts. Walls of separate runs
	// differ by more than passes within one (Kalibera and Jones, Rigorous Benchmarking in
	// Reasonable Time, 2013, which is why a loop that runs evenly does not lower them):
	// where memory lies, what is cached, the clock of the CPU.
	FloorShare = 0.05
	FloorNs    = 5_000_000
)

// noiseOf tells how far the change of the wall can be known. All is done with
// logarithms: times vary by factors, and exchanging the sides changes a sign.
func noiseOf(before, after side) result.Noise {
	x, y := logs(before.runs), logs(after.runs)
	if x == nil || y == nil {
		return result.Noise{Method: result.NoiseNone, Why: "A run without a duration tells nothing of noise."}
	}
	n := result.Noise{Level: level}
	var low, high float64
	own := ownShare(before, after)
	switch rank, covered := rankOf(len(x), len(y)); {
	case len(x)+len(y) == 2:
		n.Method, n.Level = result.NoiseAssumed, 0
		var half float64
		half, n.Why = assumed(before.middle(), after.middle())
		half = math.Log1p(half)
		low, high = y[0]-x[0]-half, y[0]-x[0]+half
	case rank > 0:
		n.Method, n.Level = result.NoiseRanks, covered
		low, high = shifts(x, y, rank)
		n.Why = "It is the spread of the runs: an interval of " + percent(covered) + ", by Hodges and Lehmann's method."
	default:
		n.Method = result.NoiseStudent
		low, high = studentOf(x, y)
		n.Why = "It is the spread of the runs: an interval of 95%, by Student's method, which takes few runs and is wide for it."
	}
	if own > 0 {
		low, high = low-math.Log1p(own), high+math.Log1p(own)
	}
	n.Low, n.High = math.Expm1(low), math.Expm1(high)
	n.Share = math.Expm1((high - low) / 2)
	n.Ns = toNs(n.Share * float64(max(before.middle().WallNs, after.middle().WallNs)))
	n.Low, n.High, n.Share = bounded(n.Low), bounded(n.High), bounded(n.Share)
	return n
}

// bounded keeps a share writable: an interval from two runs may end anywhere.
func bounded(share float64) float64 { return min(share, 1e6) }

func toNs(x float64) int64 { return int64(math.Min(math.Round(x), math.MaxInt64/4)) }

// logs are the logarithms of the walls, sorted; nil when one is not positive.
func logs(runs []Run) []float64 {
	out := make([]float64, 0, len(runs))
	for _, r := range runs {
		if r.Result.WallNs <= 0 {
			return nil
		}
		out = append(out, math.Log(float64(r.Result.WallNs)))
	}
	slices.Sort(out)
	return out
}

// ownShare is what InferScope took inside of the process, as a share of the wall: no
// number of runs makes a difference below that one of the cell.
func ownShare(before, after side) float64 {
	share := 0.0
	for _, r := range []*result.Result{before.middle(), after.middle()} {
		if own := float64(r.Overhead.InProcessNs) / float64(r.WallNs); own > share {
			share = min(own, 1)
		}
	}
	return share
}

// assumed is the noise of one run a side, as a share, and what set it.
func assumed(before, after *result.Result) (float64, string) {
	shorter := float64(min(before.WallNs, after.WallNs))
	floor := max(FloorShare, FloorNs/shorter)
	why := "One run on each side does not show how much runs differ: " + percent(FloorShare) + " is assumed"
	if floor > FloorShare {
		why = "One run on each side does not show how much runs differ: " + phrase.Duration(FloorNs) + " is assumed"
	}
	var passes, waits float64
	for _, r := range []*result.Result{before, after} {
		wall := float64(r.WallNs)
		passes = math.Hypot(passes, float64(r.Repetition.NoiseNs)/wall)
		waits = math.Hypot(waits, float64(r.Host.States.RunnableNs)/wall)
	}
	if passes > FloorShare/2 {
		why += ", and the passes of its loop differ by as much as " + percent(passes) + " in all"
	}
	if waits > FloorShare/2 {
		why += ", and waiting for a CPU that other work had took as much as " + percent(waits)
	}
	return math.Hypot(floor, math.Hypot(passes, waits)), why + "."
}

// studentOf is Student's interval of the difference of the means of y and x, which have
// one spread. It needs three runs in all.
func studentOf(x, y []float64) (low, high float64) {
	mx, sx := moments(x)
	my, sy := moments(y)
	freedom := len(x) + len(y) - 2
	variance := (sx + sy) / float64(freedom)
	half := student.Quantile(freedom) * math.Sqrt(variance*(1/float64(len(x))+1/float64(len(y))))
	return my - mx - half, my - mx + half
}

// moments are the mean and the sum of squared distances from it.
func moments(x []float64) (mean, squares float64) {
	for _, v := range x {
		mean += v
	}
	mean /= float64(len(x))
	for _, v := range x {
		squares += (v - mean) * (v - mean)
	}
	return mean, squares
}

// shifts are the rank-th smallest and largest of all differences between a run after and
// one before. Their median is Hodges and Lehmann's estimate of the shift (1963), and
// between them it lies with the coverage that rankOf gives, whatever the distribution.
func shifts(x, y []float64, rank int) (low, high float64) {
	all := make([]float64, 0, len(x)*len(y))
	for _, a := range x {
		for _, b := range y {
			all = append(all, b-a)
		}
	}
	slices.Sort(all)
	return all[rank-1], all[len(all)-rank]
}

// rankOf is the rank of the differences that bound the interval of n and m runs, and its exact
// coverage, from the distribution of Mann and Whitney's U (1947); 0 when too few runs
// reach the level.
func rankOf(n, m int) (rank int, covered float64) {
	// ways[j][u] counts the orders of i runs before and j after in which u pairs are inverted.
	ways := make([][]float64, m+1)
	for j := range ways {
		ways[j] = make([]float64, n*m+1)
		ways[j][0] = 1
	}
	for i := 1; i <= n; i++ {
		next := make([][]float64, m+1)
		next[0] = ways[0]
		for j := 1; j <= m; j++ {
			next[j] = make([]float64, n*m+1)
			for u := range i*j + 1 {
				// The last of all is a run before, which j after precede, or a run after.
				if u >= j {
					next[j][u] = ways[j][u-j]
				}
				next[j][u] += next[j-1][u]
			}
		}
		ways = next
	}
	total, below := 0.0, 0.0
	for _, c := range ways[m] {
		total += c
	}
	for u, c := range ways[m] {
		if below += c; 2*below/total > 1-level {
			below -= c
			rank = u
			break
		}
	}
	return rank, 1 - 2*below/total
}

// percent writes a share: "±3%" without the sign, of any size.
func percent(share float64) string {
	if share >= 0.995 {
		return strconv.FormatFloat(math.Round(share*100), 'f', 0, 64) + "%"
	}
	return phrase.Percent(share)
}
